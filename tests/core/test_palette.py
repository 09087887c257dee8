"""Classes are told apart by people with any sight, and seen on both grounds."""

from itertools import combinations

import numpy as np
import pytest

from core.palette import CLASS_PALETTE, DARK, LIGHT

SIGHTS = {  # of linear RGB (Machado, Oliveira & Fernandes 2009, severity 1)
    "usual": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    share = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_twelve_classes_differ_for_every_sight(sight):
    assert len(set(CLASS_PALETTE)) == 12
    seen = {colour: lab(np.array(SIGHTS[sight]) @ linear(colour)) for colour in CLASS_PALETTE}
    nearest = min(combinations(CLASS_PALETTE, 2), key=lambda pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
    assert np.linalg.norm(seen[nearest[0]] - seen[nearest[1]]) > 17, nearest  # a difference of 2 is just seen


@pytest.mark.parametrize("ground", [LIGHT.ground, DARK.ground])
def test_every_class_is_seen_on_both_grounds(ground):
    def luminance(colour):
        return float(TO_XYZ[1] @ linear(colour))

    for colour in CLASS_PALETTE:
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) > 1.85, colour
