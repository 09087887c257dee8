"""The Hugging Face hub: fetch a ViTMSN once, find it on this machine, ask whether it can be had. Sends nothing by itself.

`HF_HUB_OFFLINE=1`, the hub client's own setting, keeps every request on this machine; `HF_ENDPOINT` names another hub.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from torch import Tensor

from core.arrays import Progress, ignore
from core.encoders.public import read_checkpoint
from core.encoders.vit import Architecture, read_tensors
from core.errors import EncoderError, UnavailableError

if TYPE_CHECKING:
    from huggingface_hub.utils import tqdm

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in the order of preference
SHA256 = re.compile(r"[0-9a-f]{64}")  # what the hub names large files by
ANSWER_SECONDS = 4.0  # until the hub counts as unreachable
MOST_REPEATED = 1.5  # times the size of a file that a download may bring before it counts as failing for good
DETAIL = 120  # characters of an error of the client that are shown


class HubConfig(TypedDict, total=False):
    """What we read of a repository's config.json."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int


@dataclass(frozen=True)
class Fetched:
    """A repository's weights and config.json, as files on this machine."""

    weights: Path
    config: Path


def on_this_machine(repository: str) -> Fetched | None:
    """Return a repository's files if they were fetched before, None if any is missing."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repository, CONFIG)
    for name in WEIGHTS:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str) and isinstance(config, str):
            return Fetched(Path(found), Path(config))
    return None


def ask_hub(repository: str) -> int:
    """Ask the hub for a repository's weights, and return their size in bytes; waits a few seconds at most.

    Raises:
        UnavailableError: if there is no answer, or it is no.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise UnavailableError("HF_HUB_OFFLINE is set, so the hub is not asked.")
    quiet_hub()
    for name in WEIGHTS:
        try:
            size = _size_on_hub(repository, name)
        except EntryNotFoundError:
            continue
        except Exception as error:  # of the client or of its HTTP library, which differs between its versions
            raise UnavailableError(f"The hub cannot be reached from this machine ({_first_line(error)}).") from None
        if size is not None:
            return size
    raise UnavailableError(f"The hub has no weights of {repository}.")


