"""The batched views draw from the distributions of lightly's MSNTransform, the reference."""

import numpy as np
import pytest
import torch
from lightly.transforms import MSNTransform
from PIL import Image
from scipy.stats import ks_2samp

from core.training.views import Chance, Jitter, crop_and_flip, random_view

SIDE, N = 64, 500
SCALE = (0.3, 1.0)
LIKELY = 1e-3  # below it two samples of this size are held to differ
NO_COLOUR = Jitter(0, 0, 0, 0, 0, 0, 0)


def reference(image: Image.Image, *, colours: bool, **changes: float) -> np.ndarray:
    """Draw N random views of one image with lightly; (N, SIDE, SIDE, 3) in [0, 1]."""
    strengths = {"cj_strength": 0.5, "cj_prob": 0.8, "random_gray_scale": 0.2, "gaussian_blur": 0.0}
    if not colours:
        strengths |= {"cj_prob": 0.0, "random_gray_scale": 0.0}
    transform = MSNTransform(
        random_size=SIDE,
        focal_size=SIDE,
        random_views=1,
        focal_views=0,
        random_crop_scale=SCALE,
        normalize={"mean": (0.0,) * 3, "std": (1.0,) * 3},
        **strengths | changes,
    )
    torch.manual_seed(0)
    np.random.seed(0)
    views = [transform(image)[0] for _ in range(N)]
    return np.stack([view.permute(1, 2, 0).numpy() for view in views])


def ours(image: Image.Image, jitter: Jitter) -> np.ndarray:
    """Draw N random views of one image with the fast path."""
    one = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    chance = Chance(torch.Generator().manual_seed(1))
    batch = one.expand(N, -1, -1, -1)
    return random_view(batch, SIDE, SCALE, jitter, chance).permute(0, 2, 3, 1).numpy()


def places() -> Image.Image:
    """An image whose red tells x and whose green tells y, so that a view tells where it was cut."""
    ramp = (np.arange(256) + 0.5) / 256
    x, y = np.meshgrid(ramp, ramp)
    return Image.fromarray((np.stack([x, y, np.zeros_like(x)], axis=2) * 255).round().astype(np.uint8))


def flat(*colour: int) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), colour)


def boxes(views: np.ndarray) -> dict[str, np.ndarray]:
    """Read width, height, area, shape, place and flip of each view off its colours."""
    inner = slice(SIDE // 4, -SIDE // 4)  # away from the rims, which are interpolated
    share = (SIDE // 2 - 1) / SIDE
    middle = views[:, inner, inner]
    across = (middle[:, :, -1, 0] - middle[:, :, 0, 0]).mean(axis=1) / share
    high = (middle[:, -1, :, 1] - middle[:, 0, :, 1]).mean(axis=1) / share
    wide = np.abs(across)
    return {
        "area": wide * high,
        "shape": np.log(wide / high),
        "x": middle[..., 0].mean(axis=(1, 2)),
        "y": middle[..., 1].mean(axis=(1, 2)),
        "flipped": across < 0,
    }


def test_crops_and_flips_are_those_of_the_reference():
    theirs, mine = boxes(reference(places(), colours=False)), boxes(ours(places(), NO_COLOUR))
    for name in ("area", "shape", "x", "y"):
        assert ks_2samp(theirs[name], mine[name]).pvalue > LIKELY, name
    for drawn in (theirs, mine):
        assert drawn["flipped"].mean() == pytest.approx(0.5, abs=0.06)


def test_a_clamped_crop_would_be_distinguished_from_the_reference():
    """The judge can fail: boxes drawn without a second try are found out."""
    rng = np.random.default_rng(0)
    area, shape = rng.uniform(*SCALE, N), np.exp(rng.uniform(-1, 1, N) * np.log(4 / 3) / 2)
    clamped = np.minimum(1, np.sqrt(area) * shape) * np.minimum(1, np.sqrt(area) / shape)
    assert ks_2samp(boxes(reference(places(), colours=False))["area"], clamped).pvalue < LIKELY


def test_brightness_is_changed_as_often_and_as_much_as_in_the_reference():
    grey = flat(128, 128, 128)  # contrast, saturation and hue leave it as it is
    theirs = reference(grey, colours=True).mean(axis=(1, 2, 3))
    mine = ours(grey, Jitter(blur=0)).mean(axis=(1, 2, 3))
    assert ks_2samp(theirs.round(2), mine.round(2)).pvalue > LIKELY
    for drawn in (theirs, mine):
        assert (np.abs(drawn - 128 / 255) < 0.004).mean() == pytest.approx(0.2, abs=0.05)  # not jittered


def test_hue_and_saturation_move_as_in_the_reference():
    colour = flat(150, 90, 70)
    off = {"cj_bright": 0.0, "cj_contrast": 0.0, "random_gray_scale": 0.0}
    theirs = reference(colour, colours=True, **off).mean(axis=(1, 2))
    mine = ours(colour, Jitter(brightness=0, contrast=0, grey=0, blur=0)).mean(axis=(1, 2))
    for channel in range(3):
        assert ks_2samp(theirs[:, channel].round(2), mine[:, channel].round(2)).pvalue > LIKELY


def test_contrast_moves_as_in_the_reference():
    halves = Image.fromarray(np.repeat(np.repeat(np.array([[60, 180]], np.uint8), SIDE, 0), SIDE // 2, 1)).convert("RGB")
    off = {"cj_bright": 0.0, "cj_sat": 0.0, "cj_hue": 0.0, "random_gray_scale": 0.0}
    theirs = reference(halves, colours=True, **off).std(axis=(1, 2, 3))
    mine = ours(halves, Jitter(brightness=0, saturation=0, hue=0, grey=0, blur=0)).std(axis=(1, 2, 3))
    assert ks_2samp(theirs.round(2), mine.round(2)).pvalue > LIKELY


def test_grey_is_as_rare_as_in_the_reference():
    colour = flat(200, 60, 60)
    for drawn in (reference(colour, colours=True).mean(axis=(1, 2)), ours(colour, Jitter(blur=0)).mean(axis=(1, 2))):
        is_grey = drawn.max(axis=1) - drawn.min(axis=1) < 0.02
        assert is_grey.mean() == pytest.approx(0.2, abs=0.05)


def test_half_of_the_views_are_blurred_as_in_the_reference():
    fine = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))

    def roughness(views: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(views, axis=2)).mean(axis=(1, 2, 3))

    # Blur strengths differ by design (three taps against a Gaussian of up to 2 px); how often is what is compared.
    for plain, blurred in (
        (reference(fine, colours=False), reference(fine, colours=False, gaussian_blur=0.5)),
        (ours(fine, NO_COLOUR), ours(fine, Jitter(0, 0, 0, 0, 0, 0, 0.5))),
    ):
        lost = roughness(blurred) / roughness(plain)  # the same seeds, so the same crops
        assert (lost < 0.98).mean() == pytest.approx(0.5, abs=0.12)


def test_the_reference_path_of_one_crop_looks_like_ours():
    whole = torch.from_numpy(np.array(places())).permute(2, 0, 1).float().div(255)[None]
    cut = crop_and_flip(whole, SIDE, (1.0, 1.0), Chance(torch.Generator().manual_seed(0)))
    found = boxes(cut.permute(0, 2, 3, 1).numpy())
    assert found["area"][0] == pytest.approx(1, abs=0.02)
