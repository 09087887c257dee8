"""Bundles: encoder, probe, thresholds and promises in one folder that scores images without the workspace. No pickle."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from core.arrays import FloatArray, Progress, ignore
from core.catalog.rows import now
from core.delivery.choice import Choice, choose
from core.delivery.manifest import (
    FAMILY,
    FORMAT,
    WITH_POLICIES,
    BundleClass,
    CalibrationPart,
    CheckLabel,
    Manifest,
    OnnxPart,
    ProbePart,
    PromisePart,
    Rule,
)
from core.delivery.model_card import model_card
from core.embeddings.embedded import Embedded
from core.encoders.chosen import encoders
from core.encoders.encoder import Encoder, load_encoder
from core.encoders.vit import read_tensors
from core.errors import EncoderError, InputError, StoppedError
from core.evidence import check_sets, openings
from core.evidence.frozen import score_probe
from core.evidence.openings import Opening
from core.evidence.sentences import footer, promise, say_threshold
from core.evidence.threshold import Sample, calibrate, figures_at, figures_record
from core.maths.logistic import FORMATS as PROBE_FORMATS
from core.maths.logistic import Probe, probe_from_bytes
from core.store.files import plain, write_json_atomic
from core.store.folders import folder_aside
from core.workspace import Workspace

RECORD, CARD = "bundle.json", "MODEL_CARD.md"
QUANTILES = 1_001  # of the frame's scores, with which new scores are compared
ONNX_TOLERANCE = 1e-4  # largest difference to torch, over scores and embeddings
ONNX_OPSET = 18
CHECK_ROWS = 8
STAGES = 6  # of writing a bundle, each reported when it begins


def never() -> bool:
    """Never stop."""
    return False


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    manifest: Manifest
    encoder: Encoder
    probe: Probe


# -- writing --


def export_bundle(
    workspace: Workspace,
    folder: Path,
    *,
    point: str | None = None,
    threshold: float | None = None,
    opened: Opening | None = None,
    on_progress: Progress = ignore,
) -> Manifest:
    """Write a bundle, whole or not at all; an older one stays until the new one is in place.

    Args:
        folder: does not exist yet, is empty, or holds an older bundle and nothing else, which is replaced.
        point: name of a saved operating point; None for the one in force, or else the newest promise. Where policies are
            declared, this goes for each of them, and a name or a threshold stands for its own policy.
        threshold: an unnamed threshold instead of a point: for the model of `opened`, or for the newest without a promise.
        opened: the opening that an unnamed threshold was chosen from.
        on_progress: called before each stage.
    Returns:
        the content of bundle.json.
    Raises:
        InputError: if there is nothing to export, or the folder holds something else.
    """
    chosen = choose(workspace, point=point, threshold=threshold, opened=opened)
    folder = folder.resolve()
    _check_target(folder)
    with folder_aside(folder) as aside:
        return write(workspace, aside, chosen, on_progress=on_progress)


def need_go(stop: Callable[[], bool]) -> None:
    """Go on, unless a person has stopped the export.

    Raises:
        StoppedError: if `stop` says so.
    """
    if stop():
        raise StoppedError("The export was cancelled; nothing was written.")


def _check_target(folder: Path) -> None:
    """Refuse to replace anything but an older bundle.

    Raises:
        InputError: naming the other files.
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


