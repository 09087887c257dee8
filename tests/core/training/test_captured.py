import pytest
import torch

from core.devices import warn_once
from core.encoders.vit import Architecture
from core.training.loop import MsnConfig, MsnRun, train

SHAPE = Architecture(input_size=16, patch_size=4, dim=24, depth=2, heads=3)
CONFIG = MsnConfig(SHAPE, epochs=3, batch_size=32, prototypes=6, head_hidden=16, head_out=12, focal_size=8, warmup=0.5)


def losses(folder, *, stop_at=None, resume=False) -> dict[int, float]:
    """Train on the GPU and return the loss by step."""
    images = torch.randint(0, 256, (128, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found: dict[int, float] = {}
    train(
        images, CONFIG, out=folder / "w", state=folder / "s", device="cuda", log_steps=1, resume=resume,
        on_step=lambda metrics: found.update({metrics.step: metrics.loss}), stop=lambda: len(found) == stop_at,
    )  # fmt: skip
    return found


@pytest.mark.gpu
def test_a_captured_run_is_the_run_without_a_graph(tmp_path, monkeypatch, caplog):
    for name in ("whole", "parts", "plain"):
        (tmp_path / name).mkdir()
    warn_once.cache_clear()
    captured = losses(tmp_path / "whole")
    assert "Nothing captures" not in caplog.text
    first = losses(tmp_path / "parts", stop_at=5)
    in_parts = first | losses(tmp_path / "parts", resume=True)

    def fail(*_):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr("core.training.loop.CapturedPass", fail)
    plain = losses(tmp_path / "plain")
    assert "Nothing captures training steps on cuda:0: operation not permitted when stream is capturing" in caplog.text
    assert len(captured) == len(in_parts) == len(plain) == 12
    assert captured == pytest.approx(plain, rel=2e-2)  # bf16, and sums in any order
    assert in_parts == pytest.approx(plain, rel=2e-2)
    assert captured[1] == pytest.approx(plain[1], rel=1e-3)
    assert captured[12] < captured[1]


@pytest.mark.gpu
def test_compiled_blocks_are_the_same_blocks(tmp_path, monkeypatch, caplog):
    for name in ("plain", "compiled", "failing"):
        (tmp_path / name).mkdir()
    warn_once.cache_clear()
    plain = losses(tmp_path / "plain")
    monkeypatch.setattr("core.training.loop.COMPILED_STEPS", 1)
    compiled = losses(tmp_path / "compiled")
    assert not caplog.records
    assert compiled == pytest.approx(plain, rel=2e-2)


@pytest.mark.parametrize("n_failures", [0, 1, 2])
def test_what_fails_is_left_out(n_failures, monkeypatch, caplog):
    """A fake capture stands in for the GPU: it fails as without a compiler first, then as with an old driver."""
    tried = []

    def capture(model, _batch):
        tried.append(all(block._compiled_call_impl is not None for block in model.anchor_backbone.vit.blocks))
        if len(tried) <= n_failures:
            raise RuntimeError("no compiler\nmore")
        return "captured"

    warn_once.cache_clear()
    monkeypatch.setattr("core.training.loop.CapturedPass", capture)
    monkeypatch.setattr("core.training.loop.COMPILED_STEPS", 1)
    stances = []
    monkeypatch.setattr("torch.compiler.set_stance", stances.append)
    images = torch.zeros((128, 3, 16, 16), dtype=torch.uint8)
    run = MsnRun(images, CONFIG)
    run._capture(images[:32])
    assert run._captured == ("captured" if n_failures < 2 else None)
    assert tried == [True] * min(n_failures + 1, 2)
    assert stances == ["force_eager"] * n_failures
    said = [f"Nothing {what} training steps on cpu: no compiler" for what in ("compiles", "captures")]
    assert caplog.messages == said[:n_failures]
