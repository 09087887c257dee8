"""Near-duplicates by embedding neighbours: found on pixels, joined whole, across later uploads, never split between halves."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from core.demo.cards import render_card
from core.duplicates.pixels import CLEAR, SAME, copy_likenesses, detail, stands_out
from core.duplicates.search import copies_of, find_copies, group_sizes, one_of_each
from core.encoders.embed import embed
from core.errors import InputError
from core.evidence.queues import check_queue
from core.images.decode import thumbnail_webp
from core.labels.actions import label
from core.workspace import Workspace
from tests.reading import take_in
from tests.worlds import made


def re_encoded(image, quality=60):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def cropped(image, left=0.03, top=0.03, right=0.03, bottom=0.03):
    w, h = image.size
    return image.crop((round(left * w), round(top * h), w - round(right * w), h - round(bottom * h)))


def of(image):
    return detail(thumbnail_webp(image))


def likeness(a, b):
    return float(copy_likenesses(a[None], b[None])[0])


@pytest.mark.parametrize("number", range(6))
def test_a_copy_is_far_liker_than_another_notice(number):
    card, other = render_card(5, number), of(render_card(5, number + 6))
    original = of(card)
    copies = [re_encoded(card), cropped(card), cropped(card, 0.03, 0, 0, 0), card.resize((card.width // 2, card.height // 2))]
    found = [likeness(original, of(re_encoded(copy))) for copy in copies]
    assert min(found) >= SAME
    assert found[0] >= CLEAR
    assert likeness(original, other) < SAME
    assert likeness(of(copies[1]), original) == pytest.approx(found[1], abs=0.03)  # which one was cropped is not known
    both = copy_likenesses(np.stack([original, other]), np.stack([of(re_encoded(copies[1])), original]))
    assert both.tolist() == pytest.approx([found[1], likeness(other, original)], abs=1e-6)


def test_plain_pictures_are_no_copies_of_each_other():
    plain = [of(Image.new("RGB", (90, 60), colour)) for colour in ("black", "white", "red")]
    assert max(likeness(plain[0], plain[1]), likeness(plain[1], plain[2])) < SAME


def test_a_copy_stands_out_and_one_of_a_family_does_not():
    assert stands_out(0.95, [0.8, 0.7], alone=False)
    assert not stands_out(0.95, [0.94, 0.93, 0.92, 0.91], alone=True)  # a slope without a gap
    assert stands_out(0.95, [0.97, 0.945, 0.94, 0.7], alone=False)  # three copies, then a gap
    assert stands_out(0.95, [0.97, 0.945, 0.94], alone=True)  # nothing but copies near
    assert not stands_out(0.95, [0.97, 0.945, 0.94], alone=False)
    assert stands_out(CLEAR, [0.98], alone=False)


@pytest.fixture(scope="module")
def notices(tmp_path_factory):
    """A workspace of twenty-four notices, embedded."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "first").mkdir()
    for number in range(24):
        render_card(5, number).save(folder / "first" / f"card-{number:02}.png")
    with Workspace.create(folder / "w", salt="copies") as space:
        take_in(space, folder / "first")
        embed(space, "msn-demo", device="cpu")
    return folder / "w"


@pytest.fixture
def space(notices, tmp_path):
    with Workspace(shutil.copytree(notices, tmp_path / "w")) as space:
        yield space


def add_copies(space, folder, numbers):
    """Take in a cropped copy of each card, as a later upload; return their rows and the rows of their originals."""
    folder.mkdir()
    for number in numbers:
        cropped(render_card(5, number)).save(folder / f"copy-{number:02}.jpg", quality=80)
    take_in(space, folder)
    rows = {path.rsplit("/", 1)[1]: row for path, row in space.catalog.images.rows_by_name().items() if "/" in path}
    return [np.array([rows[f"{kind}-{n:02}.{end}"] for n in numbers]) for kind, end in (("copy", "jpg"), ("card", "png"))]


