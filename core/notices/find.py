"""Find copyright notices: read clusters rich in text on dark, title them by their words, collect the notices.

Of each cluster the representative pictures are read. Each verb takes the workspace.
"""

import io
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.arrays import IntArray, Progress, ignore
from core.catalog.models import NoticeRecord
from core.images.dark_text import ON_DARK, grey_of, text_net
from core.images.visits import FileState, state_of
from core.map.clusters import clustering, stored_clusters, text_share
from core.map.density import GRAINS, Clustering
from core.notices.ocr import can_read, read_words
from core.wording import counted, verb
from core.workers import Workers
from core.workspace import Workspace

LOG = logging.getLogger("lassoscope.notices")
RICH = 0.5  # minimum share of text on dark in a cluster that is read
PURE = 0.8  # share of text on dark from which all of a notice cluster counts; below, only its members with text on dark
MOST_SINGLES = 100  # images outside rich clusters that are read, most probable first
SINGLE = 0.9  # their minimum probability of text on dark
LEGIBLE = 160  # px of the longer side from which 9 of 10 notices are read correctly; at 64 px 2 of 10 are
TITLE_WORDS = 6
BATCH = 2_048  # thumbnails measured between two commits

# Phrases of notices without accents and spaces, which OCR loses. The keys are used in titles.
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
    """The images that are copyright notices, across clusters."""

    rows: IntArray  # ascending
    clusters: dict[str, list[str]]  # by grain, names of notice clusters
    titles: dict[str, dict[str, str]]  # by grain and name, titles of the clusters rich in text
    unread: dict[str, list[str]]  # those of `clusters` whose pictures are too small to be read
    was_read: bool  # False: without OCR, by text on dark alone


def measure_text(workspace: Workspace, *, pool: Workers | None = None, on_progress: Progress = ignore) -> None:
    """Measure text on dark for images ingested by a version that did not measure it. Resumable."""
    missing = np.flatnonzero(np.isnan(workspace.text) & ~workspace.removed)
    for start in range(0, len(missing), BATCH):
        rows = missing[start : start + BATCH]
        thumbnails = [workspace.thumbnail(workspace.image_id(int(row)), "clear") for row in rows]
        figures = text_of(thumbnails) if pool is None else pool.submit(text_of, thumbnails).result()
        workspace.set_text(dict(zip(rows.tolist(), figures, strict=True)))
        on_progress(start + len(rows), len(missing))


def text_of(thumbnails: Sequence[bytes]) -> list[float]:
    """Return how surely each thumbnail is text on dark, in [0, 1]."""
    found: list[float] = text_net()(np.stack([grey_of(thumbnail) for thumbnail in thumbnails])).tolist()
    return found


def says_copyright(words: str) -> bool:
    """Tell whether a picture's words are those of a copyright notice."""
    return bool(_phrases(words)) or _has_sign(words)


def _has_sign(words: str) -> bool:
    return SIGNS.search(words.casefold()) is not None


def _phrases(words: str) -> list[str]:
    squeezed = re.sub(r"[\W_]+", "", folded(words))
    return [name for name, forms in PHRASES.items() if any(form in squeezed for form in forms)]


def folded(words: str) -> str:
    """Return words without accents and case, for comparison."""
    decomposed = unicodedata.normalize("NFKD", words)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def title_of(read: list[str]) -> str:
    """Title a cluster by its pictures' words: the © and the most frequent notice phrase, else the words most of them share."""
    if not any(read):
        return ""
    phrases = Counter(phrase for words in read for phrase in _phrases(words))
    signed = sum(_has_sign(words) for words in read) * 2 >= len(read)
    if phrases or signed:
        return " … ".join(["©"] * signed + [phrase for phrase, _ in phrases.most_common(1)])
    seen = Counter(word for words in read for word in dict.fromkeys(re.findall(r"\w{2,}", words)))
    common = [word for word, n in seen.most_common() if n * 2 >= len(read)] or re.findall(r"\w{2,}", max(read, key=len))
    return " ".join(common[:TITLE_WORDS])


