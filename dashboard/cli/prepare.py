"""Commands that prepare and serve a workspace: demo, ingest, train, embed, project, clusters, find, encoders, serve."""

import logging
import os
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from core.catalog.creation import FolderState, state_of
from core.encoders.chosen import KnownEncoder
from core.encoders.chosen import encoders as known_encoders
from core.errors import InputError, WorkspaceError
from core.intake.ingest import ingest as take_in
from core.jobs.quick import EncoderArguments, encoder_changed
from core.labels.classes import parse_classes
from core.overview import Summary, file_of, summary
from core.probe.live import refit
from core.remote.addresses import checked_address, is_remote
from core.store.files import shown
from core.wording import counted, percent, verb
from core.workspace import Workspace
from dashboard.cli.joined import Ended, changed, here_or_there, there_or_here
from dashboard.cli.main import app
from dashboard.cli.options import (
    EPOCHS,
    PATH,
    SEED,
    WORKERS,
    AddressOption,
    DeviceOption,
    JsonOption,
    MaybeWorkspace,
    NoBrowser,
    PortOption,
    WorkspaceOption,
    path_of,
)
from dashboard.console import bars, finish, is_at_terminal, progress, sentences, stage_bars
from dashboard.extras import needs
from dashboard.settings import Settings
from dashboard.starting import Starting

LOG = logging.getLogger("lassoscope")
EMBEDDED = "fashion"  # the demo data set that is shipped with the program


