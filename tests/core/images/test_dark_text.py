"""Is it text on dark? On pictures the weights were not fitted on; benchmarks/notices.py has the figures by kind."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from core.demo.cards import render_card
from core.demo.datasets import fashion_tiles
from core.images.dark_text import ON_DARK, SIDE, grey_of, grey_square, text_features, text_net
from core.images.decode import thumbnail_webp


def figures(images):
    return text_net()(np.stack([grey_of(thumbnail_webp(image)) for image in images]))


@pytest.fixture(scope="module")
def cards():
    return [render_card(7, number) for number in range(100)]


@pytest.mark.parametrize("px", [28, 64, 224])
def test_notices_are_distinguished_from_garments_at_every_size(cards, px):
    small = [card.copy() for card in cards]
    for card in small:
        card.thumbnail((px, px), Image.Resampling.LANCZOS)
    tiles = np.asarray(fashion_tiles()[0])[:100].reshape(-1, 28, 28)
    garments = [Image.fromarray(tile).convert("RGB").resize((px, px)) for tile in tiles]
    assert (figures(small) >= ON_DARK).mean() >= 0.9
    assert (figures(garments) >= ON_DARK).mean() <= 0.02


def test_plain_grounds_shapes_and_dark_words_on_light_are_no_text_on_dark():
    words = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(words).multiline_text((10, 40), "All rights\nreserved 2019\nby somebody", fill="black", font_size=24)
    disc = Image.new("RGB", (200, 200), "black")
    ImageDraw.Draw(disc).ellipse((50, 50, 150, 150), fill="white")
    noise = np.random.default_rng(0).integers(0, 60, (200, 200, 3)).astype(np.uint8)
    dark = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4))
    images = [Image.new("RGB", (200, 200), colour) for colour in ("black", "white", "navy")] + [words, disc, dark]
    assert (figures(images) < ON_DARK).all()


def test_many_at_once_equal_one_by_one_and_figures_stay_in_their_range():
    grey = np.stack([grey_square(render_card(7, number)) for number in range(6)])
    grey = np.concatenate([grey, np.zeros((1, SIDE, SIDE), np.float32), np.full((1, SIDE, SIDE), 255, np.float32)])
    assert text_features(grey).shape == (8, 17)
    together = text_net()(grey)
    assert np.isfinite(together).all()
    assert ((together >= 0) & (together <= 1)).all()
    assert together == pytest.approx([float(text_net()(one[None])[0]) for one in grey], abs=1e-6)
