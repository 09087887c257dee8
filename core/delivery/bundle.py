"""A bundle: encoder, probe, threshold and promise as one folder that scores images without the workspace. No pickle."""

import hashlib
import json
import math
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from core.arrays import FloatArray
from core.catalog.class_names import hint
from core.catalog.rows import now
from core.embeddings.embedded import Embedded
from core.encoders.chosen import encoders
from core.encoders.encoder import Encoder, load_encoder
from core.encoders.vit import read_tensors
from core.errors import EncoderError, InputError
from core.evidence import check_sets, openings, points
from core.evidence.openings import Opening
from core.evidence.sentences import footer, promise, say_threshold
from core.evidence.threshold import Sample, calibrate, figures_at, figures_record
from core.maths.logistic import FORMAT as PROBE_FORMAT
from core.maths.logistic import Probe, probe_from_bytes
from core.missing import missing_for_score
from core.store.files import atomic_path, plain, write_json_atomic
from core.store.folders import folder_aside
from core.workspace import Workspace

FAMILY = "lassoscope-bundle/"
FORMAT = f"{FAMILY}1"
RECORD, CARD = "bundle.json", "MODEL_CARD.md"
QUANTILES = 1_001  # of the frame's scores: what new scores are held against
ONNX_TOLERANCE = 1e-4  # largest difference to torch, over scores and embeddings
ONNX_OPSET = 18
CHECK_ROWS = 8
TEMPLATES = Environment(  # of Markdown, where nothing is escaped
    loader=PackageLoader("core.delivery"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
)


@dataclass(frozen=True)
class Bundle:
    """A bundle, loaded."""

    version: str
    record: dict[str, Any]  # bundle.json
    encoder: Encoder
    probe: Probe

    @property
    def threshold(self) -> float:
        """Flag scores >= it."""
        return float(self.record["threshold"])

    @property
    def class_names(self) -> list[str]:
        """The classes the probe knows, one a column."""
        return list(self.record["probe"]["classes"])


# -- writing --


def export_bundle(
    workspace: Workspace,
    folder: Path,
    *,
    point: str | None = None,
    threshold: float | None = None,
    opened: Opening | None = None,
) -> dict[str, Any]:
    """Write a bundle, whole or not at all; an older one stays until the new one is in place.

    Args:
        folder: that does not exist yet, is empty, or holds an older bundle and nothing else, which is replaced.
        point: name of a saved operating point; None for the one in force, or else the newest promise.
        threshold: instead of a point, without a name: of `opened`'s model, or else of the newest, without a promise.
        opened: the opening that a threshold without a name was chosen on.
    Returns:
        bundle.json's content.
    Raises:
        InputError: if there is nothing to export, or the folder holds something else.
    """
    chosen = choose(workspace, point=point, threshold=threshold, opened=opened)
    folder = folder.resolve()
    _check_target(folder)
    with folder_aside(folder) as aside:
        return _write(workspace, aside, chosen)


def export_zip(
    workspace: Workspace, folder: Path, *, threshold: float | None = None, opened: Opening | None = None
) -> tuple[Path, dict[str, Any]]:
    """Write a bundle as a ZIP file into a folder, whole or not at all; return it and bundle.json's content.

    Args:
        threshold, opened: as for `export_bundle`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".bundle.") as inside:
        record = export_bundle(workspace, Path(inside) / "bundle", threshold=threshold, opened=opened)
        file = folder / f"bundle-{record['version']}.zip"
        with atomic_path(file) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as packed:
            for part in sorted((Path(inside) / "bundle").iterdir()):
                packed.write(part, part.name)
    return file, record


def _check_target(folder: Path) -> None:
    """Make sure that nothing but an older bundle is replaced.

    Raises:
        InputError: naming what is in the way.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the bundle.")
    names = sorted(file.name for file in folder.iterdir())
    if not names:
        return
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        ours = {RECORD, CARD, *record["files"]} if str(record["format"]).startswith(FAMILY) else set()
    except (OSError, ValueError, KeyError, TypeError):
        ours = set()
    if other := [name for name in names if name not in ours]:
        besides = "besides an older bundle" if ours else "and no bundle"
        raise InputError(f"{folder} holds other files {besides} ({', '.join(other[:3])}); name a new folder, or move them.")


@dataclass(frozen=True)
class Choice:
    """What an export writes."""

    threshold: float
    name: str  # of the operating point, "" if it is none
    title: str  # in words
    probe: int
    encoder: str
    opened: Opening | None


def choose(
    workspace: Workspace, *, point: str | None = None, threshold: float | None = None, opened: Opening | None = None
) -> Choice:
    """Say what an export would write; the arguments are `export_bundle`'s.

    Raises:
        InputError: if there is nothing to export.
    """
    if threshold is not None:
        if point is not None:
            raise InputError(f"A bundle has one threshold, got the point '{point}' and {threshold:g}; name one of them.")
        return _without_name(workspace, float(threshold), opened)
    opened_by_number = {found.number: found for found in openings.openings(workspace)}
    saved = {p.name: p for p in points.points(workspace)}
    name = point or points.in_force(workspace).get("name")
    if name is not None:
        if name not in saved:
            near = hint([name], list(saved))
            raise InputError(f"There is no operating point '{name}'{near}; there are: {', '.join(saved) or 'none'}.")
        chosen = opened_by_number.get(saved[name].opening)
        if chosen is None:
            raise InputError(
                f"Opening {saved[name].opening}, which '{name}' was chosen on, cannot be read; open and save again."
            )
        title = f"operating point '{name}', {'in force' if saved[name].in_force else 'not in force'}"
        return Choice(saved[name].threshold, name, title, chosen.probe, chosen.encoder, chosen)
    promised = next((found for found in opened_by_number.values() if found.threshold is not None), None)
    if promised is None or promised.threshold is None:
        raise InputError(
            "No operating point is in force and nothing was promised; open the check set, or name a threshold with --threshold."
        )
    title = f"the promise of opening {promised.number} (no point is in force)"
    return Choice(promised.threshold, "", title, promised.probe, promised.encoder, promised)


def _without_name(workspace: Workspace, threshold: float, opened: Opening | None) -> Choice:
    if not math.isfinite(threshold):
        raise InputError(f"A threshold is a finite score, got {threshold}; name another.")
    if opened is not None:
        title = f"a threshold without a name, on opening {opened.number}"
        return Choice(threshold, "", title, opened.probe, opened.encoder, opened)
    fitted = workspace.fitted
    if fitted is None or fitted.probe.flagged_weights is None:
        raise InputError(missing_for_score(workspace) or "There is no model to export; run 'lassoscope fit' first.")
    if not fitted.version:
        raise InputError("The labels have changed since the last kept model; run 'lassoscope fit' first.")
    title = f"a threshold without a name, of probe {fitted.version}"
    return Choice(threshold, "", title, fitted.version, str(workspace.encoder_name), None)


def _write(workspace: Workspace, folder: Path, chosen: Choice) -> dict[str, Any]:
    encoder = _encoder_of(workspace, chosen.encoder)
    weights = workspace.catalog.models.probe_weights(chosen.probe)
    probe, embedded = probe_from_bytes(weights), workspace.embedded(chosen.encoder)
    encoder.save(folder / "encoder.safetensors")
    (folder / "probe.safetensors").write_bytes(weights)
    _write_arrays(folder / "sklearn.safetensors", probe, embedded)
    names, flagged = _names_then(workspace, chosen, probe)
    record: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": now(),
        "workspace": workspace.name,
        "threshold": chosen.threshold,
        "rule": "flag where score >= threshold",
        "operating_point": chosen.name,
        "chosen": chosen.title,
        "classes": [{"name": name, "flagged": name in flagged} for name in dict.fromkeys([*names, *flagged])],
        "encoder": {"name": chosen.encoder, **encoder.describe()},
        "probe": {"version": chosen.probe, "classes": names, "labels": probe.n_labels},
        "preprocessing": f"decode, EXIF upright, RGB on white; shorter side to {encoder.input_size} px (bicubic), middle cut "
        "out; values / 255; normalised inside encoder and model.onnx",
        "onnx": {"inputs": ["images"], "outputs": ["embeddings", "scores"], "score_columns": [*names, "flagged"]},
        "calibration": None,
        "promise": None,
    }
    if chosen.opened is None:
        scores = openings.score_probe(workspace, chosen.encoder, chosen.probe)
    else:
        scores = openings.frozen_scores(workspace, chosen.opened)
        sample = openings.sample_of(workspace, chosen.opened, scores)
        record |= _promise_record(workspace, chosen, sample)
    record["score_quantiles"] = np.quantile(scores, np.linspace(0, 1, QUANTILES)).round(5).tolist()
    record["onnx"]["largest_difference_to_torch"] = _write_onnx(folder / "model.onnx", encoder, probe)
    files = sorted(folder.iterdir())
    for file in files:
        file.chmod(0o644)
    record["files"] = {file.name: hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() for file in files}
    record = plain(record)
    record["version"] = hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=6).hexdigest()
    write_json_atomic(folder / RECORD, record)
    (folder / CARD).write_text(model_card(record), encoding="utf-8")
    return record


