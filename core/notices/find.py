"""Copyright notices: clusters rich in text on dark are read, named by what they say, and collected. Takes the workspace.

Of a cluster, the pictures that stand for it are read.
"""

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.arrays import IntArray, Progress, ignore
from core.catalog.models import NoticeRecord
from core.images.dark_text import ON_DARK, grey_of, text_net
from core.images.visits import FileState, state_of
from core.map.density import GRAINS, Clustering
from core.map.islands import clustering, stored_clusters, text_share
from core.notices.ocr import can_read, read_words
from core.workspace import Workspace

RICH = 0.5  # share of text on dark from which on a cluster is read
PURE = 0.8  # from here on all of a notice cluster is taken, else only its members with text on dark
MOST_SINGLES = 100  # images outside rich clusters that are read, the surest first
SINGLE = 0.9  # their least figure
LEGIBLE = 160  # px of the longer side from which on 9 of 10 notices are read right; at 64 px it is 2 of 10
TITLE_WORDS = 6
BATCH = 2_048  # thumbnails looked at between two commits

# What notices say, without accents and spaces: OCR loses both. The first is how a title names it.
PHRASES = {
    "all rights reserved": ("allrightsreserved", "rightsreserved"),
    "tous droits réservés": ("tousdroitsreserves", "droitsreserves"),
    "alle Rechte vorbehalten": ("allerechtevorbehalten", "rechtevorbehalten"),
    "todos los derechos reservados": ("todoslosderechos", "derechosreservados"),
    "tutti i diritti riservati": ("tuttiidiritti", "dirittiriservati"),
    "todos os direitos reservados": ("todososdireitos", "direitosreservados"),
    "by permission only": ("bypermission", "permissiononly", "writtenpermission", "withoutpermission", "writtenconsent"),
    "do not copy": ("donotcopy", "notforresale", "notforpublication", "licensedmaterial"),
    "reproduction prohibited": ("reproduction", "unauthorised", "unauthorized", "useprohibited", "protectedbycopyright"),
    "removed": ("rightsholder", "copyrightholder", "copyrightclaim", "copyrightnotice", "contentunavailable", "imageremoved"),
}
SIGNS = re.compile(r"©|(?<!\w)\(c\)|copyright|copr\.")  # f(c) is code


@dataclass(frozen=True)
class Notices:
    """The group of copyright notices across clusters."""

    rows: IntArray  # ascending
    clusters: dict[str, list[str]]  # grain -> names of the clusters in it
    titles: dict[str, dict[str, str]]  # grain -> name -> what a cluster rich in text says
    unread: dict[str, list[str]]  # those of `clusters` whose pictures are too small to be read
    was_read: bool  # False: without OCR, by the figure of text on dark alone


def look_for_text(workspace: Workspace, *, on_progress: Progress = ignore) -> None:
    """Work out the figure of text on dark where it is missing: images from before there was one. Resumable."""
    missing = np.flatnonzero(np.isnan(workspace.text))
    net = text_net()
    for start in range(0, len(missing), BATCH):
        rows = missing[start : start + BATCH]
        grey = np.stack([grey_of(workspace.thumbnail(workspace.image_id(int(row)), "clear")) for row in rows])
        workspace.set_text(dict(zip(rows.tolist(), net(grey).tolist(), strict=True)))
        on_progress(start + len(rows), len(missing))


def says_copyright(words: str) -> bool:
    """Tell whether the words of a picture are those of a copyright notice."""
    return bool(_phrases(words)) or _has_sign(words)


def _has_sign(words: str) -> bool:
    return SIGNS.search(words.casefold()) is not None


def _phrases(words: str) -> list[str]:
    squeezed = re.sub(r"[\W_]+", "", folded(words))
    return [name for name, forms in PHRASES.items() if any(form in squeezed for form in forms)]


def folded(words: str) -> str:
    """Return words without accents and case, for comparing."""
    decomposed = unicodedata.normalize("NFKD", words)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def title_of(read: list[str]) -> str:
    """Name a cluster by what its pictures say: the sign and the commonest phrase of notices, else the words most share."""
    if not any(read):
        return ""
    phrases = Counter(phrase for words in read for phrase in _phrases(words))
    signed = sum(_has_sign(words) for words in read) * 2 >= len(read)
    if phrases or signed:
        return " … ".join(["©"] * signed + [phrase for phrase, _ in phrases.most_common(1)])
    seen = Counter(word for words in read for word in dict.fromkeys(re.findall(r"\w{2,}", words)))
    common = [word for word, n in seen.most_common() if n * 2 >= len(read)] or re.findall(r"\w{2,}", max(read, key=len))
    return " ".join(common[:TITLE_WORDS])


