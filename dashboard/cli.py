"""The command line. Every command shows progress, ends with a sentence, or with --json prints one JSON object."""

import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.catalog.originals import thumbnails_sentence
from core.encoders.chosen import encoders as known_encoders
from core.encoders.chosen import use_encoder
from core.errors import AppError, InputError, WorkspaceError
from core.evidence.threshold import figures_record
from core.intake.ingest import ingest as take_in
from core.labels.classes import parse_classes, set_classes, set_guideline
from core.labels.exchange import export_labels, import_labels
from core.labels.gold import gold_columns, has_gold
from core.map.project import project as lay_out_map
from core.maths.precision_recall import precision_at_recall
from core.missing import missing_for_probe, missing_for_score, missing_for_suggestions
from core.overview import file_of, summary
from core.probe.curves import NamedCurve
from core.probe.live import refit
from core.probe.live_curves import curves as live_curves
from core.probe.strategies import FIRST_ROUND, OFFERED, STRATEGIES
from core.probe.suggest import suggest as choose_images
from core.store.files import shown
from core.study.run import BUDGETS, FEATURES
from core.wording import counted, percent, target
from core.workspace import Workspace
from dashboard.console import bars, finish, progress, sentences, this_user, warn
from dashboard.logs import LogLevel, log_to_stderr
from dashboard.settings import MOST_PORT, Settings

if TYPE_CHECKING:
    from core.evidence.checking import CheckStatus, Reveal

