"""Presets and their overrides: from YAML or flags, checked, named when wrong."""

import pytest

from core.errors import InputError
from core.training.presets import PRESETS, preset, read_settings, setting_names, settings_of


@pytest.mark.parametrize("name", PRESETS)
def test_every_setting_of_every_preset_can_be_overridden_by_its_own_value(name):
    config = PRESETS[name]
    values = settings_of(config)
    assert list(values) == setting_names()
    assert preset(name, values) == config
    as_text = {key: value if isinstance(value, tuple) else str(value) for key, value in values.items()}
    assert preset(name, as_text) == config  # as flags bring them


def test_the_papers_recipe_is_the_papers():
    config = PRESETS["small-224"]
    shape = config.architecture
    assert (shape.dim, shape.depth, shape.heads, shape.patch_size, shape.input_size) == (384, 12, 6, 16, 224)
    assert (config.epochs, config.batch_size, config.prototypes, config.focal_views) == (800, 1024, 1024, 10)
    assert (config.mask_ratio, config.weight_decay, config.ema, config.clip) == (0.15, (0.04, 0.4), 0.996, 3.0)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"epoch": 3}, "no setting 'epoch'"),
        ({"epochs": "many"}, "'epochs' cannot be 'many'"),
        ({"architecture.layers": 3}, "no setting 'architecture.layers'"),
        ({"engine.power": 3}, "no setting 'engine.power'"),
        ({"random_scale": 1}, "'random_scale' cannot be 1"),
        ({"mask_ratio": 1.5}, "mask ratio in"),
    ],
)
def test_a_wrong_override_is_named(overrides, words):
    with pytest.raises(InputError, match=words):
        preset("tiny-64", overrides)


def test_an_unknown_preset_is_named():
    with pytest.raises(InputError, match=r"no preset 'huge'; choose tiny-32"):
        preset("huge")


def test_settings_come_from_yaml(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("epochs: 7\narchitecture:\n  depth: 4\nrandom_scale: [0.2, 1.0]\n")
    config = preset("tiny-64", read_settings(file))
    assert (config.epochs, config.architecture.depth, config.random_scale) == (7, 4, (0.2, 1.0))
    assert config.architecture.dim == 192
    for content in ("just words", "[1, 2", "1: 2"):
        file.write_text(content)
        with pytest.raises(InputError, match=r"names and values|cannot be read as YAML"):
            read_settings(file)
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_settings(tmp_path / "missing.yaml")


@pytest.mark.parametrize(("n_images", "batch"), [(100_000, 256), (2_048, 256), (2_047, 128), (500, 64), (3, 64)])
def test_few_images_get_a_smaller_batch(n_images, batch):
    assert preset("tiny-64", n_images=n_images).batch_size == batch


def test_a_batch_that_was_asked_for_stays():
    assert preset("tiny-64", {"batch_size": 256}, n_images=500).batch_size == 256
