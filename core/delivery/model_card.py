"""The model card of a bundle, in Markdown: what the model is, what was promised, and what was not."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.delivery.manifest import Manifest

TEMPLATES = Environment(  # of Markdown, where nothing is escaped
    loader=PackageLoader("core.delivery"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
)


def exactly(threshold: float) -> str:
    """Return a threshold with all its digits: rounded, it could have other images reviewed."""
    return repr(threshold + 0.0)  # minus zero becomes zero


def model_card(manifest: Manifest) -> str:
    """Return the card's text."""
    return TEMPLATES.get_template("model_card.md").render(
        bundle=manifest,
        flagged=[c.name for c in manifest.classes if c.flagged],
        about={key: value for key, value in manifest.encoder.items() if value not in ("", None) and key != "shape"},
        exactly=exactly,
        exported=manifest.exported_at[:16].replace("T", " "),
    )