app = typer.Typer(
    name="lassoscope",
    help="Label image collections with a lasso: a map of MSN embeddings, few labels, honest curves.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
MOST_DIGITS = 10  # of a number that is typed
EMBEDDED = "fashion"  # the demo data set that needs no network
labels_app = typer.Typer(help="Take labels in, or write them out.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")


def path_of(text: str | Path) -> Path:
    """Take a path that is typed; an empty one, as from a variable that is not set, would be the current folder."""
    if not str(text).strip() or "\0" in str(text):
        raise typer.BadParameter("a path is needed, got nothing; the current folder is '.'.")
    return Path(text)


def finite(text: str | float) -> float:
    """Take a number that is typed; NaN and infinity are none."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise typer.BadParameter(f"a number is needed, got {str(text)[:40]!r}.")
    return found


# What an option may hold; the rest of `typer.Option` and `typer.Argument` says what it is for.
PATH: dict[str, Any] = {"parser": path_of, "metavar": "PATH"}
NUMBER: dict[str, Any] = {"parser": finite, "metavar": "NUMBER"}
WORKERS: dict[str, Any] = {"min": 1, "max": 256}
EPOCHS: dict[str, Any] = {"min": 1, "max": 1_000_000}
SEED: dict[str, Any] = {"min": 0, "max": 2**32 - 1}  # numpy's
WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Folder of the workspace.")
]
MaybeWorkspace = Annotated[
    Path | None, typer.Option("--workspace", "-w", envvar="LASSOSCOPE_WORKSPACE", **PATH, help="Folder of the workspace.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout instead of a sentence.")]
AnalystOption = Annotated[str, typer.Option("--analyst", envvar="LASSOSCOPE_ANALYST", help="Who is named on labels.")]
DeviceOption = Annotated[str, typer.Option(envvar="LASSOSCOPE_DEVICE", help="auto, cpu, cuda or cuda:N.")]
PortOption = Annotated[
    int | None, typer.Option(min=0, max=MOST_PORT, envvar="PORT", help="Port; 0 takes a free one.  [default: 5006]")
]
AddressOption = Annotated[str | None, typer.Option(envvar="LASSOSCOPE_ADDRESS", help="Address.  [default: 127.0.0.1]")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


def main() -> None:
    """Run the command `lassoscope`."""
    app()


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"lassoscope {version('lassoscope')}\n")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="LASSOSCOPE_LOG_LEVEL", help="How much is logged, on stderr.")
    ] = LogLevel.WARNING,
    log_json: Annotated[
        bool, typer.Option("--log-json", envvar="LASSOSCOPE_LOG_JSON", help="Log one JSON object a line.")
    ] = False,
) -> None:
    """Label image collections with a lasso."""
    log_to_stderr(log_level, as_json=log_json)


@app.command()
@sentences
def demo(
    port: PortOption = None,
    address: AddressOption = None,
    no_browser: NoBrowser = False,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Prepare the workspace and stop.")] = False,
    dataset: Annotated[
        str, typer.Option(help="fashion (embedded, offline), or cifar10, caltech101, pets (downloaded).")
    ] = EMBEDDED,
    workspace: Annotated[Path | None, typer.Option("--workspace", "-w", **PATH, help="Default: workspaces/demo.")] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Do everything on the demo images: ingest, embed, project, then serve."""
    folder = workspace or Path("workspaces") / ("demo" if dataset == EMBEDDED else f"demo-{dataset}")
    result = _prepare_demo(folder, dataset, device)
    ready = f"The demo is ready in {folder}: {counted(result['images'], 'image')} on the map."
    if prepare_only:
        finish(ready, result, as_json=json)
        return
    finish(ready, result, as_json=json)
    _serve(Settings.from_environment(workspace=folder, port=port, address=address, device=device), not no_browser)


def _prepare_demo(folder: Path, dataset: str, device: str) -> dict[str, Any]:
    from core.demo.datasets import DATASETS, fetch_dataset, write_demo_images
    from core.encoders.embed import embed as embed_images

    if _is_ready(folder):
        with Workspace(folder, read_only=True) as ready:
            return summary(ready)
    with progress("demo images") as on_progress:
        if dataset == EMBEDDED:
            manifest = write_demo_images(folder / "images", on_progress=on_progress)
        else:
            manifest = fetch_dataset(dataset, folder / "images", on_progress=on_progress)
    flagged = DATASETS[dataset].flagged if dataset in DATASETS else "footwear"
    classes = parse_classes(f"neutral,{flagged}*,copyright")
    # A fixed salt: everybody's demo has the same halves, so its figures can be compared.
    with Workspace.create(folder, name=f"demo {dataset}", classes=classes, salt="lassoscope-demo") as space:
        with progress("ingest") as on_progress:
            take_in(space, manifest, on_progress=on_progress)
        with bars("embed", "near-duplicates") as (on_progress, on_copies):
            trained_on_it = "msn-demo" if dataset == EMBEDDED else None
            embed_images(space, trained_on_it, device=device, on_progress=on_progress, on_copies=on_copies)
        with progress("project") as on_progress:
            lay_out_map(space, on_progress=on_progress)
        return summary(space)


def _is_ready(folder: Path) -> bool:
    try:
        with Workspace(folder, read_only=True) as space:
            return space.projection is not None and space.projection["n_rows"] == space.n_images > 0
    except WorkspaceError:
        return False


@app.command()
@sentences
def ingest(
    source: Annotated[Path, typer.Argument(**PATH, help="Folder tree, or CSV/Parquet manifest with a column 'path'.")],
    workspace: WorkspaceOption,
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Decoding workers.  [default: all cores]")] = None,
    json: JsonOption = False,
) -> None:
    """Take images in. Files that cannot be used are listed with the reason; the rest goes on."""
    with Workspace.create(workspace) as space:
        with progress("ingest") as on_progress:
            result = take_in(space, source, workers=workers, on_progress=on_progress)
        rejected = [{"path": path, "reason": reason} for path, reason in result.rejected]
        summary = {
            "added": result.added,
            "already": result.already,
            "duplicates": result.duplicates,
            "rejected": len(rejected),
            "rejections": rejected,
            "passed_over": result.passed_over,
            "found_again": result.followed,
            "files_gone": result.lost,
            "moving": result.moving,
            "contradicting_answers": result.contradictions,
            "columns_left_out": result.left_out,
            "images": space.n_images,
        }
    lines = [f"  rejected {shown(r['path'])}: {shown(r['reason'])}" for r in rejected]
    finish("\n".join([*lines, result.sentence]), summary, as_json=json)


@app.command()
@sentences
def train(
    workspace: WorkspaceOption,
    preset: Annotated[str, typer.Option(help="Settings to start from: tiny-32, tiny-64 or small-224 (GPUs).")] = "tiny-64",
    epochs: Annotated[int | None, typer.Option(**EPOCHS, help="Passes over the images.  [default: the preset's]")] = None,
    config: Annotated[Path | None, typer.Option(**PATH, help="YAML file with settings that replace the preset's.")] = None,
    set_to: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, such as batch_size=64; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(**PATH, help="Weights file.  [default: WORKSPACE/models/msn.safetensors]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run was stopped or killed.")] = False,
    device: DeviceOption = "auto",
    devices: Annotated[
        int, typer.Option(min=1, max=1_024, help="GPUs (or CPU processes) of this machine that share each batch.")
    ] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, max=10_000, help="Machines; started by the cluster, as Lightning documents it.")
    ] = 1,
    checkpoint_epochs: Annotated[int, typer.Option(**EPOCHS, help="Epochs between two versions of the weights file.")] = 100,
    json: JsonOption = False,
) -> None:
    """Train MSN on the workspace's images; `embed --encoder FILE` then uses the weights."""
    from core.training.presets import preset as preset_with
    from core.training.presets import read_settings
    from core.training.run import train_on_workspace

    overrides: dict[str, Any] = read_settings(config) if config else {}
    for setting in set_to or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set needs NAME=VALUE, got '{setting}'; for example --set batch_size=64.")
        overrides[name.strip()] = value.split(",") if "," in value else value.strip()
    if epochs is not None:
        overrides["epochs"] = epochs
    with Workspace(workspace, read_only=True) as space, progress("train") as on_progress:
        run = preset_with(preset, overrides, n_images=space.n_images)
        file = out or workspace / "models" / "msn.safetensors"
        result = train_on_workspace(
            space,
            run,
            out=file,
            resume=resume,
            device=device,
            devices=devices,
            nodes=nodes,
            checkpoint_epochs=checkpoint_epochs,
            on_progress=on_progress,
        )
    small = thumbnails_sentence(result["from_thumbnails"], result["images"])
    sentence = f"Trained {result['steps']:,} steps on {counted(result['images'], 'image')}; weights in {file}. {small}".strip()
    finish(sentence, result, as_json=json)


