"""A key or button acts on what it was pressed on, or not at all; keys are found by what they say or by where they are."""

import pytest

from core.catalog.class_names import CLASS_KEYS
from core.catalog.records import ImageClass
from core.labels.classes import parse_classes
from dashboard.inputs import BY_KEY, NOT_SEEN, STALE, Inputs, Press, key_rows, meant, verbs_by_key

CLASSES = [ImageClass("neutral", "#000000", "1", flagged=False), ImageClass("explicit", "#ffffff", "2", flagged=True)]


class Queue:
    place, picture = "suggestions/aa", "aa"

    def __init__(self):
        self.answers = []

    def act(self, verb, class_name):
        self.answers.append((verb, class_name))
        self.place, self.picture = "suggestions/bb", "bb"  # the next one


@pytest.fixture
def said():
    return []


@pytest.fixture
def inputs(said):
    return Inputs(said.append, lambda do: do())


@pytest.mark.parametrize(
    ("key", "code", "verb"),
    [
        ("1", "Digit1", ("label", "neutral")),
        ("&", "Digit1", ("label", "neutral")),  # French: digits need shift
        ("é", "Digit2", ("label", "explicit")),
        ("1", "Numpad1", ("label", "neutral")),
        ("End", "Numpad1", (None, None)),  # without Num Lock it is another key
        ("z", "KeyZ", ("undo", None)),
        ("Z", "KeyZ", ("undo", None)),
        ("z", "KeyW", ("undo", None)),  # French: the key that says z
        ("w", "KeyZ", (None, None)),  # French: the key in its place says w
        ("я", "KeyZ", ("undo", None)),  # Russian
        ("Dead", "KeyS", ("skip", None)),
        ("Process", "KeyU", ("unsure", None)),  # an input method has it
        ("Escape", "Escape", ("nothing", None)),
        ("q", "KeyQ", (None, None)),
        ("3", "Digit3", (None, None)),
    ],
)
def test_a_key_means_what_it_says_or_else_what_its_place_says(key, code, verb):
    assert meant(Press(key=key, code=code), CLASSES) == verb


def test_four_quick_presses_on_one_picture_label_one_picture(inputs, said):
    queue = Queue()
    inputs.add("suggestions", queue)
    for _ in range(4):
        inputs.act(Press(key="1", place="suggestions/aa", shown=frozenset({"aa"})), "label", "neutral")
    assert queue.answers == [("label", "neutral")]
    assert said == [STALE] * 3


def test_a_picture_that_is_not_on_the_screen_yet_takes_no_answer(inputs, said):
    queue = Queue()
    inputs.add("suggestions", queue)
    inputs.act(Press(key="1", place="suggestions/aa"), "label", "neutral")
    assert (queue.answers, said) == ([], [NOT_SEEN])
    inputs.act(Press(key="s", place="suggestions/aa"), "skip")  # a picture that cannot be loaded is no dead end
    assert queue.answers == [("skip", None)]


def test_a_press_on_a_page_without_answers_does_nothing(inputs, said):
    queue = Queue()
    inputs.add("suggestions", queue)
    inputs.act(Press(key="1", place="", shown=frozenset({"aa"})), "label", "neutral")
    assert (queue.answers, said) == ([], [])


def test_each_of_twelve_classes_has_a_key_that_means_nothing_else_and_is_in_the_table():
    classes = parse_classes("a,b,c*,d,e,f,g,h,i,j,k,l")
    assert not set(CLASS_KEYS) & BY_KEY.keys()
    codes = [*(f"Digit{n}" for n in (*range(1, 10), 0)), "KeyQ", "KeyW"]
    for found, code in zip(classes, codes, strict=True):
        assert meant(Press(key=found.key, code=code), classes) == ("label", found.name)
        assert meant(Press(key=found.key.upper(), code=code), classes) == ("label", found.name)
        assert verbs_by_key(classes)[found.key] == "label"
    assert meant(Press(key="à", code="Digit0"), classes) == ("label", "j")  # French
    assert [row["key"] for row in key_rows(classes)][:12] == list("1234567890QW")
