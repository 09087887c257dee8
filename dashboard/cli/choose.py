"""The choice of an encoder by the first `embed` of a workspace: terminals are asked, scripts are told."""

from functools import partial

import typer

from core.encoders.encoder import DEFAULT_ENCODER
from core.encoders.offers import PUBLIC, PUBLIC_LICENCE, PUBLIC_SHAPE, offers_here, public_offer, weights_beside
from core.errors import UnavailableError
from core.store.files import shown
from core.workspace import Workspace
from dashboard.console import ERRORS, warn


def choose_encoder(space: Workspace, *, device: str, asks: bool) -> str:
    """Return the encoder for a workspace without embeddings: the one a person chooses, else the shipped weights.

    Args:
        asks: ask in the terminal, and the hub for public weights; else name the other encoders in one line.
    """
    if not asks:
        warn([_told(space)])
        return DEFAULT_ENCODER
    _say("No encoder is chosen yet. Measuring what each costs on this machine, and asking the hub for public weights…")
    offers, no_hub = list(offers_here(space, device=device)), ""
    try:
        offers.append(public_offer(device=device))
    except UnavailableError as error:
        no_hub = f"{PUBLIC} is not offered: {error}"
    choices = [offer for offer in offers if not offer.trouble]
    for number, offer in enumerate(choices, start=1):
        _say(f"  {number}  {offer.sentence(space.n_here)}")
    for sentence in [*(offer.sentence(space.n_here) for offer in offers if offer.trouble), no_hub]:
        if sentence:
            _say(f"  -  {sentence}")
    if len(choices) == 1:
        _say(f"Embedding with {choices[0].encoder}.")
        return choices[0].encoder
    return choices[typer.prompt("Which one?", default="1", value_proc=partial(_number, len(choices)), err=True) - 1].encoder


def _number(most: int, text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= most:
        raise typer.BadParameter(f"a number from 1 to {most} is needed, got '{text}'.")
    return int(text)


def _told(space: Workspace) -> str:
    beside = weights_beside(space)
    files = f"; files beside the workspace: {', '.join(beside)}" if beside else ""
    return (
        f"Embedding with {DEFAULT_ENCODER}. Others are taken with --encoder NAME: {PUBLIC} (public, downloaded once, "
        f"{PUBLIC_SHAPE.input_size} px, {PUBLIC_SHAPE.dim}-d; licence: {PUBLIC_LICENCE}){files}."
    )


def _say(sentence: str) -> None:
    ERRORS.print(shown(sentence), markup=False)