@app.command()
@sentences
def embed(
    workspace: WorkspaceOption,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="msn-tiny-64, msn-demo, pixels-pca, random, hf:REPOSITORY, timm:NAME, or a weights file (.safetensors, "
            ".pth.tar). The current one if not given; msn-tiny-64 at first."
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(min=8, max=2_048, help="Input size in px; for public weights only.")] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Embed every image that has no embedding yet; resumes where it stopped."""
    from core.encoders.embed import embed as embed_images

    with Workspace(workspace) as space, bars("embed", "near-duplicates") as (on_progress, on_copies):
        result = embed_images(space, encoder, device=device, size=size, on_progress=on_progress, on_copies=on_copies)
    sentence = f"{counted(result['embedded'], 'image')} embedded with {result['encoder']}."
    finish(f"{sentence} {thumbnails_sentence(result['from_thumbnails'], result['embedded'])}".strip(), result, as_json=json)


@app.command()
@sentences
def project(
    workspace: WorkspaceOption,
    seed: Annotated[int, typer.Option(**SEED, help="The same seed gives the same map.")] = 0,
    json: JsonOption = False,
) -> None:
    """Lay the images out on a map with UMAP."""
    with Workspace(workspace) as space, bars("project", "near-duplicates") as (on_progress, on_copies):
        result = lay_out_map(space, seed=seed, on_progress=on_progress, on_copies=on_copies)
    trust = result["trustworthiness"]
    quality = "too few images to measure it" if trust is None else f"trustworthiness {trust:.3f}"
    finish(f"{counted(result['images'], 'image')} on the map, {quality}.", result, as_json=json)


@app.command()
@sentences
def clusters(
    workspace: WorkspaceOption,
    grain: Annotated[str, typer.Option(help="coarse, medium or fine: which to list; all are found.")] = "medium",
    again: Annotated[bool, typer.Option("--again", help="Find them again even if they are known.")] = False,
    json: JsonOption = False,
) -> None:
    """Find the islands of the map and say what is in each; names stay where the members do."""
    from core.map import islands
    from core.notices.find import find_notices, notices, notices_sentence

    with Workspace(workspace, read_only=True) as space:
        known = not again and islands.clustering(space, grain) is not None and notices(space) is not None
    if not known:
        with Workspace(workspace) as space, progress("Reading text on dark") as on_progress:
            if again or islands.clustering(space, grain) is None:
                islands.cluster(space)
            find_notices(space, on_progress=on_progress)
    with Workspace(workspace, read_only=True) as space:
        refit(space, save=False)
        found, group = islands.clustering(space, grain), notices(space)
        rows = [] if found is None else islands.summaries(space, found)
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
        "\n".join([*lines, f"{len(rows)} clusters at the {grain} grain. {said}"]),
        {"grain": grain, "clusters": records, "notices": told},
        as_json=json,
    )


@app.command()
@sentences
def find(
    words: Annotated[str, typer.Argument(help="Words that must all be in the picture, or in the title of its cluster.")],
    workspace: WorkspaceOption,
    json: JsonOption = False,
) -> None:
    """Find images by what they say; 'lassoscope clusters' reads the words."""
    from core.notices.find import search_words

    with Workspace(workspace, read_only=True) as space:
        rows = search_words(space, words)
        paths = [file_of(space, int(row)) for row in rows]
        ids = [space.image_id(int(row)) for row in rows]
    lines = [shown(path) or "(its file is gone)" for path in paths]
    finish("\n".join([*lines, f"{len(paths)} images say '{shown(words)}'."]), {"words": words, "images": ids}, as_json=json)


@app.command()
@sentences
def encoders(
    workspace: WorkspaceOption,
    use: Annotated[str | None, typer.Option(help="Make this encoder's embeddings and map the current ones.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Fit a probe on each, judged on the check half.")] = False,
    json: JsonOption = False,
) -> None:
    """List the encoders that have embedded this workspace, switch, or compare them on the same labels."""
    from core.probe.compare import compare_encoders
    from dashboard.views.curves import describe_curve

    with Workspace(workspace, read_only=use is None) as space:
        if use is not None:
            use_encoder(space, use)
        found = [
            {key: encoder[key] for key in ("name", "dim", "embedded", "mapped", "current")} for encoder in known_encoders(space)
        ]
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
    finish("\n".join([*lines, f"{len(found)} encoders."]), {"encoders": found}, as_json=json)


@app.command()
@sentences
def serve(
    workspace: MaybeWorkspace = None,
    port: PortOption = None,
    address: AddressOption = None,
    no_browser: NoBrowser = False,
    device: DeviceOption = "auto",
) -> None:
    """Serve a workspace to browsers; without --workspace the demo, prepared first if need be."""
    settings = Settings.from_environment(workspace=workspace, port=port, address=address, device=device)
    if workspace is None:
        _prepare_demo(settings.workspace, EMBEDDED, device)
    _serve(settings, not no_browser)


def _serve(settings: Settings, open_browser: bool) -> None:
    from dashboard.app import serve as serve_page

    serve_page(settings, open_browser=open_browser)


@app.command()
@sentences
def classes(
    workspace: WorkspaceOption,
    set_to: Annotated[
        str, typer.Option("--set", help="New list, flagged ones with a star, e.g. 'neutral,explicit*,copyright'.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show the classes, or replace them; a class that carries labels must stay."""
    with Workspace.create(workspace) if set_to else Workspace(workspace, read_only=True) as space:
        if set_to:
            set_classes(space, parse_classes(set_to))
        found = [vars(c) for c in space.classes]
    listed = ", ".join(f"{c['name']}{' (flagged)' if c['flagged'] else ''} [{c['key']}]" for c in found)
    finish(f"Classes: {listed}.", {"classes": found}, as_json=json)


