"""One button per class, with its colour and key, and other answers beside them."""

from collections.abc import Callable, Sequence

from core.catalog.records import ImageClass
from dashboard.inputs import Press
from dashboard.views.components.answer_buttons import AnswerButtons, Button

Answer = Callable[[Press, str, str | None], None]


def answers_of(classes: Sequence[ImageClass], *more: tuple[str, str, str]) -> list[Button]:
    """Return a button for each class, and further ones.

    Args:
        more: (verb, label, title) of further buttons.
    """
    buttons: list[Button] = [
        {
            "verb": "label",
            "value": c.name,
            "label": f"{c.name}  [{c.key.upper()}]",
            "note": "flagged" if c.flagged else "",
            "title": f"Label as {c.name}" + (" (flagged)" if c.flagged else ""),
            "colour": c.colour,
        }
        for c in classes
        if not c.retired
    ]
    return buttons + [
        {"verb": verb, "value": "", "label": label, "note": "", "title": title, "colour": ""} for verb, label, title in more
    ]


def class_buttons(classes: Sequence[ImageClass], on_answer: Answer, *more: tuple[str, str, str]) -> AnswerButtons:
    """Return the buttons of a place: `on_answer(press, "label", class name)`, or a verb of `more` without a class."""
    return AnswerButtons(
        buttons=answers_of(classes, *more),
        on_answer=lambda press, verb, value: on_answer(press, verb, value or None),
        sizing_mode="stretch_width",
        margin=(4, 8),
    )