def find_notices(workspace: Workspace, *, on_progress: Progress = ignore) -> Notices:
    """Read the clusters rich in text on dark, name them, and collect the copyright notices; keeps what it finds.

    Args:
        on_progress: told (pictures done, pictures to do), first of looking for text, then of reading it.
    Returns:
        the group, as `notices` will return it from now on.
    """
    look_for_text(workspace, on_progress=on_progress)
    rich: dict[tuple[str, str], IntArray] = {}
    chosen: dict[tuple[str, str], IntArray] = {}
    for grain, found in _clusterings(workspace).items():
        for name, pictures in zip(found.names, found.pictures, strict=True):
            rows = found.rows(name)
            if text_share(workspace, rows) >= RICH:
                rich[grain, name], chosen[grain, name] = rows, pictures
    singles = _singles(workspace, _joined(rich.values()))
    to_read = _joined([singles, *chosen.values()])
    reads = can_read()
    words = _read(workspace, to_read, on_progress) if reads else {}
    record: NoticeRecord = {
        "of": _clusters_file(workspace),
        "read": reads,
        "titles": {},
        "clusters": {},
        "unread": {},
        "singles": [],
    }
    for (grain, name), rows in chosen.items():
        read = [words.get(int(row), "") for row in rows]
        record["titles"].setdefault(grain, {})[name] = title_of(read)
        too_small = reads and _too_small(workspace, rows, read)
        if not reads or too_small or 2 * sum(map(says_copyright, read)) > len(read):
            record["clusters"].setdefault(grain, []).append(name)
        if too_small:
            record["unread"].setdefault(grain, []).append(name)
    record["singles"] = [int(row) for row in singles if not reads or says_copyright(words.get(int(row), ""))]
    workspace.catalog.models.set_notices(record)
    stored = notices(workspace)
    assert stored is not None  # noqa: S101  it was stored just now
    return stored


def _too_small(workspace: Workspace, rows: IntArray, read: list[str]) -> bool:
    """Tell whether most of these say nothing because they are too small; then text on dark alone has to decide."""
    records = [workspace.catalog.images.record(int(row)) for row in rows]
    if np.median([max(record["width"], record["height"]) for record in records]) >= LEGIBLE:
        return False
    n_said, n_silent = sum(map(says_copyright, read)), read.count("")
    return 2 * n_silent >= len(read) and n_said >= len(read) - n_silent - n_said


def _clusterings(workspace: Workspace) -> dict[str, Clustering]:
    found = {grain: clustering(workspace, grain) for grain in GRAINS}
    return {grain: clusters for grain, clusters in found.items() if clusters is not None}


def _joined(parts: Iterable[IntArray]) -> IntArray:
    return np.unique(np.concatenate([np.array([], np.int64), *parts]))


def notices_sentence(found: Notices) -> str:
    """Say what was found, and how surely."""
    n = f"{len(found.rows):,}" if len(found.rows) else "No"
    said = f"{n} copyright notices were found."
    if not found.was_read:
        return f"{said} They were told by text on dark alone: to read the words, run pip install 'lassoscope[ocr]'."
    if any(found.unread.values()):
        return f"{said} Some are too small to be read and were told by text on dark alone: look before you label."
    return said


def _clusters_file(workspace: Workspace) -> str:
    """Return the file of the newest clusters, which names them; "" if there are none."""
    stored = stored_clusters(workspace)
    return stored.file if stored is not None else ""


def _singles(workspace: Workspace, inside: IntArray) -> IntArray:
    alone = np.flatnonzero(np.nan_to_num(workspace.text) >= SINGLE)
    alone = np.setdiff1d(alone, inside)
    return alone[np.argsort(-workspace.text[alone], kind="stable")][:MOST_SINGLES]


def _read(workspace: Workspace, rows: IntArray, on_progress: Progress) -> dict[int, str]:
    """Return the words of these images; what was read before is not read again."""
    known = workspace.catalog.images.words()
    for done, row in enumerate(rows.tolist(), start=1):
        if row not in known:
            with Image.open(io.BytesIO(workspace.picture(workspace.image_id(row), "clear"))) as opened:
                known[row] = read_words(opened.convert("RGB"))
            if state_of(workspace.catalog.images.files_of([row])[0]) == FileState.HERE:  # words off a thumbnail are not stored
                workspace.catalog.images.set_words(row, known[row])
        on_progress(done, len(rows))
    return known


def notices(workspace: Workspace) -> Notices | None:
    """Return the group of copyright notices as it was found last; None if it was not, or other clusters were found since."""
    record = workspace.catalog.models.notices()
    if record is None or not record.keys() >= NoticeRecord.__required_keys__ or record["of"] != _clusters_file(workspace):
        return None
    parts = [np.array(record["singles"], np.int64)]
    for grain, found in _clusterings(workspace).items():
        for name in record["clusters"].get(grain, []):
            mine = np.asarray(found.rows(name), np.int64)
            parts.append(mine if text_share(workspace, mine) >= PURE else mine[workspace.text[mine] >= ON_DARK])
    return Notices(_joined(parts), record["clusters"], record["titles"], record["unread"], record["read"])


def search_words(workspace: Workspace, query: str) -> IntArray:
    """Return the images that say all of these words: those that were read, and the clusters whose title does.

    Returns:
        (K,) rows, ascending; accents and case do not matter.
    """
    asked = folded(query).split()
    if not asked:
        return np.array([], np.int64)

    def says(words: str) -> bool:
        return all(word in folded(words) for word in asked)

    parts: list[IntArray] = [
        np.array([row for row, words in workspace.catalog.images.words().items() if says(words)], np.int64)
    ]
    found = notices(workspace)
    titles = found.titles if found is not None else {}
    for grain, clusters in _clusterings(workspace).items():
        parts += [clusters.rows(name) for name, title in titles.get(grain, {}).items() if says(title)]
    return _joined(parts)