@app.command()
@sentences
def guideline(
    workspace: WorkspaceOption,
    set_to: Annotated[str | None, typer.Option("--set", help="New version, written beside every label from now on.")] = None,
    json: JsonOption = False,
) -> None:
    """Show which version of your labelling guideline is in force, or put another one in force; a promise names it."""
    with Workspace(workspace, read_only=set_to is None) as space:
        if set_to is not None:
            set_guideline(space, set_to)
        found = space.guideline
    finish(f"Guideline in force: {found}.", {"guideline": found}, as_json=json)


@labels_app.command("import")
@sentences
def labels_import(
    file: Annotated[
        Path,
        typer.Argument(**PATH, help="CSV or Parquet: image, class, and if known analyst, time, source."),
    ],
    workspace: WorkspaceOption,
    analyst: AnalystOption = "",
    json: JsonOption = False,
) -> None:
    """Take labels from a file, all or none; images are named by id or path. What was read in Check is kept."""
    with Workspace(workspace) as space:
        result = import_labels(space, file, analyst=analyst or this_user())
        counts = summary(space)
    now = f"Labelled now: {counts['labelled_teach']:,} in the teach half, {counts['labelled_check']:,} in the check half."
    taken = {"imported": result.n_taken, "same": result.n_same, "kept": result.n_kept, "older": result.n_older}
    finish(f"{result.sentence} {now}", taken | counts, as_json=json)