def write(
    workspace: Workspace,
    folder: Path,
    chosen: Sequence[Choice],
    *,
    on_progress: Progress = ignore,
    stop: Callable[[], bool] = never,
) -> Manifest:
    """Write the files of a bundle into an empty folder.

    Args:
        chosen: by `choose`.
        on_progress, stop: called before each of the stages.
    """
    begun = 0

    def begin() -> None:
        nonlocal begun
        need_go(stop)
        on_progress(begun, STAGES)
        begun += 1

    newest = max(chosen, key=lambda choice: choice.probe)
    begin()
    encoder, probe = _encoder_of(workspace, newest.encoder), _probe_of(workspace, chosen, newest.probe)
    embedded = workspace.embedded(newest.encoder)
    begin()
    encoder.save(folder / "encoder.safetensors")
    (folder / "probe.safetensors").write_bytes(probe.to_bytes())
    _write_arrays(folder / "sklearn.safetensors", probe, embedded)
    begin()
    difference = _write_onnx(folder / "model.onnx", encoder, probe)
    begin()
    files = sorted(folder.iterdir())
    for file in files:
        file.chmod(0o644)
    names, flagged = _names_then(workspace, chosen, probe, newest.probe)
    begin()
    several, last = bool(probe.policies), [] if probe.flagged_weights is None else ["flagged"]
    manifest = Manifest(
        format=WITH_POLICIES if several else FORMAT,
        exported_at=now(),
        workspace=workspace.name,
        rule="review where a policy's score >= its threshold" if several else "review where score >= threshold",
        rules=[_rule(workspace, choice) for choice in chosen],
        classes=[BundleClass(name=name, flagged=name in flagged) for name in dict.fromkeys([*names, *flagged])],
        encoder=plain({"name": newest.encoder, **encoder.describe()}),
        probe=ProbePart(version=newest.probe, classes=names, labels=probe.n_labels),
        preprocessing=f"decode, EXIF upright, RGB on white; shorter side to {encoder.input_size} px (bicubic), centre crop; "
        "values / 255; normalised inside encoder and model.onnx",
        onnx=OnnxPart(
            inputs=["images"],
            outputs=["embeddings", "scores"],
            score_columns=[*names, *(f"policy {name}" for name in probe.policies), *last],
            largest_difference_to_torch=difference,
        ),
        files={file.name: _digest(file) for file in files},
    )
    begin()
    version = hashlib.blake2b(json.dumps(plain(manifest.to_json()), sort_keys=True).encode(), digest_size=6).hexdigest()
    manifest = manifest.model_copy(update={"version": version})
    write_json_atomic(folder / RECORD, manifest.to_json())
    (folder / CARD).write_text(model_card(manifest), encoding="utf-8")
    return manifest


