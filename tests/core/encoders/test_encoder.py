import pickle
import re
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from core.assets import ASSETS
from core.catalog import originals
from core.catalog.originals import FilePictures
from core.encoders.encoder import BATCHES_AHEAD, CHUNK, ENCODERS, embed_originals, load_encoder
from core.encoders.vit import Architecture, WeightsFormat, read_tensors
from core.errors import EncoderError, InputError, ShapeError

TINY = Architecture(input_size=16, patch_size=8, dim=12, depth=1, heads=3)


@pytest.fixture
def files(tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number in range(45):
        size = (int(rng.integers(20, 200)), int(rng.integers(20, 200)))
        path = tmp_path / f"{number}.{('png', 'jpg')[number % 2]}"
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).resize((40, 30)).save(path)
        paths.append(path)
    return paths


@pytest.fixture(params=sorted(ENCODERS))
def each(request):
    return load_encoder(request.param, device="cpu")


def images(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 3, side, side), np.uint8)


# -- every registered encoder --


def test_every_encoder_gives_finite_different_float32_rows(each):
    x = each.encode(images(6, each.input_size))
    assert x.shape == (6, each.dim)
    assert x.dtype == np.float32
    assert np.isfinite(x.astype(np.float16)).all()
    assert len({row.tobytes() for row in x}) == 6


def test_every_encoder_s_name_is_stable_and_safe_as_a_folder_name(each):
    again = load_encoder(each.name.rsplit("-", 1)[0], device="cpu")
    assert again.name == each.name
    assert re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{8}", each.name)


def test_every_encoder_says_what_it_is(each):
    described = each.describe()
    assert {"architecture", "dim", "input_size", "device", "dtype", "method", "data", "licence"} <= described.keys()
    assert described["dim"] == each.dim


def test_every_encoder_gives_a_row_that_does_not_depend_on_its_batch(each):
    batch = images(20, each.input_size)
    together, alone = each.encode(batch), np.concatenate([each.encode(batch[n : n + 1]) for n in range(20)])
    cosine = (together * alone).sum(axis=1) / np.linalg.norm(together, axis=1) / np.linalg.norm(alone, axis=1)
    assert cosine.min() > 0.999


def test_every_encoder_refuses_other_shapes(each):
    side = each.input_size
    for wrong in (images(2, side + 8), images(2, side).astype(np.float32), images(2, side)[:, :1], images(2, side)[0]):
        with pytest.raises(ShapeError, match="uint8"):
            each.encode(wrong)


@pytest.mark.parametrize("name", ["msn-demo", "msn-small-64", "msn-tiny-64"])
def test_the_shipped_weights_are_small_and_say_where_they_come_from(name):
    meta, _ = read_tensors(ASSETS / f"{name}.safetensors")
    assert (ASSETS / f"{name}.safetensors").stat().st_size < 16_000_000
    assert {"architecture", "data", "licence", "steps", "commit", "seed", "config"} <= meta.keys()
    assert "Fashion-MNIST" in meta["data"]
    assert int(meta["steps"]) > 500


@pytest.mark.parametrize("name", ["msn-demo", "msn-small-64", "msn-tiny-64"])
def test_shipped_weights_know_notices_from_clothes(name):
    from core.demo.cards import render_card
    from core.demo.datasets import fashion_tiles

    encoder, (tiles, _) = load_encoder(name, device="cpu"), fashion_tiles()
    pictures = [render_card(9, n) for n in range(12)] + [Image.fromarray(t).convert("RGB") for t in tiles[:60]]
    batch = np.stack([np.asarray(p.resize((encoder.input_size,) * 2)).transpose(2, 0, 1) for p in pictures])
    x = encoder.encode(batch)
    unit = x - x.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -2)
    assert (likeness.argmax(axis=1) < 12).tolist()[:12].count(True) >= 11


# -- files that are not ours --


def write(path, *, tensors=None, **meta):
    given = {"format": str(WeightsFormat.VIT), "architecture": TINY.to_json(), **meta}
    save_file(tensors or TINY.build().state_dict(), path, {k: v for k, v in given.items() if v is not None})
    return str(path)


def test_a_weights_file_is_loaded_and_its_name_follows_its_content(tmp_path):
    torch.manual_seed(0)
    first = load_encoder(write(tmp_path / "my weights.safetensors"), device="cpu")
    second = load_encoder(write(tmp_path / "other.safetensors"), device="cpu")
    assert first.name.startswith("my-weights-")
    assert first.name[-8:] != second.name[-8:]
    assert (first.dim, first.input_size) == (12, 16)


