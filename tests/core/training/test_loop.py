import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from core.catalog.originals import FilePictures
from core.encoders.untrained import initial_backbone
from core.encoders.vit import Architecture, load_backbone, read_tensors
from core.errors import EncoderError, InputError, ShapeError
from core.training.batches import FilePixels
from core.training.loop import MsnConfig, MsnRun, StepMetrics, schedule, spread, train
from core.training.msn import Msn, keep_tokens, parameter_groups
from core.training.views import Chance, Jitter, blur, crop_and_flip, crop_boxes, jitter_colours, random_view
from tests.forked import forking

ROOT = Path(__file__).resolve().parents[3]
TINY = Architecture(input_size=16, patch_size=4, dim=24, depth=2, heads=3)
CONFIG = MsnConfig(TINY, epochs=3, batch_size=8, prototypes=6, head_hidden=16, head_out=12, focal_size=8, seed=1)


def chance(seed: int = 0, **place: int) -> Chance:
    return Chance(torch.Generator().manual_seed(seed), **place)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run_steps(images: torch.Tensor, n: int, folder: Path) -> tuple[MsnRun, list[float]]:
    """Take n steps as `train` does; return the run as its state file holds it, and the losses."""
    losses: list[float] = []
    train(
        images, CONFIG, out=folder / "w", state=folder / "s", device="cpu", log_steps=1,
        on_step=lambda metrics: losses.append(metrics.loss), stop=lambda: len(losses) == n,
    )  # fmt: skip
    run = MsnRun(images, CONFIG)
    run.load(folder / "s")
    return run, losses


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8, generator=generator())


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# -- views --


def test_crop_boxes_lie_inside_and_have_the_asked_areas():
    wide, high, x, y = crop_boxes(500, (0.2, 0.5), chance()).unbind(1)
    assert (x - wide / 2 >= -1e-6).all()
    assert (x + wide / 2 <= 1 + 1e-6).all()
    assert (y - high / 2 >= -1e-6).all()
    assert (y + high / 2 <= 1 + 1e-6).all()
    assert 0.19 < (wide * high).min() < 0.25
    assert 0.45 < (wide * high).max() <= 0.51


def test_a_crop_of_the_whole_is_the_image_or_its_mirror_image():
    x = torch.rand(40, 3, 8, 8, generator=generator())
    seen = set()
    for image, cut in zip(x, crop_and_flip(x, 8, (1.0, 1.0), chance(1)), strict=True):
        # The shape still varies a little, so only left and right are compared.
        plain, mirrored = ((cut - other).abs().mean() for other in (image, image.flip(-1)))
        seen.add(bool(plain < mirrored))
    assert seen == {True, False}


def test_colours_unchanged_by_a_jitter_of_nothing_and_grey_when_always_grey():
    x = torch.rand(6, 3, 4, 4, generator=generator())
    assert jitter_colours(x, Jitter(0, 0, 0, 0, 1, 0, 0), chance()) == pytest.approx(x, abs=1e-4)
    grey = jitter_colours(x, Jitter(0, 0, 0, 0, 1, 1, 0), chance())
    assert (grey.amax(dim=1) - grey.amin(dim=1)).max() < 0.01


def test_blur_keeps_flat_images_and_means_and_lowers_contrast():
    flat = torch.full((3, 3, 6, 6), 0.4)
    assert torch.allclose(blur(flat, 1.0, chance()), flat, atol=1e-6)
    x = torch.rand(8, 3, 16, 16, generator=generator())
    assert (blur(x, 1.0, chance()).std(dim=(1, 2, 3)) < x.std(dim=(1, 2, 3))).all()
    assert torch.equal(blur(x, 0.0, chance()), x)


