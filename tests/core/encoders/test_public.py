"""Public MSN weights give the outputs of the code they were made for, whatever their names look like."""

import numpy as np
import pytest
import torch

from core.encoders.encoder import load_encoder
from core.encoders.hub import fetch_hub
from core.encoders.public import architecture_of, read_checkpoint, resized, timm_names
from core.encoders.untrained import trainable
from core.encoders.vit import Architecture, load_backbone, normalise
from core.errors import EncoderError

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def reference():
    """A ViTMSNModel with no parameter left at its trivial start."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTMSNConfig(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=512, image_size=224, patch_size=16
    )
    torch.manual_seed(0)
    model = transformers.ViTMSNModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@pytest.fixture(scope="module")
def formats(reference, tmp_path_factory):
    """The three public formats of the same weights: transformers in memory, its files, facebookresearch's checkpoint."""
    folder = tmp_path_factory.mktemp("weights")
    reference.save_pretrained(folder)
    in_memory = reference.state_dict()
    ours = timm_names(in_memory)
    facebook = {f"module.{name}": tensor for name, tensor in ours.items()}
    facebook |= {"module.fc.fc1.weight": torch.zeros(8, 128), "module.fc.fc1.bias": torch.zeros(8)}
    torch.save({"target_encoder": facebook, "encoder": {}, "epoch": 800}, folder / "vits16_800ep.pth.tar")
    legacy = {
        name.replace("layers.", "encoder.layer.")
        .replace("attention.q_proj", "attention.attention.query")
        .replace("attention.k_proj", "attention.attention.key")
        .replace("attention.v_proj", "attention.attention.value")
        .replace("attention.o_proj", "attention.output.dense")
        .replace("mlp.fc1", "intermediate.dense")
        .replace("mlp.fc2", "output.dense"): tensor
        for name, tensor in in_memory.items()
    }
    torch.save({f"vit.{name}": tensor for name, tensor in legacy.items()}, folder / "pytorch_model.bin")
    return folder, in_memory


def tensors_of(formats, which):
    folder, in_memory = formats
    if which == "in memory":
        return in_memory
    if which == "saved":
        from safetensors.torch import load_file

        return load_file(folder / "model.safetensors")
    return read_checkpoint(folder / which)


def test_the_network_that_embeds_equals_timms_that_is_trained():
    shape = Architecture(input_size=48, patch_size=16, dim=64, depth=2, heads=4)
    trained = trainable(shape).eval()
    images = torch.rand(3, 3, 48, 48)
    with torch.inference_mode():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        torch.testing.assert_close(load_backbone(trained.state_dict(), shape)(images), trained(images))


@pytest.mark.parametrize("size", [224, 96])
@pytest.mark.parametrize("which", ["in memory", "saved", "pytorch_model.bin", "vits16_800ep.pth.tar"])
def test_outputs_equal_transformers(reference, formats, which, size):
    found = timm_names(tensors_of(formats, which))
    found, shape = resized(found, architecture_of(found), size)
    vit = load_backbone(found, shape)
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(normalise(images, shape), interpolate_pos_encoding=size != 224).last_hidden_state[:, 0]
        given = vit(normalise(images, shape))
    assert float((given - expected).abs().max()) <= TOLERANCE
    assert float(expected.std()) > 0.1


def test_an_encoder_is_made_from_a_public_file_at_any_size(formats):
    folder, _ = formats
    encoder = load_encoder(str(folder / "vits16_800ep.pth.tar"), device="cpu", size=64)
    assert (encoder.dim, encoder.input_size) == (128, 64)
    assert "CC BY-NC" in encoder.describe()["licence"]
    same = load_encoder(str(folder / "model.safetensors"), device="cpu", size=64)
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), dtype=np.uint8)
    np.testing.assert_allclose(encoder.encode(images), same.encode(images), atol=1e-6)
    assert encoder.name.split("-")[-1] == same.name.split("-")[-1]  # the same weights, whatever file they came in


def test_a_checkpoint_with_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("this must never be printed",)

    torch.save({"target_encoder": Evil()}, tmp_path / "evil.pth.tar")
    with pytest.raises(EncoderError, match="cannot be read as plain weights"):
        load_encoder(str(tmp_path / "evil.pth.tar"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": torch.zeros(2)}, "not contain a plain Vision Transformer"),
        ({"epoch": 3}, "no state dict"),
        ([1, 2], "no state dict"),
    ],
)
def test_other_checkpoints_are_reported(tmp_path, content, words):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(EncoderError, match=words):
        load_encoder(str(tmp_path / "other.pth"))


def test_impossible_sizes_are_reported(formats):
    folder, _ = formats
    with pytest.raises(EncoderError, match="multiple of 16"):
        load_encoder(str(folder / "model.safetensors"), size=100)
    with pytest.raises(EncoderError, match=r"input size of .* is fixed"):
        load_encoder("msn-demo", size=64)


def test_unknown_timm_models_and_missing_files_are_reported():
    with pytest.raises(EncoderError, match="timm has no model 'vit_smal'"):
        load_encoder("timm:vit_smal")
    with pytest.raises(EncoderError, match="There is no file"):
        load_encoder("missing.pth.tar")


def test_the_hub_offline_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="could not be downloaded") as caught:
        fetch_hub("facebook/vit-msn-small")
    assert "\n" not in str(caught.value)