@pytest.mark.parametrize(
    "meta",
    [
        {"format": None},
        {"format": "pt"},
        {"architecture": None},
        {"architecture": "{}"},
        {"architecture": "not json"},
        {"architecture": '{"input_size": 10000000, "mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0, 1.0]}'},
        {"architecture": Architecture(depth=2, heads=2).to_json()},
        {"architecture": TINY.to_json().replace('"depth": 1', '"depth": 60')},
    ],
)
def test_a_file_with_wrong_metadata_is_refused_in_one_sentence(tmp_path, meta):
    with pytest.raises(EncoderError) as caught:
        load_encoder(write(tmp_path / "w.safetensors", **meta), device="cpu")
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    tensors = TINY.build().state_dict()
    tensors["norm.weight"][0] = torch.nan
    with pytest.raises(EncoderError, match="finite"):
        load_encoder(write(tmp_path / "w.safetensors", tensors=tensors), device="cpu")


def test_a_pickle_is_never_opened_whatever_its_name(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle ran",))

    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(EncoderError, match="not a safetensors file"):
        load_encoder(str(path), device="cpu")


@pytest.mark.parametrize("name", ["nope", "nowhere.safetensors", "", "../msn-demo"])
def test_an_unknown_encoder_is_refused(name):
    with pytest.raises(EncoderError):
        load_encoder(name, device="cpu")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(EncoderError, match="msn-demo, msn-small-64, msn-tiny-64, pixels-pca, random"):
        load_encoder("nope")


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_here_is_refused(device):
    with pytest.raises(InputError, match="auto"):
        load_encoder("pixels-pca", device=device)


# -- embedding files --


def test_rows_come_in_the_order_of_the_paths_whatever_batch_and_threads(files):
    encoder = load_encoder("pixels-pca", device="cpu")
    one_by_one = np.concatenate(list(embed_originals(FilePictures(files), encoder, batch_size=1, workers=1)))
    for batch_size, workers in ((7, 3), (256, None)):
        blocks = list(embed_originals(FilePictures(files), encoder, batch_size=batch_size, workers=workers))
        assert all(len(block) == batch_size for block in blocks[:-1])
        assert np.concatenate(blocks) == pytest.approx(one_by_one, abs=1e-3)
    backwards = np.concatenate(list(embed_originals(FilePictures(files[::-1]), encoder)))
    assert backwards[::-1] == pytest.approx(one_by_one, abs=1e-3)


def test_progress_ends_at_the_number_of_files(files):
    seen = []
    list(embed_originals(FilePictures(files), load_encoder("pixels-pca"), batch_size=20, on_progress=lambda *p: seen.append(p)))
    assert seen == [(20, 45), (40, 45), (45, 45)]
    assert list(embed_originals(FilePictures([]), load_encoder("pixels-pca"))) == []


def test_a_file_that_has_gone_or_broken_falls_back_to_its_thumbnail(files, tmp_path):
    encoder = load_encoder("pixels-pca", device="cpu")
    whole = np.concatenate(list(embed_originals(FilePictures(files), encoder)))
    spare = {20: files[20].read_bytes(), 33: files[33].read_bytes()}
    files[20].unlink()
    files[33].write_bytes(spare[33][:60])
    mended = np.concatenate(list(embed_originals(FilePictures(files, fallback=spare.__getitem__), encoder, batch_size=16)))
    assert mended == pytest.approx(whole, abs=1e-3)


def test_a_broken_file_without_a_fallback_is_named(files):
    files[20].write_bytes(b"not an image")
    with pytest.raises(InputError, match=re.escape(str(files[20]))):
        list(embed_originals(FilePictures(files), load_encoder("pixels-pca"), batch_size=16))


def test_decoding_stays_a_bounded_way_ahead_and_ends_with_its_reader(files, monkeypatch):
    decoded = []
    load = originals.load_square
    monkeypatch.setattr(originals, "load_square", lambda path, size: decoded.append(path) or load(path, size))
    blocks = embed_originals(FilePictures(files), load_encoder("pixels-pca"), batch_size=4, workers=2)
    next(blocks)
    time.sleep(0.2)
    assert len(decoded) <= 4 * (BATCHES_AHEAD + 1)
    blocks.close()
    at_close = len(decoded)
    time.sleep(0.1)
    assert len(decoded) == at_close
    assert not any(thread.name.startswith("decode") for thread in threading.enumerate())
    assert CHUNK > 0


def test_a_batch_of_nothing_is_refused(files):
    with pytest.raises(InputError, match="batch size must be at least 1"):
        list(embed_originals(FilePictures(files), load_encoder("pixels-pca"), batch_size=0))