def test_views_follow_the_generator_and_nothing_else():
    x = torch.rand(4, 3, 16, 16, generator=generator())
    views = [random_view(x, 8, (0.2, 0.6), Jitter(), chance(seed)) for seed in (5, 5, 6)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert views[0].shape == (4, 3, 8, 8)
    assert 0 <= views[0].min() <= views[0].max() <= 1


# -- what goes wrong in MSN --


def test_the_class_token_is_always_kept_and_every_patch_sometimes():
    kept = keep_tokens(2_000, 17, 0.3, chance())
    assert kept.shape == (2_000, 12)
    assert (kept[:, 0] == 0).all()
    assert (kept.diff(dim=1) > 0).all()
    counts = kept.flatten().bincount(minlength=17)
    assert counts[16] > 0  # lightly's example never shows the last patch
    assert counts[1:].float() / 2_000 == pytest.approx(torch.full((16,), 11 / 16), abs=0.05)


def spy_on_anchors(model: Msn) -> list[tuple[int, object]]:
    seen: list[tuple[int, object]] = []
    forward = model.anchor_backbone.forward

    def watched(images, idx_keep=None, **others):
        seen.append((images.shape[-1], None if idx_keep is None else idx_keep.shape[1]))
        return forward(images, idx_keep=idx_keep, **others)

    model.anchor_backbone.forward = watched
    return seen


def test_random_views_are_masked_with_the_class_token_counted_and_focal_views_are_not(images):
    model = Msn(CONFIG)
    seen = spy_on_anchors(model)
    model.loss(images[:8].float() / 255, chance())
    assert seen == [(16, round(17 * 0.7)), (8, None)]


def test_a_step_moves_prototypes_and_anchors_and_the_targets_behind_them(images, tmp_path):
    before = weights(MsnRun(images, CONFIG).model)
    run, _ = run_steps(images, 3, tmp_path)
    after = weights(run.model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "prototypes" in moved
    for part in ("vit.cls_token", "vit.blocks.1.mlp.fc1.weight", "vit.patch_embed.proj.weight"):
        assert f"anchor_backbone.{part}" in moved
        assert f"target_backbone.{part}" in moved
        anchor, target = (after[f"{side}_backbone.{part}"] - before[f"{side}_backbone.{part}"] for side in SIDES)
        assert 0 < target.abs().mean() < anchor.abs().mean()
    assert "anchor_backbone.vit.pos_embed" not in moved  # fixed sines and cosines
    assert all(p.grad is None for p in run.model.target_backbone.parameters())


SIDES = ("anchor", "target")


def test_biases_norms_tokens_and_prototypes_do_not_decay():
    model = Msn(CONFIG)
    decay, plain = parameter_groups(model)
    names = {id(p): name for name, p in model.named_parameters()}
    decaying = {names[id(p)] for p in decay["params"]}
    free = {names[id(p)] for p in plain["params"]}
    assert all(name.endswith("weight") and "norm" not in name for name in decaying)
    assert {"prototypes", "anchor_backbone.vit.cls_token", "anchor_backbone.vit.norm.weight"} <= free
    assert not any(name.startswith("target") for name in decaying | free)
    assert decaying | free == {name for name, p in model.named_parameters() if p.requires_grad}


def test_schedules_start_warm_up_and_end_as_the_paper_s():
    first, top, last = (schedule(CONFIG, step, 1_000) for step in (0, 100, 999))
    assert first.learning_rate == pytest.approx(0.2 * CONFIG.learning_rate, rel=0.1)
    assert top.learning_rate == pytest.approx(CONFIG.learning_rate, rel=0.02)
    assert last.learning_rate < 2e-6
    assert (first.weight_decay, last.weight_decay) == pytest.approx((0.04, 0.4))
    assert (first.ema, last.ema) == pytest.approx((0.99, 1.0))


def test_a_collapsed_run_is_distinguished_from_a_healthy_one(images):
    healthy, one_point = torch.randn(128, 64, generator=generator()), torch.ones(128, 64)
    one_point += 0.01 * torch.randn(128, 64, generator=generator())
    assert spread(healthy) == pytest.approx(1, abs=0.05)
    assert spread(one_point) < 0.05
    good = StepMetrics(1, 2, 1, 3.0, 1e-3, 0.99, 100.0, prototypes_used=40, spread=0.85)
    assert not good.collapsed


# -- runs --


def test_a_stopped_and_resumed_run_ends_as_an_uninterrupted_one(images, tmp_path):
    whole = train(images, CONFIG, out=tmp_path / "whole.safetensors")
    state = tmp_path / "state"
    steps: list[int] = []
    part = train(
        images, CONFIG, out=tmp_path / "part.safetensors", state=state, log_steps=1,
        on_step=lambda m: steps.append(m.step), stop=lambda: len(steps) == 5,
    )  # fmt: skip
    rest = train(images, CONFIG, out=tmp_path / "part.safetensors", state=state, resume=True)
    assert (whole.steps, part.steps, rest.steps) == (12, 5, 12)
    assert (whole.finished, part.finished, rest.finished) == (True, False, True)
    _, one = read_tensors(tmp_path / "whole.safetensors")
    _, two = read_tensors(tmp_path / "part.safetensors")
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-3) for name in one)