@app.command()
@sentences
@needs("dashboard")
def demo(
    port: PortOption = None,
    address: AddressOption = None,
    no_browser: NoBrowser = False,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Prepare the workspace and stop.")] = False,
    dataset: Annotated[
        str, typer.Option(help="fashion (shipped, works offline), or cifar10, caltech101 or pets (downloaded).")
    ] = EMBEDDED,
    workspace: Annotated[Path | None, typer.Option("--workspace", "-w", **PATH, help="Default: workspaces/demo.")] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Try Lassoscope on demo images: ingest, embed, project, then serve."""
    folder = workspace or Path("workspaces") / ("demo" if dataset == EMBEDDED else f"demo-{dataset}")
    if prepare_only:
        result = _prepare_demo(folder, dataset, device)
        finish(f"The demo is ready in {folder}: {counted(result['images'], 'image')} on the map.", result, as_json=json)
        return
    settings = Settings.from_environment(workspace=folder, port=port, address=address, device=device)
    _serve(settings, not no_browser, demo=dataset)


def _prepare_demo(folder: Path, dataset: str, device: str) -> Summary:
    from core.demo.datasets import fetch_dataset, write_demo_images
    from core.encoders.embed import embed as embed_images
    from core.map.project import project as lay_out_map

    if _is_ready(folder):
        with Workspace(folder, read_only=True) as ready:
            return summary(ready)
    with progress("demo images") as on_progress:
        if dataset == EMBEDDED:
            manifest = write_demo_images(folder / "images", on_progress=on_progress)
        else:
            manifest = fetch_dataset(dataset, folder / "images", on_progress=on_progress)
    with _create_demo(folder, dataset) as space:
        space.device = device
        with progress("ingest") as on_progress:
            take_in(space, manifest, on_progress=on_progress)
        with bars("embed", "near-duplicates") as (on_progress, on_copies):
            trained_on_it = "msn-demo" if dataset == EMBEDDED else None
            embed_images(space, trained_on_it, device=device, on_progress=on_progress, on_copies=on_copies)
        with progress("project") as on_progress:
            lay_out_map(space, device=device, on_progress=on_progress)
        return summary(space)


def _create_demo(folder: Path, dataset: str) -> Workspace:
    from core.demo.datasets import DATASETS

    if dataset != EMBEDDED and dataset not in DATASETS:
        raise InputError(f"There is no demo data set '{dataset}'; choose from {', '.join(sorted({EMBEDDED, *DATASETS}))}.")
    flagged = DATASETS[dataset].flagged if dataset in DATASETS else "footwear"
    classes = parse_classes(f"neutral,{flagged}*,copyright")
    # A fixed salt: the demo's halves are the same everywhere, so that its figures can be compared.
    return Workspace.create(folder, name=f"demo {dataset}", classes=classes, salt="lassoscope-demo")


def _is_ready(folder: Path) -> bool:
    try:
        with Workspace(folder, read_only=True) as space:
            return space.projection is not None and space.projection["n_rows"] == space.n_images > 0
    except WorkspaceError:
        return False


@app.command()
@sentences
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder tree, CSV/Parquet manifest with a column 'path', or an address: s3://…, gs://… or az://… (each with "
            "the extra of that name), or https://… of a ZIP archive or a picture."
        ),
    ],
    workspace: WorkspaceOption,
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Decoding processes.  [default: one per core]")] = None,
    json: JsonOption = False,
) -> None:
    """Ingest images. Files that cannot be used are listed with the reason, and all others are ingested."""
    named = checked_address(source) if is_remote(source) else os.path.abspath(path_of(source))

    def here() -> Ended:
        with Workspace.create(workspace) as space:
            if is_remote(named):
                from core.intake.remote import ingest_remote

                with stage_bars() as report:
                    said, result = ingest_remote(space, named, workers=workers, on_stage=lambda name: partial(report, name))
                return Ended(said, result.record(space.n_here))
            with progress("ingest") as on_progress:
                result = take_in(space, Path(source), workers=workers, on_progress=on_progress)
            return Ended(result.sentence, result.record(space.n_here))

    ended = here_or_there(workspace, "ingest", {"source": named, "workers": workers}, here)
    lines = [f"  rejected {shown(r['path'])}: {shown(r['reason'])}" for r in ended.record["rejections"]]
    finish("\n".join([*lines, ended.sentence]), ended.record, as_json=json)


@app.command()
@sentences
@needs("dashboard")
def train(
    workspace: WorkspaceOption,
    preset: Annotated[
        str, typer.Option(help="Settings to start from: tiny-32, tiny-64, small-64 or small-224 (both for GPUs).")
    ] = "tiny-64",
    epochs: Annotated[int | None, typer.Option(**EPOCHS, help="Passes over the images.  [default: the preset's]")] = None,
    config: Annotated[Path | None, typer.Option(**PATH, help="YAML file with settings that override the preset's.")] = None,
    set_to: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, such as batch_size=64; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(**PATH, help="Weights file.  [default: WORKSPACE/models/msn.safetensors]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped or killed.")] = False,
    device: DeviceOption = "auto",
    devices: Annotated[
        int, typer.Option(min=1, max=1_024, help="GPUs (or CPU processes) of this machine that share each batch.")
    ] = 1,
    nodes: Annotated[
        int,
        typer.Option(
            min=1, max=10_000, help="Number of machines; the cluster starts the processes, see Lightning's documentation."
        ),
    ] = 1,
    checkpoint_epochs: Annotated[int, typer.Option(**EPOCHS, help="Epochs between two checkpoints of the weights file.")] = 100,
    json: JsonOption = False,
) -> None:
    """Train an encoder (MSN) on the workspace's images; 'lassoscope embed --encoder FILE' then uses the weights."""
    from core.training.presets import preset as preset_with
    from core.training.presets import read_settings, settings_of
    from core.training.run import first_process, images_of_state, need_new, train_on_workspace

    overrides: dict[str, object] = read_settings(config) if config else {}
    for setting in set_to or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set needs NAME=VALUE, got '{setting}'; for example --set batch_size=64.")
        overrides[name.strip()] = value.split(",") if "," in value else value.strip()
    if epochs is not None:
        overrides["epochs"] = epochs
    file = Path(os.path.abspath(out or workspace / "models" / "msn.safetensors"))
    with Workspace(workspace, read_only=True) as space:
        begun_with = images_of_state(file) if resume else None
        n_images = space.n_here if begun_with is None else begun_with
    run = preset_with(preset, overrides, n_images=n_images)
    if not resume and first_process():
        need_new(file)

    def here() -> Ended:
        with Workspace(workspace, read_only=True) as space, progress("train") as on_progress:
            result = train_on_workspace(
                space,
                run,
                out=file,
                resume=resume,
                n_images=n_images,
                device=device,
                devices=devices,
                nodes=nodes,
                checkpoint_epochs=checkpoint_epochs,
                on_progress=on_progress,
            )
        return Ended(result.sentence, result.record())

    if devices * nodes > 1:  # Lightning starts this command again for each process
        ended = here()
    else:
        asked = {"settings": settings_of(run), "images": n_images, "out": str(file), "resume": resume, "device": device}
        ended = there_or_here(workspace, "train", asked | {"checkpoint_epochs": checkpoint_epochs}, here)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
def embed(
    workspace: WorkspaceOption,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="msn-small-64, msn-tiny-64, msn-demo, pixels-pca, random, hf:REPOSITORY, timm:NAME, a weights file "
            "(.safetensors, .pth.tar), or the name of one in the folder 'weights' beside the workspace.  [default: the current "
            "one; if there is none, what LASSOSCOPE_ENCODER names; else a terminal asks, and scripts take msn-small-64]"
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(min=8, max=2_048, help="Input size in px; for public weights only.")] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Embed every image that has no embedding yet. Resumes after an interruption.

    In a terminal, the first time asks which encoder to use, and asks the Hugging Face hub for public weights.
    """
    from core.encoders.embed import embed as embed_images
    from core.encoders.embed import embed_sentence
    from core.encoders.offers import is_open
    from dashboard.cli.choose import choose_encoder

    def here() -> Ended:
        chosen = encoder
        with Workspace(workspace, device=device) as space:
            if chosen is None and size is None and is_open(space):
                chosen = choose_encoder(space, device=device, asks=not json and is_at_terminal())
            with bars("embed", "near-duplicates", "download (bytes)") as (on_progress, on_copies, on_fetch):
                result = embed_images(
                    space, chosen, device=device, size=size, on_progress=on_progress, on_copies=on_copies, on_fetch=on_fetch
                )
        return Ended(embed_sentence(result), dict(result))

    file = encoder is not None and os.path.isfile(encoder)
    asked = {"encoder": os.path.abspath(encoder) if file and encoder else encoder, "size": size}
    ended = here_or_there(workspace, "embed", asked, here)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
@needs("dashboard")
def project(
    workspace: WorkspaceOption,
    seed: Annotated[int, typer.Option(**SEED, help="The same seed gives the same map on the same device.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Start from the map there is, so that islands keep their place.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Lay the images out on a map with UMAP."""
    from core.map.project import project as lay_out_map
    from core.map.project import project_sentence

    def here() -> Ended:
        with Workspace(workspace, device=device) as space, bars("project", "near-duplicates") as (on_progress, on_copies):
            result = lay_out_map(space, seed=seed, keep=keep, device=device, on_progress=on_progress, on_copies=on_copies)
        return Ended(project_sentence(result), dict(result))

    ended = here_or_there(workspace, "project", {"seed": seed, "keep": keep}, here)
    finish(ended.sentence, ended.record, as_json=json)


@app.command()
@sentences
@needs("dashboard")
def clusters(
    workspace: WorkspaceOption,
    grain: Annotated[str, typer.Option(help="Which clusters to list: coarse, medium or fine. All are found.")] = "medium",
    again: Annotated[bool, typer.Option("--again", help="Find the clusters again even if they are known.")] = False,
    json: JsonOption = False,
) -> None:
    """Find the clusters of the map and summarise them; a cluster that keeps its members keeps its name."""
    from core.map import clusters
    from core.notices.find import find_notices, notices, notices_sentence

    with Workspace(workspace, read_only=True) as space:
        known = not again and clusters.clustering(space, grain) is not None and notices(space) is not None

    def here() -> Ended:
        with Workspace(workspace) as space, progress("read text on dark") as on_progress:
            if again or clusters.clustering(space, grain) is None:
                clusters.cluster(space)
            find_notices(space, on_progress=on_progress)
        return Ended("", {})

    if not known:
        here_or_there(workspace, "clusters", {}, here)
    with Workspace(workspace, read_only=True) as space:
        refit(space, save=False)
        found, group = clusters.clustering(space, grain), notices(space)
        rows = [] if found is None else clusters.summaries(space, found)
        titles = group.titles.get(grain, {}) if group is not None else {}
        records = [
            {key: value for key, value in vars(row).items() if key != "outline"}
            | {"pictures": [space.image_id(int(r)) for r in row.pictures], "title": titles.get(row.name, "")}
            for row in rows
        ]
        told: dict[str, list[str]] = {"images": [], "clusters": []}
        if group is not None:
            told = {"images": [space.image_id(int(r)) for r in group.rows], "clusters": group.clusters.get(grain, [])}
    lines = [
        f"{row.name}: {counted(row.size, 'image')}, {percent(row.labelled)} labelled, text on dark {percent(row.text)}"
        + (f"; {titles[row.name]}" if titles.get(row.name) else "")
        for row in rows
    ]
    said = notices_sentence(group) if group is not None else ""
    finish(
        "\n".join([*lines, f"{counted(len(rows), 'cluster')} at the {grain} grain. {said}"]),
        {"grain": grain, "clusters": records, "notices": told},
        as_json=json,
    )


@app.command()
@sentences
def find(
    words: Annotated[str, typer.Argument(help="Words that the picture, or the title of its cluster, must all contain.")],
    workspace: WorkspaceOption,
    json: JsonOption = False,
) -> None:
    """Find images by the words in them, which 'lassoscope clusters' has read."""
    from core.notices.find import search_words

    with Workspace(workspace, read_only=True) as space:
        rows = search_words(space, words)
        paths = [file_of(space, int(row)) for row in rows]
        ids = [space.image_id(int(row)) for row in rows]
    lines = [shown(path) or "(its file is gone)" for path in paths]
    count = f"{counted(len(paths), 'image')} {verb(len(paths), 'contains', 'contain')} '{shown(words)}'."
    finish("\n".join([*lines, count]), {"words": words, "images": ids}, as_json=json)


@app.command()
@sentences
def encoders(
    workspace: WorkspaceOption,
    use: Annotated[str | None, typer.Option(help="Make this encoder the current one.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Fit a probe on each and judge it on the check half.")] = False,
    json: JsonOption = False,
) -> None:
    """List the encoders this workspace has embeddings of, switch between them, or compare them on the same labels."""
    from core.probe.compare import compare_encoders
    from core.probe.curves import describe_curve

    if use is not None:
        changed(workspace, "encoder", encoder_changed, EncoderArguments(name=use))
    with Workspace(workspace, read_only=True) as space:
        found = [_listed(encoder) for encoder in known_encoders(space)]
        judged = {c.encoder: c for c in compare_encoders(space)} if compare else {}
    lines = []
    for encoder in found:
        line = f"{'*' if encoder['current'] else ' '} {encoder['name']}: {encoder['embedded']:,} embedded, "
        line += f"{encoder['mapped']:,} on its map"
        if compare:
            named = judged[encoder["name"]].curve
            encoder["labels"] = judged[encoder["name"]].n_teach
            defined = named.curve is not None and named.show_average_precision
            encoder["average_precision"] = named.curve.average_precision if named.curve and defined else None
            line += f"; {describe_curve(named)}"
        lines.append(line)
    finish("\n".join([*lines, f"{counted(len(found), 'encoder')}."]), {"encoders": found}, as_json=json)


class ListedEncoder(TypedDict, total=False):
    """One encoder in the output of `encoders`; the last two only with --compare."""

    name: str
    dim: int
    embedded: int
    mapped: int
    current: bool
    labels: int  # that its probe was fitted on
    average_precision: float | None


def _listed(encoder: KnownEncoder) -> ListedEncoder:
    return {
        "name": encoder["name"],
        "dim": encoder["dim"],
        "embedded": encoder["embedded"],
        "mapped": encoder["mapped"],
        "current": encoder["current"],
    }


@app.command()
@sentences
@needs("dashboard")
def serve(
    workspace: MaybeWorkspace = None,
    port: PortOption = None,
    address: AddressOption = None,
    no_browser: NoBrowser = False,
    device: DeviceOption = "auto",
) -> None:
    """Serve a workspace to browsers; a folder that is missing or empty begins as one. Without --workspace, serve the demo."""
    settings = Settings.from_environment(workspace=workspace, port=port, address=address, device=device)
    _serve(settings, not no_browser, demo=EMBEDDED if workspace is None else "")


def _serve(settings: Settings, open_browser: bool, *, demo: str = "") -> None:
    """Serve, and let the page show how the demo named is made."""
    folder = settings.workspace
    is_new = state_of(folder) != FolderState.COMPLETE and (demo or not folder.is_dir() or not any(folder.iterdir()))
    with Starting(settings.address, settings.port) as starting:
        settings = settings.model_copy(update={"port": starting.port})
        LOG.warning("starting; %s will be at %s in some seconds (Ctrl-C stops)", folder, settings.url())
        if open_browser:
            webbrowser.open(settings.url())
        begins: tuple[str, dict[str, object]] | None = None
        if demo and not _is_ready(folder):
            _create_demo(folder, demo).close()
            begins = "demo", {"dataset": demo}
        elif is_new:
            Workspace.create(folder).close()
            LOG.warning("%s is a new workspace; the page asks for images and classes", folder)
        from dashboard.app import serve as serve_page  # not sooner: it takes seconds, which the page above answers for

        serve_page(settings, starting, begins=begins)