def find_notices(workspace: Workspace, *, pool: Workers | None = None, on_progress: Progress = ignore) -> Notices:
    """Read the clusters rich in text on dark, title them, and collect the copyright notices; stores the result.

    Pictures whose files are gone or changed are read from their thumbnails, and counted in a warning.

    Args:
        pool: processes that do the heavy part; None for this one.
        on_progress: called with (pictures done, pictures to do), first while measuring text on dark, then while reading.
    Returns:
        the notices, as `notices` returns them from now on.
    """
    measure_text(workspace, pool=pool, on_progress=on_progress)
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
    words = _read(workspace, to_read, pool, on_progress) if reads else {}
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
    """Tell whether most of these pictures yield no words because they are too small; text on dark alone decides then."""
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
    """State how many notices were found, and how reliable that is."""
    n = len(found.rows)
    counts = f"{counted(n, 'copyright notice')} {verb(n, 'was', 'were')} found." if n else "No copyright notices were found."
    if not found.was_read:
        return f"{counts} Detected by text on dark alone; to read the words, run pip install 'lassoscope[ocr]'."
    if any(found.unread.values()):
        return f"{counts} Some are too small to be read and were detected by text on dark alone; check them before you label."
    return counts


def _clusters_file(workspace: Workspace) -> str:
    """Return the file of the newest clusters, which names them; "" if there are none."""
    stored = stored_clusters(workspace)
    return stored.file if stored is not None else ""


def _singles(workspace: Workspace, inside: IntArray) -> IntArray:
    alone = np.flatnonzero(np.nan_to_num(workspace.text) >= SINGLE)
    alone = np.setdiff1d(alone, inside)
    return alone[np.argsort(-workspace.text[alone], kind="stable")][:MOST_SINGLES]


def words_of(picture: bytes) -> str:
    """Return the words in an encoded picture."""
    with Image.open(io.BytesIO(picture)) as opened:
        return read_words(opened.convert("RGB"))


def _read(workspace: Workspace, rows: IntArray, pool: Workers | None, on_progress: Progress) -> dict[int, str]:
    """Return the words of these images; those read before are not read again."""
    known, n_thumbnails = workspace.catalog.images.words(), 0
    for done, row in enumerate(rows.tolist(), start=1):
        if row not in known:
            picture = workspace.picture(workspace.image_id(row), "clear")
            known[row] = words_of(picture) if pool is None else pool.submit(words_of, picture).result()
            if state_of(workspace.catalog.images.files_of([row])[0]) == FileState.HERE:
                workspace.catalog.images.set_words(row, known[row])
            else:  # read from its thumbnail: not stored, so that it is read again once the file is back
                n_thumbnails += 1
        on_progress(done, len(rows))
    if n_thumbnails:
        LOG.warning(
            "words were read from thumbnails, because files are gone or changed; ingest the folder where they are now",
            extra={"images": n_thumbnails},
        )
    return known


def notices(workspace: Workspace) -> Notices | None:
    """Return the notices found last; None if there was no search, or other clusters have been found since."""
    record = workspace.catalog.models.notices()
    if record is None or not record.keys() >= NoticeRecord.__required_keys__ or record["of"] != _clusters_file(workspace):
        return None
    singles = np.array(record["singles"], np.int64)
    parts = [singles[~workspace.removed[singles]]]
    for grain, found in _clusterings(workspace).items():
        for name in record["clusters"].get(grain, []):
            mine = np.asarray(found.rows(name), np.int64)
            parts.append(mine if text_share(workspace, mine) >= PURE else mine[workspace.text[mine] >= ON_DARK])
    return Notices(_joined(parts), record["clusters"], record["titles"], record["unread"], record["read"])


def search_words(workspace: Workspace, query: str) -> IntArray:
    """Return the images whose words, or whose cluster's title, contain all words of a query.

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