def halves_are_whole(space):
    return all(len(set(space.is_check[space.groups == group])) == 1 for group in np.unique(space.groups))


def test_crops_of_a_later_upload_join_their_originals_whole_and_once(space, tmp_path):
    assert space.n_copies == 0
    copies, cards = add_copies(space, tmp_path / "later", range(0, 24, 2))
    assert (space.groups[copies] != space.groups[cards]).mean() > 0.5  # the hash does not see through a crop
    embed(space, device="cpu")
    assert (space.groups[copies] == space.groups[cards]).mean() >= 0.95
    assert len(np.unique(space.groups)) >= 24  # and nothing else was joined
    assert halves_are_whole(space)
    groups = space.groups
    assert find_copies(space) == 0  # compared already
    space.reload()  # from disk
    assert space.groups.tolist() == groups.tolist()
    third, _ = add_copies(space, tmp_path / "third", [1, 3])
    embed(space, device="cpu")
    assert (space.groups[: len(groups)] == groups).all()
    assert len(third) == 2


def test_what_the_model_has_learned_from_pulls_its_copies_into_the_teach_half(space, tmp_path):
    checked = [int(row) for row in np.flatnonzero(space.is_check)]
    names = {row: int(space.catalog.images.record(row)["path"][-6:-4]) for row in range(space.n_images)}
    copies, _ = add_copies(space, tmp_path / "later", [names[row] for row in checked])
    learned = [row for row in copies.tolist() if not space.is_check[row]]
    assert learned  # by its own hash, a copy may have come into the other half
    label(space, np.array(learned), "copyright", analyst="ann", source="single")
    embed(space, device="cpu")
    joined = [row for row in learned if space.groups[row] != row]
    assert joined
    assert not space.is_check[joined].any()
    assert not space.is_check[space.groups[joined]].any()
    assert halves_are_whole(space)
    others = [row for row in copies.tolist() if row not in learned]
    assert space.is_check[others].all()


def test_a_group_is_labelled_together_and_shown_once(space, tmp_path):
    copies, cards = add_copies(space, tmp_path / "later", [0, 2, 4])
    embed(space, device="cpu")
    both = np.sort(np.concatenate([copies, cards]))
    assert copies_of(space, cards).tolist() == both.tolist()
    assert one_of_each(space, np.concatenate([copies, cards])).tolist() == copies.tolist()  # the order decides
    assert one_of_each(space, np.arange(space.n_images)[::-1])[0] == space.n_images - 1
    assert len(copies_of(space, np.array([], np.int64))) == len(one_of_each(space, np.array([], np.int64))) == 0
    with pytest.raises(InputError, match="There is no row"):
        copies_of(space, np.array([10_000]))


def test_groups_are_expanded_counted_and_ordered_as_a_slow_search_would(tmp_path):
    with made(tmp_path, n=60) as space:
        rng = np.random.default_rng(0)
        joined = {row: row % 7 for row in range(20, 50) if row % 7 < 4}
        space.catalog.images.join_groups(joined, {first: bool(first % 2) for first in range(4)}, copies={"made": 60})
        before = space.columns.check_rows.tolist()
        space.reload_groups()
        groups = space.groups.tolist()
        assert groups == [joined.get(row, row) for row in range(60)]
        assert space.n_copies == len(joined)
        assert space.columns.with_copies.tolist() == [row for row in range(60) if groups.count(groups[row]) > 1]
        for rows in (rng.permutation(60)[:5], np.array([3, 3, 10]), np.array([], np.int64), np.arange(60)):
            wanted = {groups[row] for row in rows.tolist()}
            assert copies_of(space, rows).tolist() == [row for row in range(60) if groups[row] in wanted]
            assert group_sizes(space, rows).tolist() == [groups.count(groups[row]) for row in rows.tolist()]
        check = [row for row in np.argsort(space.check_order, kind="stable").tolist() if space.is_check[row]]
        assert space.columns.check_rows.tolist() == check != before
        assert check_queue(space, 60).tolist() == [row for row in check if space.sealed[row]]