@labels_app.command("export")
@sentences
def labels_export(
    file: Annotated[Path, typer.Argument(**PATH, help="CSV, or Parquet by its suffix.")],
    workspace: WorkspaceOption,
    json: JsonOption = False,
) -> None:
    """Write the labels as they stand: image, path, class, analyst, time, source."""
    with Workspace(workspace, read_only=True) as space:
        n = export_labels(space, file)
        warn(space.damage)
    finish(f"{counted(n, 'label')} written to {file}.", {"exported": n, "file": str(file)}, as_json=json)


@app.command()
@sentences
def suggest(
    workspace: WorkspaceOption,
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = FIRST_ROUND,
    strategy: Annotated[str, typer.Option(help=f"auto, {', '.join(OFFERED)}.")] = "auto",
    seed: Annotated[int, typer.Option(**SEED, help="The same seed and labels give the same picks.")] = 0,
    json: JsonOption = False,
) -> None:
    """Name the images whose labels would teach the model most."""
    with Workspace(workspace, read_only=True) as space:
        refit(space, save=False)
        picks = [
            {
                "id": s.id,
                "path": file_of(space, s.row),
                "strategy": s.strategy,
                "reason": s.reason,
                "half": "teach",
            }
            for s in choose_images(space, n, strategy=strategy, seed=seed)
        ]
        missing = "" if picks else missing_for_suggestions(space)
    lines = [f"{shown(p['path']) or p['id']}  ({p['strategy']}: {p['reason']})" for p in picks]
    said = missing or f"{counted(len(picks), 'image')} suggested."
    finish("\n".join([*lines, said]), {"suggestions": picks, "missing": missing}, as_json=json)


@app.command()
@sentences
def experiment(
    workspace: WorkspaceOption,
    gold: Annotated[str, typer.Option(help="Column of the manifest that knows the answers.")],
    flagged: Annotated[str, typer.Option(help="Its values that count as flagged, comma-separated.")],
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Random splits; more give narrower intervals.")] = 20,
    strategies: Annotated[str, typer.Option(help="Comma-separated; all if not given.")] = ",".join(STRATEGIES),
    budgets: Annotated[str, typer.Option(help="Numbers of labels, rising.")] = ",".join(map(str, BUDGETS)),
    features: Annotated[str, typer.Option(help="encoder, untrained and pixels, or some of them.")] = ",".join(FEATURES),
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Processes; one per core if not given.")] = None,
    json: JsonOption = False,
) -> None:
    """Measure what labels teach: strategies, budgets and seeds, with the answers known. Stopped, it goes on where it was."""
    from core.study.report import conclude, paired_table, summarise
    from core.study.run import ExperimentConfig, run_experiment
    from dashboard.report import about, write_report

    config = ExperimentConfig(
        gold=gold,
        flagged=tuple(_names(flagged)),
        strategies=tuple(_names(strategies)),
        budgets=tuple(_number(text) for text in _names(budgets)),
        seeds=seeds,
        features=tuple(_names(features)),
    )
    with Workspace(workspace, read_only=True) as space, progress("tasks") as on_progress:
        found = run_experiment(space, config, workers=workers, on_progress=on_progress)
    report, words = write_report(found), conclude(found.results, config.features[0])
    result = {
        "report": str(report),
        "csv": str(found.folder / "table.csv"),
        "conclusion": words,
        "table": summarise(found.results),
        "paired": paired_table(found.results),
    }
    finish(f"{about(found)}\n{words}\nReport: {report}", result, as_json=json)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise InputError(f"A budget is a number of labels, got '{text[:40]}'; write for example 10,50,100.")
    return int(text)


