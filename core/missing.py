"""Messages about what is missing before something can be done; "" if nothing is. Each verb takes the workspace."""

from collections.abc import Sequence

import numpy as np

from core.catalog.label_book import UNLABELLED
from core.embeddings import scores
from core.maths.halves import Half
from core.wording import counted, verb
from core.workspace import Workspace


def missing_for_map(workspace: Workspace) -> str:
    """Return what is missing before all images are on the map; "" if nothing is."""
    if lost := workspace.current.lost_parts or workspace.current.lost_map:
        return f"No whole map: {lost[0].lower()}{lost[1:]}"
    page = workspace.writable
    if not workspace.n_here:
        how = "add some on the page, or " if page else ""
        return f"No map yet: there are no images; {how}run 'lassoscope ingest SOURCE', then embed and project."
    if workspace.matrix is None:
        how = "choose an encoder on the page, or " if page else ""
        return f"No map yet: the images have no embeddings; {how}run 'lassoscope embed', then project."
    if not workspace.has_map:
        how = "lay it out on the page, or " if page else ""
        return f"No map yet of the embeddings by '{workspace.encoder_name}'; {how}run 'lassoscope project'."
    n_waiting = workspace.n_here - int(np.isfinite(workspace.xy[:, 0]).sum())
    if n_waiting:
        n = counted(n_waiting, "new image")
        return f"{n} {verb(n_waiting)} not on the map yet; run 'lassoscope embed'."
    return ""


def missing_for_probe(workspace: Workspace) -> str:
    """Return what is missing before a probe can be fitted; "" if nothing is."""
    if workspace.matrix is None and workspace.current.lost_parts:
        return workspace.current.lost_parts
    if workspace.matrix is None:
        return "No probe yet: the images have no embeddings; run 'lassoscope embed'."
    if missing := missing_for_teaching(workspace):
        return missing
    codes = workspace.labels.codes
    return scores.missing_for_probe(codes[workspace.teach_rows(codes, workspace.matrix)], workspace.class_names)


def missing_for_score(workspace: Workspace, flagged_codes: Sequence[int] | None = None) -> str:
    """Return what is missing before images can be scored; "" if nothing is.

    Args:
        flagged_codes: the classes of a policy; None for all flagged ones.
    """
    if missing := missing_for_probe(workspace):
        return missing
    codes = workspace.labels.codes
    taught = codes[workspace.teach_rows(codes, workspace.current.need_matrix())]
    wanted = workspace.flagged_codes if flagged_codes is None else flagged_codes
    return scores.missing_for_score(taught, workspace.class_names, wanted)


def missing_for_teaching(workspace: Workspace) -> str:
    """Return why the model cannot learn from any image; "" if it can."""
    if not workspace.n_here:
        return "There are no images; run 'lassoscope ingest SOURCE' first."
    if not workspace.is_teach.any():
        return (
            f"{_all_images(workspace, Half.CHECK)}, from which the model never learns, so there is nothing to label for it; "
            "ingest more images, not copies of these: about half of them will be in the teach half."
        )
    return ""


def missing_for_suggestions(workspace: Workspace) -> str:
    """Return why no image can be suggested; "" if some can."""
    if missing := missing_for_teaching(workspace):
        return missing
    rows = workspace.matrix.rows if workspace.matrix else 0
    free = (workspace.labels.codes == UNLABELLED) & workspace.is_teach & ~workspace.unsure
    if free[:rows].any():
        return ""
    n_teach = counted(int(workspace.is_teach.sum()), "image")
    if free.any():
        return "The images that are still without a label have no embeddings; run 'lassoscope embed'."
    return f"Nothing is left to suggest: every one of the {n_teach} of the teach half has a label or is marked as unsure."


def missing_for_training(workspace: Workspace) -> str:
    """Return what is missing before an encoder can be trained on the images; "" if nothing is."""
    n = workspace.n_here
    return "" if n >= 2 else f"Training needs at least 2 images, got {n}; add some first."


def missing_for_check(workspace: Workspace, *, live: bool = False) -> str:
    """Return why there are no check-half images to read; "" if there are some, read or not.

    Args:
        live: ask about images for live curves instead of those sealed for the promise.
    """
    if not workspace.n_here:
        return "There are no images; run 'lassoscope ingest SOURCE' first."
    if not workspace.is_check.any():
        return (
            f"{_all_images(workspace, Half.TEACH)}, so there is nothing to read for a curve or a promise; ingest more images, "
            "not copies of these: about half of them will be in the check half."
        )
    if not (workspace.live_part if live else workspace.sealed).any():
        purpose = "live curves" if live else "a promise"
        return f"None of the {counted(int(workspace.is_check.sum()), 'check image')} is kept for {purpose}; ingest more images."
    return ""


def _all_images(workspace: Workspace, half: Half) -> str:
    if workspace.n_here == 1:
        return f"The only image is in the {half} half"
    kept = " (near-duplicates stay together)" if workspace.n_copies else ""
    return f"All {workspace.n_here:,} images are in the {half} half{kept}"


def missing_side(workspace: Workspace) -> str:
    """Return the side, "flagged" or "other", without teach-half labels; "" if both have some, or neither has."""
    if not 0 < len(workspace.flagged_codes) < len(workspace.classes):
        return ""  # there are no classes on one of the sides
    codes = workspace.labels.codes[~workspace.is_check]
    flagged = np.isin(codes[codes != UNLABELLED], workspace.flagged_codes)
    return "" if not len(flagged) or 0 < flagged.sum() < len(flagged) else "other" if flagged.all() else "flagged"