def _digest(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()


def _names_then(workspace: Workspace, chosen: Sequence[Choice], probe: Probe, version: int) -> tuple[list[str], list[str]]:
    """Return the class names of a probe's columns and the flagged ones, as they were when it was fitted.

    The class list may have been reordered since, so positions in it do not say.
    """
    record = workspace.catalog.models.probe_record(version)
    names = record.get("classes") or [workspace.class_names[code] for code in probe.class_codes]
    then = list(record.get("flagged", workspace.flagged_names))
    found = [then if choice.opened is None else list(choice.opened.flagged_names) for choice in chosen]
    return list(names), list(dict.fromkeys(chain.from_iterable(found)))


def _probe_of(workspace: Workspace, chosen: Sequence[Choice], version: int) -> Probe:
    """Return a probe, with the column of each policy from the probe that its threshold is of."""
    by_version = {v: probe_from_bytes(workspace.catalog.models.probe_weights(v)) for v in {version, *(c.probe for c in chosen)}}
    columns = {c.policy.name: by_version[c.probe].policies[c.policy.name] for c in chosen if c.policy.name}
    return replace(by_version[version], policies=columns)


def _encoder_of(workspace: Workspace, name: str) -> Encoder:
    """Load an encoder of the workspace again, on the CPU.

    Raises:
        EncoderError: if its weights have changed or are gone.
    """
    known = next((e for e in encoders(workspace) if e["name"] == name), None)
    if known is None:
        raise EncoderError(f"This workspace has no embeddings by '{name}' any more; embed the images with it again.")
    # A record without a source is from an early version with a registered encoder: its name without the hash.
    source, size = known["record"].get("source", name.rpartition("-")[0]), known["record"].get("asked_size")
    encoder = load_encoder(source, device="cpu", size=size)
    if encoder.name != name:
        raise EncoderError(f"The weights of {source} are not those that embedded the images ({name}); restore them.")
    return encoder


def _write_arrays(file: Path, probe: Probe, embedded: Embedded) -> None:
    """Write the arrays of scikit-learn's StandardScaler and LogisticRegression: one row per class, and the last for flagged."""
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


def _rule(workspace: Workspace, chosen: Choice) -> Rule:
    """Return a threshold with what is known about it; without an opening, that is the scores of all images."""
    opened, policy = chosen.opened, chosen.policy
    about: dict[str, Any] = {"operating_point": chosen.name, "chosen": chosen.title, "calibration": None, "promise": None}
    if policy.name:
        about |= {"policy": policy.name, "finds": list(policy.classes if opened is None else opened.flagged_names)}
    if opened is None:
        scores = score_probe(workspace, chosen.encoder, chosen.probe, policy.name)
        here = scores[~workspace.removed[: len(scores)]]
        return Rule(**about, threshold=chosen.threshold, score_quantiles=_quantiles(here))
    scores = openings.frozen_scores(workspace, opened)
    sample = openings.sample_of(workspace, opened, scores)
    threshold = float(say_threshold(chosen.threshold, sample))  # reviews the same images, and survives rounding
    calibration = calibrate(sample)
    about |= {
        "calibration": None if calibration is None else CalibrationPart(**asdict(calibration)),
        "figures": plain(figures_record(figures_at(sample, threshold))),
        "promise": _promise_part(workspace, opened, sample, threshold),
    }
    return Rule(**about, threshold=threshold, score_quantiles=_quantiles(scores))


def _quantiles(scores: FloatArray) -> list[float]:
    return [float(value) for value in np.quantile(scores[~np.isnan(scores)], np.linspace(0, 1, QUANTILES)).round(5)]


def _promise_part(workspace: Workspace, opened: Opening, sample: Sample, threshold: float) -> PromisePart:
    stands, drift = check_sets.status(workspace, opened.subject), openings.drift_of_owed(workspace, opened)
    ids = [workspace.image_id(int(row)) for row in opened.rows]
    labels = zip(ids, opened.flagged.tolist(), opened.scores.tolist(), strict=True)
    return PromisePart(
        **opened.model_dump(include=PromisePart.model_fields.keys() & Opening.model_fields.keys(), exclude_defaults=True),
        n=opened.n,
        n_flagged=opened.n_flagged,
        covers_this_threshold=opened.threshold is not None and threshold <= opened.threshold,
        sentences=promise(opened, openings.promised_figures(opened, sample), sample, ahead=stands.after(opened)),
        conditions=footer(opened, stands, covered=openings.coverage(workspace, opened), tie=sample.largest_tie, drift=drift),
        check_labels=[CheckLabel(id=key, flagged=flag, score=score) for key, flag, score in labels],
    )


def _write_onnx(file: Path, encoder: Encoder, probe: Probe) -> float:
    """Write the model as ONNX and compare it with torch on other images and another batch size.

    Returns:
        the largest difference, over scores and embeddings.
    Raises:
        EncoderError: if it exceeds `ONNX_TOLERANCE`.
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
            f"The ONNX model differs from torch by {worst:.2g}, more than {ONNX_TOLERANCE:g}; nothing was exported."
        )
    return worst


# -- reading --


def load_bundle(folder: Path, *, device: str = "auto") -> Bundle:
    """Load a bundle from JSON and safetensors only.

    Raises:
        InputError: if it is not a bundle, or one of its files is missing or was changed.
    """
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} holds no bundle; name a folder that 'lassoscope export' wrote.") from None
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError:
        raise InputError(f"{folder / RECORD} is no bundle of this program ({FORMAT}); export it again.") from None
    for name in ("encoder.safetensors", "probe.safetensors"):
        file = folder / name
        if not file.is_file() or _digest(file) != manifest.files.get(name):
            raise InputError(f"{file} is missing or was changed since the export; export the bundle again.")
    if read_tensors(folder / "probe.safetensors")[0].get("format") not in PROBE_FORMATS:
        raise InputError(f"{folder / 'probe.safetensors'} is not a probe of this program; export the bundle again.")
    encoder = load_encoder(str(folder / "encoder.safetensors"), device=device)
    probe = probe_from_bytes((folder / "probe.safetensors").read_bytes())
    if (
        any(probe.column_of(rule.policy) is None for rule in manifest.rules)
        or probe.weights.shape[0] != encoder.dim
        or probe.weights.shape[1] != len(manifest.probe.classes)
    ):
        raise InputError(f"{folder} holds a probe that does not fit its encoder; export the bundle again.")
    return Bundle(manifest, encoder, probe)