@app.command()
@sentences
def fit(workspace: WorkspaceOption, device: DeviceOption = "auto", json: JsonOption = False) -> None:
    """Fit the probe on the teach half's labels and keep it as a version."""
    from core.devices import pick_device

    with Workspace(workspace) as space:
        fitted = refit(space, device=str(pick_device(device)))
        if fitted is None:
            raise WorkspaceError(missing_for_probe(space))
        unscored = missing_for_score(space)
        names = [space.class_names[code] for code in fitted.probe.class_codes]
        result = {
            "probe": fitted.version,
            "labels": fitted.probe.n_labels,
            "classes": names,
            "flagged": space.flagged_names,
            "scored": len(fitted.score),
        }
    sentence = f"Probe {fitted.version} fitted on {result['labels']:,} teach-half labels of {', '.join(names)}."
    sentence = f"{sentence} {unscored}".strip()
    finish(sentence, result, as_json=json)


@app.command()
@sentences
def curves(
    workspace: WorkspaceOption,
    gold: Annotated[str, typer.Option(help="Gold column for the exact curve, e.g. 'label'.")] = "",
    json: JsonOption = False,
) -> None:
    """Compute the precision-recall curves of a probe fitted on the labels as they stand."""
    from dashboard.views.curves import describe_curve

    with Workspace(workspace, read_only=True) as space:
        if gold and not has_gold(space, gold):
            known = ", ".join(gold_columns(space)) or "none"
            raise InputError(f"There is no gold column '{gold}'; the workspace has: {known}.")
        refit(space, save=False)
        found = live_curves(space, gold_column=gold or None)
        n_labels = space.fitted.probe.n_labels if space.fitted else 0
        records = [_curve_record(named) for named in found] + _opened_curves(space)
    sentence = "\n".join(dict.fromkeys(describe_curve(named) for named in found))  # one reason for all is said once
    finish(sentence, {"labels": n_labels, "curves": records}, as_json=json)


def _curve_record(named: NamedCurve) -> dict[str, Any]:
    if named.curve is None:
        return {"key": named.key, "title": named.title, "missing": named.missing, "note": named.note}
    recall, precision, thresholds = named.curve.thinned()
    at90, threshold = precision_at_recall(named.curve, 0.9)
    return {
        "key": named.key,
        "title": named.title,
        "note": named.note,
        "n": named.curve.n,
        "n_flagged": named.curve.n_flagged,
        "average_precision": named.curve.average_precision if named.show_average_precision else None,
        "precision_at_recall_90": at90,
        "threshold_at_recall_90": threshold,
        "recall": recall,
        "precision": precision,
        "thresholds": thresholds,
    }