def _names_then(workspace: Workspace, chosen: Choice, probe: Probe) -> tuple[list[str], list[str]]:
    """Return the classes of a probe's columns, and those that were flagged, by the names they had when it was fitted.

    Positions in the class list are no names: the list may have been reordered since.
    """
    record = workspace.catalog.models.probe_record(chosen.probe)
    names = record.get("classes") or [workspace.class_names[code] for code in probe.class_codes]
    if chosen.opened is not None:
        return list(names), list(chosen.opened.flagged_names)
    return list(names), list(record.get("flagged", workspace.flagged_names))


def _encoder_of(workspace: Workspace, name: str) -> Encoder:
    """Load an encoder of the workspace again, on the CPU.

    Raises:
        EncoderError: if its weights have changed or gone.
    """
    known = next((e for e in encoders(workspace) if e["name"] == name), None)
    if known is None:
        raise EncoderError(f"There are no embeddings by '{name}' in this workspace any more; embed the images with it again.")
    # What names no source was embedded by an early version with a registered encoder: its name without the hash.
    source, size = known["record"].get("source", name.rpartition("-")[0]), known["record"].get("asked_size")
    encoder = load_encoder(source, device="cpu", size=size)
    if encoder.name != name:
        raise EncoderError(f"{source} holds other weights now than those that embedded the images ({name}); put them back.")
    return encoder