def test_ctrl_c_leaves_a_state_to_go_on_from(images, tmp_path):
    def interrupt(metrics: StepMetrics) -> None:
        if metrics.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(images, CONFIG, out=tmp_path / "w", state=tmp_path / "s", log_steps=1, on_step=interrupt)
    run = MsnRun(images, CONFIG)
    run.load(tmp_path / "s")
    assert run.step == 4


def test_checkpoints_are_written_every_so_many_epochs(images, tmp_path):
    seen: list[int] = []
    train(
        images, CONFIG, out=tmp_path / "w", state=tmp_path / "s", checkpoint_epochs=1,
        on_checkpoint=lambda model, step: seen.append(step),
    )  # fmt: skip
    assert seen == [4, 8, 12]


def test_the_same_seed_gives_the_same_run_and_leaves_the_caller_s_chance_alone(images, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, second = (run_steps(images, 2, tmp_path)[1] for _ in range(2))
    assert first == second
    assert torch.equal(torch.rand(3), expected)


def test_each_image_is_seen_once_an_epoch(images):
    run = MsnRun(images, CONFIG)
    epochs = [np.concatenate([run.rows(epoch * 4 + step) for step in range(4)]) for epoch in range(2)]
    assert all(sorted(rows) == list(range(32)) for rows in epochs)
    assert not np.array_equal(*epochs)


def test_a_state_of_another_run_or_file_is_refused(images, tmp_path):
    run, _ = run_steps(images, 1, tmp_path)
    other = MsnConfig(TINY, epochs=4, batch_size=8, prototypes=6, head_hidden=16, head_out=12, focal_size=8, seed=1)
    with pytest.raises(EncoderError, match="other settings"):
        train(images, other, out=tmp_path / "w", state=tmp_path / "s", resume=True)
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(EncoderError, match="no saved MSN training"):
        run.load(tmp_path / "x.safetensors")


def test_a_diverged_run_says_so_before_it_spoils_the_model(images, tmp_path):
    run, _ = run_steps(images, 2, tmp_path)
    tensors = {f"model.{name}": tensor for name, tensor in run.model.state_dict().items()}
    tensors["model.prototypes"] = torch.full_like(tensors["model.prototypes"], torch.nan)
    meta, saved = read_tensors(tmp_path / "s")
    save_file({**saved, **tensors}, tmp_path / "s", meta)
    with pytest.raises(EncoderError, match="diverged at step 2"):
        train(images, CONFIG, out=tmp_path / "w", state=tmp_path / "s", resume=True, device="cpu")


def test_weights_hold_the_averaged_backbone_with_what_must_be_known(images, tmp_path):
    result = train(images, CONFIG, out=tmp_path / "w.safetensors", about={"data": "noise", "licence": "CC0"})
    meta, tensors = read_tensors(result.weights)
    assert (meta["data"], meta["licence"], meta["steps"], meta["seed"]) == ("noise", "CC0", "12", "1")
    assert Architecture.from_json(meta["architecture"]) == TINY
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert tensors.keys() == MsnRun(images, CONFIG).model.target_backbone.vit.state_dict().keys()
    assert load_backbone(tensors, TINY)(torch.zeros(2, 3, 16, 16)).shape == (2, 24)


def test_a_run_starts_from_given_weights_and_resumes_from_its_own(images, tmp_path):
    given = {name: tensor + 0.01 for name, tensor in initial_backbone(TINY, seed=9).state_dict().items()}
    kept = {"out": tmp_path / "w", "state": tmp_path / "s", "device": "cpu", "start": given}
    train(images, CONFIG, stop=lambda: True, **kept)  # one step
    one = read_tensors(tmp_path / "w")[1]
    apart = max(float((one[name].float() - tensor).abs().max()) for name, tensor in given.items())
    assert apart < 1e-3  # float16, and a hundredth of one step
    train(images, CONFIG, resume=True, **kept)
    resumed = read_tensors(tmp_path / "w")[1]
    train(images, CONFIG, **kept)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in read_tensors(tmp_path / "w")[1].items())


def test_weights_of_another_architecture_cannot_be_started_from(images, tmp_path):
    other = initial_backbone(replace(TINY, depth=3), seed=0).state_dict()
    with pytest.raises(EncoderError, match=r"no ViT 24 x 2, patch 4, 16 px"):
        train(images, CONFIG, out=tmp_path / "w", device="cpu", start=other)
    assert not (tmp_path / "w").exists()


