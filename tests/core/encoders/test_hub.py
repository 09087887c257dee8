"""Weights from a hub on loopback: fetched once, checked, and named in one sentence if anything is wrong with them."""

import json
import time

import numpy as np
import pytest
import torch

from core.encoders.encoder import load_encoder
from core.encoders.hub import ask_hub, on_this_machine
from core.errors import EncoderError, UnavailableError
from tests.hub import SMALL, vit_msn

REPOSITORY = "facebook/vit-msn-small"


def load():
    return load_encoder(f"hf:{REPOSITORY}", device="cpu")


def left_in(folder):
    """Return the names of files with content, as a cache keeps them."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.parent.name == "blobs"}


def test_weights_are_fetched_once_and_give_what_the_network_gives(hub):
    seen = []
    encoder = load_encoder(f"hf:{REPOSITORY}", device="cpu", on_fetch=lambda *p: seen.append(p))
    size = len(hub.files["model.safetensors"])
    assert hub.fetched == ["config.json", "model.safetensors"]
    assert hub.agents
    assert not any("torch" in agent for agent in hub.agents)  # the client's statistics
    assert seen[-1] == (size, size)
    asked = len(hub.asked)
    assert load().name == encoder.name
    assert len(hub.asked) == asked  # nothing at all is asked of the hub again
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (SMALL.mean, SMALL.std))
    with torch.inference_mode():
        expected = SMALL.build().eval()((torch.from_numpy(images) / 255 - mean) / std)
    found = torch.from_numpy(encoder.encode(images))
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.999


def test_the_older_kind_of_file_is_taken_if_there_is_no_other(hub, tmp_path):
    from safetensors.torch import load as tensors_of

    torch.save(tensors_of(hub.files.pop("model.safetensors")), tmp_path / "w.bin")
    hub.files["pytorch_model.bin"] = (tmp_path / "w.bin").read_bytes()
    assert ask_hub(REPOSITORY) == len(hub.files["pytorch_model.bin"])
    assert load().dim == 64
    assert on_this_machine(REPOSITORY).weights.name == "pytorch_model.bin"


def test_a_download_cut_off_half_way_is_named_and_nothing_of_it_is_kept(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _seconds: None)  # between the client's attempts
    hub.cuts = True
    with pytest.raises(EncoderError, match=r"facebook/vit-msn-small was cut off .* run the command again") as caught:
        load()
    assert "\n" not in str(caught.value)
    assert on_this_machine(REPOSITORY) is None
    assert len(left_in(tmp_path / "cache")) == 1  # config.json
    hub.cuts = False
    assert load().dim == 64


def test_weights_that_are_not_those_of_their_hash_are_deleted(hub):
    hub.alters = True
    with pytest.raises(EncoderError, match="arrived damaged and were deleted"):
        load()
    hub.alters = False
    assert load().dim == 64


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_type": "vit"}, "is a 'vit', not a ViTMSN"),
        ({"hidden_size": 384}, "states a hidden_size of 384, but its weights have 64"),
        ({"num_hidden_layers": 12}, "states a num_hidden_layers of 12, but its weights have 2"),
        ({"num_attention_heads": 5}, "5 attention heads, which do not divide 64"),
    ],
)
def test_a_config_that_does_not_fit_is_named(hub, changed, words):
    hub.files["config.json"] = json.dumps(json.loads(hub.files["config.json"]) | changed).encode()
    with pytest.raises(EncoderError, match=words):
        load()


def test_a_repository_without_weights_and_a_missing_one_are_named(hub):
    del hub.files["model.safetensors"]
    with pytest.raises(EncoderError, match=r"has neither model\.safetensors nor pytorch_model\.bin"):
        load()
    with pytest.raises(UnavailableError, match="has no weights"):
        ask_hub(REPOSITORY)


def test_a_hub_that_does_not_answer_is_given_up_in_seconds(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the port "discard", where nobody listens
    since = time.monotonic()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        ask_hub(REPOSITORY)
    with pytest.raises(EncoderError, match="could not be downloaded and is not in this machine's cache"):
        load()
    assert time.monotonic() - since < 5


def test_nothing_is_asked_if_the_client_is_set_offline(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match="HF_HUB_OFFLINE is set"):
        ask_hub(REPOSITORY)
    assert hub.asked == []


# -- files that were copied here --


@pytest.mark.parametrize("kept", [0.5, 0.999, 200])
def test_a_weights_file_that_is_cut_off_is_named(tmp_path, kept):
    whole = vit_msn()["model.safetensors"]
    (tmp_path / "half.safetensors").write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    with pytest.raises(EncoderError, match=r"half\.safetensors is incomplete: .* copy or download it again"):
        load_encoder(str(tmp_path / "half.safetensors"), device="cpu")


def test_a_torch_checkpoint_that_is_cut_off_is_named(tmp_path):
    torch.save({"target_encoder": SMALL.build().state_dict()}, tmp_path / "half.pth.tar")
    whole = (tmp_path / "half.pth.tar").read_bytes()
    (tmp_path / "half.pth.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderError, match=r"half\.pth\.tar is incomplete"):
        load_encoder(str(tmp_path / "half.pth.tar"), device="cpu")


def test_weights_of_another_width_than_stated_are_named(tmp_path):
    from safetensors.torch import save_file

    from core.encoders.vit import Architecture

    stated = Architecture(input_size=32, patch_size=16, dim=48, depth=2, heads=3)
    meta = {"format": "lassoscope-encoder/v1", "architecture": stated.to_json()}
    save_file(SMALL.build().state_dict(), tmp_path / "w.safetensors", meta)
    with pytest.raises(
        EncoderError, match=r"w\.safetensors does not fit a ViT 48 x 2.*is \(1, 1, 64\) and should be \(1, 1, 48\)"
    ):
        load_encoder(str(tmp_path / "w.safetensors"), device="cpu")