def _write_arrays(file: Path, probe: Probe, embedded: Embedded) -> None:
    """Write what scikit-learn's StandardScaler and LogisticRegression need, one row a class and the last for flagged."""
    from safetensors.numpy import save_file

    weights, bias = probe.columns()
    mean, scale = embedded.standardisation.mean, embedded.standardisation.scale
    arrays = {
        "mean_": mean,
        "scale_": scale,
        "coef_": (weights * scale[:, None]).T,
        "intercept_": bias + mean @ weights,
    }
    save_file({name: np.ascontiguousarray(a, np.float64) for name, a in arrays.items()}, file)


def _promise_record(workspace: Workspace, chosen: Choice, sample: Sample) -> dict[str, Any]:
    opened = chosen.opened
    assert opened is not None  # noqa: S101  only asked for openings
    threshold = float(say_threshold(chosen.threshold, sample))  # flags the same images, and is not torn by rounding
    figures = figures_at(sample, threshold)
    held = opened.threshold is not None and threshold <= opened.threshold
    left = openings.left_to_read(workspace, opened)
    words = promise(opened, openings.promised_figures(opened, sample), sample, left=left)
    stands, drift = check_sets.status(workspace), openings.drift_of_owed(workspace, opened)
    ids = [workspace.image_id(int(row)) for row in opened.rows]
    labels = zip(ids, opened.flagged.tolist(), opened.scores.tolist(), strict=True)
    calibration = calibrate(sample)
    known = {name: value for name, value in vars(opened).items() if name not in ("rows", "flagged", "scores")}
    return {
        "threshold": threshold,
        "calibration": asdict(calibration) if calibration else None,
        "figures": figures_record(figures),
        "promise": {
            **known,
            "n": opened.n,
            "n_flagged": opened.n_flagged,
            "covers_this_threshold": held,
            "sentences": words,
            "conditions": footer(opened, stands, n_images=workspace.n_images, tie=sample.largest_tie, drift=drift),
            "check_labels": [{"id": key, "flagged": flag, "score": score} for key, flag, score in labels],
        },
    }