def test_images_read_again_each_epoch_teach_what_images_in_memory_do(images, tmp_path):
    paths = []
    for number, image in enumerate(images):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    spare = {5: paths[5].read_bytes()}
    paths[5].unlink()  # gone since the ingest
    files = FilePixels(FilePictures(paths, fallback=spare.__getitem__), 16)
    train(images, CONFIG, out=tmp_path / "memory.safetensors", device="cpu")
    train(files, CONFIG, out=tmp_path / "files.safetensors", device="cpu")
    (meta, whole), (_, read) = (read_tensors(tmp_path / f"{name}.safetensors") for name in ("memory", "files"))
    assert meta["steps"] == "12"
    for name, tensor in whole.items():
        assert torch.equal(tensor, read[name]), name


def test_images_of_another_shape_and_impossible_settings_are_refused(images, tmp_path):
    for wrong in (images.float(), images[:, :1], images[..., :8], images[:1]):
        with pytest.raises(ShapeError, match="MSN needs"):
            train(wrong, CONFIG, out=tmp_path / "w")
    with pytest.raises(InputError, match="multiples"):
        MsnConfig(TINY, focal_size=9)
    with pytest.raises(InputError, match="mask ratio"):
        MsnConfig(mask_ratio=1.0)


def test_the_untrained_backbone_is_where_training_starts():
    model = MsnRun(torch.zeros(8, 3, 16, 16, dtype=torch.uint8), CONFIG).model
    start = initial_backbone(TINY, seed=CONFIG.seed)
    assert torch.equal(start.state_dict()["blocks.0.attn.qkv.weight"],
                       model.target_backbone.vit.state_dict()["blocks.0.attn.qkv.weight"])  # fmt: skip


# -- several processes --


def train_for_real(out: Path, *, devices: int) -> None:
    """Train on all images with batches that processes can share; leave the state and the losses in `out`."""
    losses: list[float] = []
    config = replace(CONFIG, epochs=2, random_views=2)
    images = torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8, generator=generator())
    with patch("core.training.msn.bf16_pays", lambda device: False):  # float error is to be compared, not bfloat16's
        train(
            images, config, out=out / "w", state=out / "s", device="cpu", devices=devices, log_steps=1,
            on_step=lambda metrics: losses.append(metrics.loss),
        )  # fmt: skip
    (out / "losses.json").write_text(json.dumps(losses))


def launched(out: Path) -> None:
    """Have Lightning start the second process as it does for `lassoscope train --devices 2`: with the first one's command."""
    code = f"import pathlib, tests.core.training.test_loop as t; t.train_for_real(pathlib.Path({str(out)!r}), devices=2)"
    (out / "run.py").write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, out / "run.py"]
    subprocess.run(command, env=environment, cwd=out, check=True, capture_output=True, timeout=600)


def forked(out: Path) -> None:
    """Start both processes as a cluster's launcher does, in a tenth of the time."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = forking()
    both = [context.Process(target=_train_as, args=(rank, port, out)) for rank in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(170)
        process.kill()
    assert [process.exitcode for process in both] == [0, 0]


def _train_as(rank: int, port: int, out: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    train_for_real(out, devices=2)


@pytest.mark.parametrize("start_both", [forked, pytest.param(launched, marks=pytest.mark.slow)])
def test_two_processes_learn_what_one_learns_from_the_same_batches(start_both, tmp_path):
    """Losses and weights agree within float error: batch norms, sinkhorn and me-max look at the whole batch."""
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    start_both(places[1])
    train_for_real(places[0], devices=1)
    one, two = (json.loads((place / "losses.json").read_text()) for place in places)
    alone, shared = (read_tensors(place / "s")[1] for place in places)
    assert len(one) == len(two) == 8
    assert two == pytest.approx(one, abs=1e-5)
    assert alone.keys() == shared.keys()
    for name, tensor in alone.items():
        if name.startswith("model.") and tensor.ndim >= 2:  # a bias before a norm has no gradient but noise; Adam scales it up
            assert torch.allclose(tensor.float(), shared[name].float(), atol=2e-4), name


def test_shared_chance_is_the_whole_batch_s_chance():
    whole = chance().rand(6, 3)
    shares = [chance(rank=rank, world=2).rand(3, 3) for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), whole)


def test_a_batch_that_cannot_be_shared_is_refused(images, tmp_path):
    with pytest.raises(InputError, match="cannot be shared by 3 processes"):
        train(images, CONFIG, out=tmp_path / "w", device="cpu", devices=3)