def fetch_hub(repository: str, *, on_progress: Progress = ignore) -> tuple[dict[str, Tensor], HubConfig]:
    """Return a repository's ViTMSN weights and config.json; fetch them if they are not on this machine.

    A download is written aside and moved when it is whole. Nothing is asked of the hub if the files are here.

    Args:
        on_progress: called with (bytes, bytes in all) of the weights while they are downloaded.
    Raises:
        EncoderError: if the repository is unreachable, gated, missing, damaged, or not a ViTMSN.
    """
    here = on_this_machine(repository) or _download(repository, on_progress)
    _check_content(repository, here.weights)
    try:
        config: HubConfig = json.loads(here.config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise EncoderError(f"The {CONFIG} of {repository} is damaged; delete {here.config} and fetch it again.") from None
    if not isinstance(config, dict) or config.get("model_type") != "vit_msn":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise EncoderError(f"{repository} is a '{kind}', not a ViTMSN; for other models use timm:NAME.")
    is_safe = here.weights.suffix == ".safetensors"
    return read_tensors(here.weights)[1] if is_safe else read_checkpoint(here.weights), config


def described(repository: str, config: HubConfig, found: Architecture) -> Architecture:
    """Complete the architecture inferred from a repository's tensors by its config.json.

    Raises:
        EncoderError: if the two contradict each other.
    """
    pairs = {
        "hidden_size": found.dim,
        "num_hidden_layers": found.depth,
        "image_size": found.input_size,
        "patch_size": found.patch_size,
    }
    for key, of_tensors in pairs.items():
        if config.get(key, of_tensors) != of_tensors:
            raise EncoderError(
                f"The {CONFIG} of {repository} states a {key} of {config.get(key)}, but its weights have {of_tensors}; "
                "use a repository whose files belong together."
            )
    heads = config.get("num_attention_heads", found.heads)
    if not isinstance(heads, int) or heads < 1 or found.dim % heads:
        raise EncoderError(f"The {CONFIG} of {repository} states {heads} attention heads, which do not divide {found.dim}.")
    return replace(found, heads=heads)


def quiet_hub() -> None:
    """Silence the hub client: its log, since the caller reports the result in one sentence, and its statistics.

    Without the latter it tells the hub the versions of torch and other packages, and which program started it.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()
    constants.HF_HUB_DISABLE_TELEMETRY = True


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:DETAIL]


def _download(repository: str, on_progress: Progress) -> Fetched:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    quiet_hub()
    received = _Received(on_progress)
    fetch = partial(hf_hub_download, repository, endpoint=_endpoint(), etag_timeout=ANSWER_SECONDS)
    try:
        _size_on_hub(repository, CONFIG)  # else the client would try an unreachable hub for half a minute
        config = Path(fetch(CONFIG, tqdm_class=_Received(ignore).bar()))
        for name in WEIGHTS:
            try:
                return Fetched(Path(fetch(name, tqdm_class=received.bar())), config)
            except LocalEntryNotFoundError:  # an `EntryNotFoundError`, too, but of a hub that gives no answer
                raise
            except EntryNotFoundError:
                continue
    except GatedRepoError:
        raise EncoderError(f"{repository} is gated; accept its terms on its page and log in with 'hf auth login'.") from None
    except Exception as error:  # of the client or of its HTTP library, which differs between its versions
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of this machine, as of a full disk; `core.store.troubles` has the sentence
        if received.total:
            raise EncoderError(
                f"The download of {repository} was cut off before all of its {received.total:,} bytes had come, and nothing of "
                "it was kept; run the command again."
            ) from None
        if isinstance(error, HfHubHTTPError):
            raise EncoderError(
                f"{repository} could not be downloaded ({_first_line(error)}); check the name and the connection."
            ) from None
        raise EncoderError(
            f"{repository} could not be downloaded and is not in this machine's cache; connect the machine once, "
            "or copy the weights here and give their path."
        ) from None
    raise EncoderError(f"{repository} has neither {' nor '.join(WEIGHTS)}; give a repository of ViTMSN weights.")


def _size_on_hub(repository: str, name: str) -> int | None:
    """Ask the hub once how large a file is; None if it does not say."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(repository, name, endpoint=_endpoint())
    return get_hf_file_metadata(url, timeout=ANSWER_SECONDS, endpoint=_endpoint()).size


class _Received:
    """The bytes of a download, as the hub client counts them on the progress bar it is given."""

    def __init__(self, on_progress: Progress) -> None:
        self.done = self.total = 0
        self._with_repeats = 0
        self._on_progress = on_progress

    def add(self, n: int) -> None:
        """Count n bytes; a negative n takes back what a restart brings again."""
        self.done, self._with_repeats = self.done + n, self._with_repeats + max(n, 0)
        if self.total and self._with_repeats > MOST_REPEATED * self.total:
            raise OSError("The download starts over again and again.")  # the client would do so for ever
        self._on_progress(self.done, self.total)

    def bar(self) -> "type[tqdm]":
        """Return the class of a progress bar that draws nothing."""
        from huggingface_hub.utils import tqdm

        received = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                received.total = int(kwargs.get("total") or 0)
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> None:
                received.add(int(n or 0))

        return Bar


def _check_content(repository: str, file: Path) -> None:
    """Compare a cached file with the hash that the hub gave for it, and delete it if they differ.

    Raises:
        EncoderError: if they differ.
    """
    stored = file.resolve()  # the cache keeps contents by their hash and links to them by name
    if not SHA256.fullmatch(stored.name):
        return  # a small file, or a cache without links
    with stored.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != stored.name:
        stored.unlink()
        file.unlink(missing_ok=True)
        raise EncoderError(f"The weights of {repository} arrived damaged and were deleted; run the command again.")
