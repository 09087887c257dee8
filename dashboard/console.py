"""How a command talks: progress on stderr, one sentence or one JSON object on stdout, errors as one sentence."""

import contextlib
import functools
import getpass
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Task as RichTask
from rich.text import Text

from core.arrays import Progress as OnProgress
from core.store.files import STEERING, plain, shown
from core.store.troubles import sentence_of
from dashboard.extras import sentence_of_missing

P = ParamSpec("P")
FAILED = 1
INTERRUPTED = 130  # by Ctrl-C
LOG = logging.getLogger("lassoscope")
ERRORS = Console(stderr=True, soft_wrap=True, highlight=False)


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: RichTask) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextlib.contextmanager
def bars(*stages: str) -> Iterator[tuple[OnProgress, ...]]:
    """Draw a bar with rate and remaining time on stderr per stage, each from its first report of (done, total) on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=ERRORS, transient=not ERRORS.is_terminal) as shown:
        tasks = [shown.add_task(stage, total=None, visible=number == 0) for number, stage in enumerate(stages)]

        def report(task: TaskID, done: int, total: int) -> None:
            shown.update(task, completed=done, total=total, visible=True)

        yield tuple(functools.partial(report, task) for task in tasks)


@contextlib.contextmanager
def stage_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Draw a bar per stage, named as it comes up: for work that another process does."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=ERRORS, transient=not ERRORS.is_terminal) as shown:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = shown.add_task(stage.lower(), total=total or None)
            shown.update(tasks[stage], completed=done, total=total or None)

        yield report


@contextlib.contextmanager
def progress(what: str) -> Iterator[OnProgress]:
    """Draw the progress bar of a verb with one stage."""
    with bars(what) as (report,):
        yield report


def finish(sentence: str, result: Mapping[str, object], *, as_json: bool) -> None:
    """End a command: the sentence, or the result as one JSON object (NaN becomes null).

    Works in any terminal: characters that its encoding lacks, or that would control it, are escaped.
    """
    if as_json:
        text = _in_json(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))
    else:
        text = "\n".join(shown(line) for line in sentence.split("\n"))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if as_json:  # stays JSON, whatever the encoding
        text = "".join(c if _fits(c, encoding) else json.dumps(c)[1:-1] for c in text) if not _fits(text, encoding) else text
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _in_json(text: str) -> str:
    """Escape control characters as JSON does; they occur in strings only."""
    return STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors of a command into one sentence on stderr and exit code 1; Ctrl-C into 130.

    Expected are our own and those of the machine (`core.store.troubles`); anything else is a bug and keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            ERRORS.print("Stopped; finished work is kept, and the same command continues from there (train: with --resume).")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            said = sentence_of(error) or sentence_of_missing(error)
            if said is None:
                raise
            LOG.debug("expected error", exc_info=True)
            ERRORS.print(f"lassoscope: {shown(said)}", markup=False)
            raise typer.Exit(FAILED) from None

    return run


def is_at_terminal() -> bool:
    """Tell whether a person can be asked: input and messages are those of a terminal."""
    return sys.stdin.isatty() and ERRORS.is_terminal


def warn(said: Iterable[str]) -> None:
    """Print warnings beside the result, on stderr."""
    for sentence in said:
        ERRORS.print(f"lassoscope: {shown(sentence)}", markup=False)


def this_user() -> str:
    """Return the name of the current user; "analyst" if the machine has none, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "analyst"
