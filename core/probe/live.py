"""The live probe: refitted after every label, saved as versions. Each verb takes the workspace."""

import logging
from functools import partial

from core.arrays import JsonObject
from core.embeddings.scores import Fitted, fit_and_score, inputs_key, score_images
from core.errors import DamageError
from core.maths.logistic import Probe, probe_from_bytes
from core.missing import missing_for_probe, missing_for_score
from core.wording import counted
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.probe")


def refit(workspace: Workspace, *, save: bool = True) -> Fitted | None:
    """Fit the probe on the current labels of the teach half and score every image; None if labels are missing.

    Args:
        save: save a new probe as a version, if the workspace is open for writing.
    """
    with workspace.steady():
        return _refit(workspace, save=save)


def _refit(workspace: Workspace, *, save: bool) -> Fitted | None:
    with workspace.lock:
        labels, embedded = workspace.labels, workspace.current
        classes, policies = workspace.classes, workspace.policies
    if embedded.matrix is None or missing_for_probe(workspace):
        workspace.fitted = None
        return None
    rows = workspace.teach_rows(labels.codes, embedded.matrix)
    flagged_codes = [code for code, c in enumerate(classes) if c.flagged]
    by_policy = {p.name: [code for code, c in enumerate(classes) if c.name in p.classes] for p in policies}
    inputs = inputs_key(str(embedded.encoder), embedded.matrix, labels.codes, rows, flagged_codes, by_policy)
    version, kept = _kept_probe(workspace, str(embedded.encoder), inputs)
    if kept is not None:  # labels of the check half do not change the probe
        probe, n = kept, workspace.n_images
        scored = embedded.compute(lambda mine: score_images(kept, mine.on_device, n_images=n))
    else:
        probe, scored = embedded.compute(
            partial(
                fit_and_score,
                codes=labels.codes,
                rows=rows,
                flagged_codes=flagged_codes,
                n_images=workspace.n_images,
                policies=by_policy,
            )
        )
    names = [classes[code].name for code in probe.class_codes]
    flagged = [c.name for c in classes if c.flagged]
    record = {"n_labels": probe.n_labels, "classes": names, "flagged": flagged, "inputs": inputs}
    if save and workspace.writable and not version:
        version = workspace.catalog.models.add_probe(str(embedded.encoder), labels.version, record, probe.to_bytes())
    LOG.info("probe fitted", extra={"version": version, "labels": probe.n_labels, "kept": kept is not None})
    fitted = Fitted.of(version, labels.version, probe, scored)
    workspace.keep_fitted(fitted, embedded)
    return fitted


def fit_ended(workspace: Workspace, fitted: Fitted) -> tuple[str, JsonObject]:
    """Return the sentence and the record that fitting a probe ends with."""
    said = missing_for_score(workspace)
    likely = None if said else fitted.on_device.likely_flagged
    if likely is not None:
        said = f"It finds {counted(likely, 'image')} of {workspace.n_here:,} more likely flagged than not."
    names = [workspace.class_names[code] for code in fitted.probe.class_codes]
    record = {
        "probe": fitted.version,
        "labels": fitted.probe.n_labels,
        "classes": names,
        "flagged": workspace.flagged_names,
        "scored": len(fitted.score),
        "likely_flagged": likely,
    }
    fit = f"Probe {fitted.version} fitted on {fitted.probe.n_labels:,} teach-half labels of {', '.join(names)}."
    return f"{fit} {said}".strip(), record


def _kept_probe(workspace: Workspace, encoder: str, inputs: str) -> tuple[int, Probe | None]:
    """Return the newest probe and its version if it was fitted on these inputs and can be read, else (0, None)."""
    try:
        newest = workspace.catalog.models.latest_probe(encoder)
        if newest is not None and newest["record"].get("inputs") == inputs:
            return newest["version"], probe_from_bytes(newest["weights"])
    except DamageError:
        LOG.warning("1 saved probe cannot be read and is fitted again; run 'lassoscope doctor'")
    return 0, None