def _opened_curves(space: Workspace) -> list[dict[str, Any]]:
    """Describe the newest opening's curve with its limits; empty if no check set was opened."""
    from core.evidence.checking import frozen_scores, reveals, sample_of

    opened = next(iter(reveals(space)), None)
    if opened is None:
        return []
    title = f"Opening {opened.number}, check set {opened.check_set}"
    try:
        sample = sample_of(space, opened, frozen_scores(space, opened))
    except AppError as error:  # what it was made with is lost; the other curves stand
        return [{"key": "opened", "title": title, "missing": str(error)}]
    average, limits, curve = sample.average_precision, sample.limits, sample.curve
    pessimistic_recall, pessimistic_precision = sample.pessimistic
    record = {
        "key": "opened",
        "title": title,
        "n": curve.n,
        "n_flagged": curve.n_flagged,
        "average_precision": average.value if average else None,
        "average_precision_range": [average.low, average.high] if average else None,
        "recall": curve.recall,
        "precision": curve.precision,
        "thresholds": curve.thresholds,
        "recall_range": [limits.recall_low, limits.recall_high],
        "precision_range": [limits.precision_low, limits.precision_high],
        "recall_band": limits.band,
        "pessimistic": {"recall": pessimistic_recall, "precision": pessimistic_precision},
    }
    return [record]


@app.command()
@sentences
def promise(
    workspace: WorkspaceOption,
    recall: Annotated[
        float | None,
        typer.Option(**NUMBER, help="To be promised.  [default: as set before; 0.9 at first]"),
    ] = None,
    confidence: Annotated[float | None, typer.Option(**NUMBER, help="Of all looks together.  [default: as set; 0.95]")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="Check images to read before the set may be opened.  [100]")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Open the check set: a look that counts.")] = False,
    new_set: Annotated[bool, typer.Option("--new-set", help="Start another check set from unused images.")] = False,
    analyst: AnalystOption = "",
    json: JsonOption = False,
) -> None:
    """Say what recall can be promised, what opening the check set costs, and what the newest opening came to."""
    from core.evidence import checking
    from core.evidence.sentences import closed

    who = analyst or this_user()
    asked = (recall, confidence, size) != (None, None, None)
    with Workspace(workspace, read_only=not (asked or reveal or new_set)) as space:
        if new_set:
            checking.begin_set(space, analyst=who)
        if asked:
            checking.change_terms(space, recall=recall, confidence=confidence, size=size)
        refit(space, save=reveal)
        if reveal:
            checking.reveal(space, analyst=who)
        status = checking.status(space)
        before = closed(status, space.flagged_names)
        opened = next((r for r in checking.reveals(space) if r.check_set == status.check_set.number), None)
        record = None if opened is None else _opening_record(space, opened, status)
    words = record["sentences"] if record else before + ([status.missing] if status.missing else [])
    result = {
        "check_set": status.check_set.number,
        "recall": status.check_set.recall,
        "confidence": status.check_set.confidence,
        "n": status.n,
        "n_flagged": status.n_flagged,
        "owed": status.n_owed,
        "next_look": status.look,
        "next_alpha": status.alpha,
        "missing": status.missing,
        "sentences": before,
        "opened": record,
    }
    finish("\n".join(words), result, as_json=json)


def _opening_record(space: Workspace, opened: "Reveal", status: "CheckStatus") -> dict[str, Any]:
    from core.evidence import checking
    from core.evidence.sentences import footer
    from core.evidence.sentences import promise as promise_words

    sample = checking.sample_of(space, opened, checking.frozen_scores(space, opened))
    figures = checking.promised_figures(opened, sample)
    drift = checking.drift_of_owed(space, opened)
    below = footer(opened, status, n_images=space.n_images, tie=sample.largest_tie, drift=drift)
    return {
        "number": opened.number,
        "check_set": opened.check_set,
        "look": opened.look,
        "alpha": opened.alpha,
        "recall": opened.recall,
        "confidence": opened.confidence,
        "probe": opened.probe,
        "encoder": opened.encoder,
        "analyst": opened.analyst,
        "at": opened.at,
        "n": opened.n,
        "n_flagged": opened.n_flagged,
        "threshold": opened.threshold,
        "misses": opened.misses,
        "frame": opened.frame,
        "figures": None if figures is None else figures_record(figures),
        "sentences": [*promise_words(opened, figures, sample, left=checking.left_to_read(space, opened)), *below],
    }


