import csv
import socket
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.demo import datasets as demo
from core.demo.datasets import (
    DATASETS,
    FASHION_CLASSES,
    FOOTWEAR,
    Downloadable,
    fashion_tiles,
    fetch_dataset,
    write_demo_images,
)
from core.errors import InputError, UnavailableError


def read(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, read(write_demo_images(folder, n_images=200))


def test_the_packed_set_has_eight_thousand_different_images_in_ten_equal_classes():
    tiles, items = fashion_tiles()
    assert tiles.shape == (8_000, 28, 28)
    assert len({tile.tobytes() for tile in tiles}) == 8_000
    assert Counter(items) == dict.fromkeys(FASHION_CLASSES, 800)


def test_the_assets_are_small_and_carry_their_licence():
    assert sum(p.stat().st_size for p in demo.DEMO_ASSETS.iterdir()) < 8_000_000
    licence = (demo.DEMO_ASSETS / "LICENSE.txt").read_text()
    assert "MIT" in licence
    assert "Zalando SE" in licence


def test_one_in_twenty_is_a_notice_and_footwear_stands_in_for_flagged(small):
    _, lines = small
    assert len(lines) == 200
    labels = Counter(line["label"] for line in lines)
    assert labels["copyright"] == 10
    assert all((line["label"] == "footwear") == (line["item"] in FOOTWEAR) for line in lines)
    assert labels["footwear"] > 20
    assert labels["neutral"] > 80


def test_neither_name_nor_place_nor_suffix_tells_the_class(small):
    folder, lines = small
    assert {str(Path(line["path"]).parent) for line in lines} == {"uploads"}
    assert [Path(line["path"]).stem for line in lines] == [f"{n:06d}" for n in range(200)]
    for suffix in (".png", ".jpg"):
        there = {line["label"] for line in lines if line["path"].endswith(suffix)}
        assert there == {"footwear", "neutral", "copyright"}
    places = [n for n, line in enumerate(lines) if line["label"] == "copyright"]
    assert min(places) < 100 < max(places)
    assert {p.name for p in folder.iterdir()} == {"uploads", "manifest.csv", "demo.txt"}


def test_png_files_hold_the_packed_pixels_without_loss(small):
    folder, lines = small
    tiles, _ = fashion_tiles()
    known = {tile.tobytes() for tile in tiles}
    pngs = [line for line in lines if line["path"].endswith(".png") and line["item"] != "notice"]
    assert all(np.asarray(Image.open(folder / line["path"])).tobytes() in known for line in pngs[:20])


def test_writing_again_keeps_whole_files_and_replaces_lost_and_empty_ones(tmp_path):
    manifest = write_demo_images(tmp_path, n_images=40)
    first = contents(tmp_path)
    names = [line["path"] for line in read(manifest)]
    (tmp_path / names[3]).unlink()
    (tmp_path / names[5]).write_bytes(b"")
    kept = (tmp_path / names[7]).stat().st_mtime_ns
    write_demo_images(tmp_path, n_images=40)
    assert contents(tmp_path) == first
    assert (tmp_path / names[7]).stat().st_mtime_ns == kept


def test_an_interrupted_writing_goes_on(tmp_path):
    def interrupt(done, total):
        if done == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo_images(tmp_path / "a", n_images=40, on_progress=interrupt)
    assert not (tmp_path / "a" / "manifest.csv").exists()
    seen = []
    write_demo_images(tmp_path / "a", n_images=40, on_progress=lambda done, total: seen.append((done, total)))
    write_demo_images(tmp_path / "b", n_images=40)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert seen[-1] == (40, 40)


def test_a_folder_of_another_choice_is_refused(tmp_path):
    write_demo_images(tmp_path, n_images=20)
    with pytest.raises(InputError, match="different selection"):
        write_demo_images(tmp_path, n_images=20, seed=1)


@pytest.mark.parametrize("n", [0, -1, 9_000])
def test_a_number_of_images_that_cannot_be_is_refused(tmp_path, n):
    with pytest.raises(InputError, match="1 to 8,421"):
        write_demo_images(tmp_path, n_images=n)


def test_packing_without_the_source_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="no Fashion-MNIST"):
        demo.pack_fashion_mnist(tmp_path, tmp_path)


def test_an_unknown_data_set_is_refused_with_the_known_names(tmp_path):
    with pytest.raises(InputError, match="caltech101, cifar10, pets"):
        fetch_dataset("imagenet", tmp_path)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_without_a_network_fetching_ends_in_one_sentence(tmp_path, monkeypatch, name):
    def refuse(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(UnavailableError) as caught:
        fetch_dataset(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert "embedded demo" in str(caught.value)
    assert socket.getdefaulttimeout() is None


def test_a_fetched_data_set_becomes_a_demo_folder_with_notices(tmp_path, monkeypatch):
    class Data:
        targets = tuple(n % 3 for n in range(60))

        def __getitem__(self, n):
            return Image.new("RGB", (8, 8), (n, 0, 0)), self.targets[n]

    source = Downloadable("Pretend", "vehicles", ("ship",), 38, lambda folder: (Data(), ["cat", "ship", "tree"]))
    monkeypatch.setitem(DATASETS, "pretend", source)
    lines = read(fetch_dataset("pretend", tmp_path))
    labels = Counter(line["label"] for line in lines)
    assert len(lines) == 40
    assert labels["copyright"] == 2
    assert all((line["label"] == "vehicles") == (line["item"] == "ship") for line in lines)
