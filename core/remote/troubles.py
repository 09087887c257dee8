"""What goes wrong with remote files, in one sentence each. Libraries' own words are left out: they may hold signatures."""

import re
from collections.abc import Iterator
from enum import StrEnum

from core.errors import UnavailableError
from core.remote.addresses import STORES, scheme_of, shown_address

GO_ON = "run the same command again, which goes on from there"


class Trouble(StrEnum):
    """Why a remote file cannot be read."""

    GONE = "gone"  # it is not there
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    CERTIFICATE = "certificate"
    EXTRA = "extra missing"
    OTHER = "other"


PASSING = (Trouble.UNREACHABLE, Trouble.SLOW, Trouble.OTHER)  # may be over at the next try
CREDENTIALS = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or FSSPEC_GS_TOKEN=anon for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_ANON=true for a public container",
}
CERTIFICATES = {"s3": "AWS_CA_BUNDLE", "gs": "SSL_CERT_FILE", "az": "REQUESTS_CA_BUNDLE"}
# By the names of exceptions: those of the stores' libraries can only be imported where these are installed.
_NAMES = (
    (Trouble.CERTIFICATE, re.compile("Certificate|CertVerification")),
    (Trouble.FORBIDDEN, re.compile("Permission|Credential|TokenRetrieval|RefreshError|Authentication")),
    (Trouble.GONE, re.compile("FileNotFound|ResourceNotFound|NoSuch")),
    (Trouble.SLOW, re.compile("Timeout")),
    (Trouble.UNREACHABLE, re.compile("Connect|gaierror|SSLError|Disconnect|ServiceRe|Incomplete|Payload")),
)
_STATUS = {401: Trouble.FORBIDDEN, 403: Trouble.FORBIDDEN, 404: Trouble.GONE, 410: Trouble.GONE, 408: Trouble.SLOW}


class RemoteError(UnavailableError):
    """A remote file cannot be read."""

    def __init__(self, sentence: str, trouble: Trouble) -> None:
        super().__init__(sentence)
        self.trouble = trouble

    def __reduce__(self) -> tuple[type, tuple[str, Trouble]]:
        """Pass between processes."""
        return type(self), (str(self), self.trouble)


def trouble_of(error: BaseException) -> Trouble:
    """Return what went wrong, by an exception or what caused it."""
    for cause in _causes(error):
        if isinstance(cause, RemoteError):
            return cause.trouble
        status = getattr(cause, "code", None) or getattr(cause, "status_code", None) or getattr(cause, "status", None)
        if isinstance(status, int) and status in _STATUS:
            return _STATUS[status]
    if any(isinstance(cause, OSError) and str(cause).startswith("Forbidden") for cause in _causes(error)):  # gcsfs
        return Trouble.FORBIDDEN
    names = [part.__name__ for cause in _causes(error) for part in type(cause).__mro__]
    return next((trouble for trouble, pattern in _NAMES if any(map(pattern.search, names))), Trouble.OTHER)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        reason = getattr(cause, "reason", None)  # of a URLError
        waiting += [cause.__cause__, cause.__context__, reason if isinstance(reason, BaseException) else None]


def told(error: BaseException, address: str) -> RemoteError:
    """Return the error to raise for one of a library or of the system."""
    if isinstance(error, RemoteError):
        return error
    trouble = trouble_of(error)
    return RemoteError(sentence_of(trouble, address, type(error).__name__), trouble)


def sentence_of(trouble: Trouble, address: str, name: str = "") -> str:
    """State what is wrong with an address, and what to do.

    Args:
        name: of the exception, for a trouble that has no words of its own.
    """
    scheme, shown = scheme_of(address), shown_address(address)
    place = "bucket" if scheme in STORES else "web server"
    if trouble == Trouble.GONE:
        if scheme not in STORES:
            return f"There is nothing at {shown} (404); check the address."
        return f"There is nothing at {shown}: no such bucket, or nothing below this path; check both."
    if trouble == Trouble.FORBIDDEN and scheme in STORES:
        given = f"the credentials in the environment ({CREDENTIALS[scheme]}), and what they may read"
        return f"{shown} may not be read (no credentials, or not enough rights); check {given}."
    if trouble == Trouble.FORBIDDEN:
        return f"{shown} may not be read without a login (403); download it and ingest the files."
    if trouble == Trouble.UNREACHABLE:
        return f"The {place} of {shown} cannot be reached, or broke off; check the address and the network, and {GO_ON}."
    if trouble == Trouble.SLOW:
        return f"The {place} of {shown} did not answer in time; check the network, and {GO_ON}."
    if trouble == Trouble.CERTIFICATE:
        named = f"if it is of an authority of your own, {CERTIFICATES.get(scheme, 'SSL_CERT_FILE')} names its file"
        return f"The certificate of {shown} cannot be verified; {named}."
    return f"{shown} cannot be read ({name or 'unknown error'}); {GO_ON}."