@app.command()
@sentences
def export(
    folder: Annotated[Path, typer.Argument(**PATH, help="Folder to write; an older bundle in it is replaced.")],
    workspace: WorkspaceOption,
    point: Annotated[str | None, typer.Option(help="Operating point.  [default: the one in force, else the promise]")] = None,
    threshold: Annotated[
        float | None, typer.Option(**NUMBER, help="A threshold for the newest model, without a promise.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write model, threshold and promise as one folder: safetensors, JSON, ONNX, scikit-learn arrays and a model card."""
    from core.delivery.bundle import exactly, export_bundle

    with Workspace(workspace, read_only=True) as space:
        if threshold is not None:
            refit(space, save=False)
        record = export_bundle(space, folder, point=point, threshold=threshold)
    held = record["promise"]
    words = "without a promise"
    if held is not None and held["covers_this_threshold"]:
        words = f"with the promise of {target(held['recall'])} recall"
    elif held is not None:
        words = f"which the promise of opening {held['number']} does not cover"
    rule = f"flag scores ≥ {exactly(record['threshold'])}"
    sentence = f"Bundle {record['version']} written to {folder}: {record['chosen']}; {rule}, {words}."
    slim = {key: value for key, value in record.items() if key != "score_quantiles"}
    finish(sentence, {"folder": str(folder), **slim}, as_json=json)


@app.command()
@sentences
def score(
    bundle: Annotated[Path, typer.Argument(**PATH, help="Folder that 'lassoscope export' wrote.")],
    source: Annotated[Path, typer.Argument(**PATH, help="Folder tree, or CSV/Parquet manifest with a column 'path'.")],
    out: Annotated[Path, typer.Option(**PATH, help="Table to write, .csv or .parquet.")],
    device: DeviceOption = "auto",
    workers: Annotated[int | None, typer.Option(**WORKERS, help="Decoding threads.  [default: all cores]")] = None,
    json: JsonOption = False,
) -> None:
    """Score new images with a bundle; needs no workspace. Stopped, the same command goes on."""
    from core.delivery.bundle import load_bundle
    from core.delivery.score import score_source

    loaded = load_bundle(bundle, device=device)
    with progress("score") as on_progress:
        result = score_source(loaded, source, out, workers=workers, on_progress=on_progress)
    lines = [f"  not scored {shown(p['path'])}: {shown(p['problem'])}" for p in result["problems"]]
    counts = f"{counted(result['scored'], 'image')} scored, {result['flagged']:,} flagged, "
    counts += f"{counted(len(result['problems']), 'file')} not scored."
    calibrated = "" if result["calibrated"] else "\nProbabilities are not calibrated (fewer than 30 check labels on a side)."
    finish("\n".join([*lines, f"{counts} Table: {out}", result["promise"]]) + calibrated, result, as_json=json)


@app.command()
@sentences
def doctor(
    workspace: MaybeWorkspace = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make again what is lost and can be made.")] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Report the device, the versions and the health of a workspace; with --repair make again what can be made."""
    from core.doctor.health import machine_report, summary, workspace_report
    from core.doctor.repair import repair as repair_workspace

    if repair and workspace is None:
        raise InputError("--repair needs a workspace; name it with --workspace.")
    report: dict[str, Any] = {"machine": machine_report()}
    lines = [f"{name}: {value}" for name, value in report["machine"].items()]
    problems: list[str] = []
    if workspace is not None:
        if repair:
            with progress("embed") as on_progress:
                came = repair_workspace(workspace, device=device, on_progress=on_progress)
            report |= {"repaired": came.done, "not_repaired": came.left}
            lines += [f"repaired: {said}" for said in came.done] + [f"not repaired: {said}" for said in came.left]
        with Workspace(workspace, read_only=True) as space:
            report["workspace"] = summary(space)
            problems = workspace_report(space)
        report["problems"] = problems
        lines += [f"{name}: {value}" for name, value in report["workspace"].items()]
        lines += [f"problem: {problem}" for problem in problems]
    lines.append(f"{len(problems)} problems found." if problems else "No problem found.")
    finish("\n".join(lines), report, as_json=json)