def _write_onnx(file: Path, encoder: Encoder, probe: Probe) -> float:
    """Write the model as ONNX and hold it to torch on other images and another batch size.

    Raises:
        EncoderError: if it answers differently.
    """
    import onnxruntime
    import torch

    scorer, side = encoder.with_head(*probe.columns()), encoder.input_size
    generator = torch.Generator().manual_seed(0)
    example, other = (torch.rand(n, 3, side, side, generator=generator) for n in (2, CHECK_ROWS))
    torch.onnx.export(
        scorer,
        (example,),
        file,
        input_names=["images"],
        output_names=["embeddings", "scores"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1, max=4_096)}},
        opset_version=ONNX_OPSET,
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = [part.numpy() for part in scorer(other)]
    found = session.run(None, {"images": other.numpy()})
    worst = max(float(np.abs(a - b).max()) for a, b in zip(wanted, found, strict=True))
    if not worst <= ONNX_TOLERANCE:
        raise EncoderError(
            f"The ONNX model differs from torch by {worst:.2g}, more than {ONNX_TOLERANCE:g}; it was not written."
        )
    return worst


def exactly(threshold: float) -> str:
    """Write a threshold with all the digits it has: rounded it would flag other images."""
    return repr(threshold + 0.0)  # and minus zero as zero


def model_card(record: dict[str, Any]) -> str:
    """Write the card: what the model is, what was promised of it, what was not."""
    return TEMPLATES.get_template("model_card.md").render(
        **record,
        flagged=[c["name"] for c in record["classes"] if c["flagged"]],
        about={key: value for key, value in record["encoder"].items() if value not in ("", None) and key != "shape"},
        exact_threshold=exactly(record["threshold"]),
        exported=record["exported_at"][:16].replace("T", " "),
    )


# -- reading --


def load_bundle(folder: Path, *, device: str = "auto") -> Bundle:
    """Load a bundle; nothing but JSON and safetensors is read.

    Raises:
        InputError: if it is none, or a file of it is missing or changed.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} holds no bundle; name a folder that 'lassoscope export' wrote.") from None
    if not _is_record(record):
        raise InputError(f"{folder / RECORD} is no bundle of this program's ({FORMAT}); export it again.")
    for name in ("encoder.safetensors", "probe.safetensors"):
        file = folder / name
        if not file.is_file() or hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() != record["files"].get(name):
            raise InputError(f"{file} is missing or was changed since the export; export the bundle again.")
    if read_tensors(folder / "probe.safetensors")[0].get("format") != PROBE_FORMAT:
        raise InputError(f"{folder}/probe.safetensors is no probe of ours; export the bundle again.")
    encoder = load_encoder(str(folder / "encoder.safetensors"), device=device)
    probe = probe_from_bytes((folder / "probe.safetensors").read_bytes())
    if (
        probe.flagged_weights is None
        or probe.weights.shape[0] != encoder.dim
        or probe.weights.shape[1] != len(record["probe"]["classes"])
    ):
        raise InputError(f"{folder} holds a probe that does not fit its encoder; export the bundle again.")
    return Bundle(str(record["version"]), record, encoder, probe)


def _is_record(record: Any) -> bool:
    """Tell whether bundle.json holds all that scoring reads of it."""
    if not isinstance(record, dict) or record.get("format") != FORMAT or not _is_finite(record.get("threshold")):
        return False
    probe, fit, held = record.get("probe"), record.get("calibration"), record.get("promise")
    quantiles = record.get("score_quantiles")
    return (
        isinstance(record.get("files"), dict)
        and isinstance(record.get("version"), str)
        and isinstance(probe, dict)
        and isinstance(probe.get("classes"), list)
        and isinstance(quantiles, list)
        and len(quantiles) > 1
        and all(map(_is_finite, quantiles))
        and (fit is None or (isinstance(fit, dict) and _is_finite(fit.get("slope")) and _is_finite(fit.get("intercept"))))
        and (held is None or (isinstance(held, dict) and {"recall", "frame", "at"} <= held.keys()))
    )


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def frame_quantiles(bundle: Bundle) -> FloatArray:
    """Return (1001,) quantiles of the frame's scores."""
    return np.array(bundle.record["score_quantiles"], np.float64)
