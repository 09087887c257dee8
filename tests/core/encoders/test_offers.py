"""What an offered encoder costs, in words; files beside a workspace by their names."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from core.encoders.encoder import DEFAULT_ENCODER
from core.encoders.offers import Offer, default_encoder, offers_here, resolve, weights_beside

OFFER = Offer("net", "public", size=224, dim=384, licence="MIT", images_per_second=7.04)


@pytest.mark.parametrize(
    ("n_images", "cost"),
    [
        (1, "less than a minute for 1 image"),
        (430, "about 1 minute for 430 images"),
        (5_000, "about 12 minutes for 5,000 images"),
        (100_000, "about 4 hours for 100,000 images"),
    ],
)
def test_the_cost_is_that_of_this_many_images(n_images, cost):
    assert OFFER.sentence(n_images) == f"net: public, 224 px, 384-d; 7.0 images/s here, {cost}; licence: MIT"


def test_a_file_that_cannot_be_used_says_why_instead():
    assert Offer("half", "in weights/", trouble="half is incomplete.").sentence(9) == "half: half is incomplete."


def test_a_file_that_cannot_be_opened_is_offered_with_its_trouble_and_the_others_as_ever(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "ours.safetensors").touch()

    def load(name, **_):
        if name != DEFAULT_ENCODER:
            raise PermissionError("not yours")

    monkeypatch.delenv("LASSOSCOPE_ENCODER", raising=False)
    monkeypatch.setattr("core.encoders.offers.load_encoder", load)
    monkeypatch.setattr("core.encoders.offers._measured", lambda name, kind, _: Offer(name, kind))
    shipped, ours = offers_here(SimpleNamespace(folder=tmp_path / "w"))
    assert (shipped.encoder, shipped.trouble, ours.trouble) == (DEFAULT_ENCODER, "", "not yours")


def test_the_default_is_the_team_s(monkeypatch):
    monkeypatch.delenv("LASSOSCOPE_ENCODER", raising=False)
    assert default_encoder() == DEFAULT_ENCODER
    monkeypatch.setenv("LASSOSCOPE_ENCODER", "hf:ours/net")
    assert default_encoder() == "hf:ours/net"


def test_files_beside_the_workspace_are_found_by_name_and_never_stand_for_shipped_weights(tmp_path):
    space = SimpleNamespace(folder=tmp_path / "w")
    assert weights_beside(space) == {}
    folder = tmp_path / "weights"
    (folder / "sub.safetensors").mkdir(parents=True)
    for name in ("vits16.pth.tar", "ours.safetensors", f"{DEFAULT_ENCODER}.safetensors", "notes.txt"):
        (folder / name).touch()
    assert weights_beside(space) == {"ours": folder / "ours.safetensors", "vits16": folder / "vits16.pth.tar"}
    assert Path(resolve(space, "ours")) == folder / "ours.safetensors"
    assert resolve(space, DEFAULT_ENCODER) == DEFAULT_ENCODER
    assert resolve(space, "hf:a/b") == "hf:a/b"
