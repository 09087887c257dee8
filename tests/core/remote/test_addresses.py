"""Which addresses are taken, and that no secret of one is kept or shown."""

import pytest

from core.errors import InputError
from core.remote.addresses import checked_address, is_remote, shown_address


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("s3://pictures/a b/ü?".rstrip("?"), "s3://pictures/a b/ü"),
        ("GS://pictures/", "gs://pictures"),
        ("az://container/folder//", "az://container/folder"),
        ("https://example.org/all pictures.zip", "https://example.org/all%20pictures.zip"),
        ("https://example.org:8443/a%20b.zip", "https://example.org:8443/a%20b.zip"),
        ("http://127.0.0.1:9000/a.zip", "http://127.0.0.1:9000/a.zip"),
        ("http://[::1]/a.zip", "http://[::1]/a.zip"),
    ],
)
def test_an_address_is_kept_in_one_form(asked, kept):
    assert is_remote(asked)
    assert checked_address(asked) == kept


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("ftp://example.org/a.zip", "ftp:// is not a kind of source"),
        ("file:///etc/passwd", "file:// is not a kind of source"),
        ("memory://x", "memory:// is not a kind of source"),
        ("https://ann:secret@example.org/a.zip", "has a user or a password in it"),
        ("s3://key:secret@pictures/a", "has a user or a password in it"),
        ("https://example.org/a.zip?X-Amz-Signature=secret", "has a query (after ?)"),
        ("az://pictures/a?sig=secret", "has a query (after ?)"),
        ("https://example.org/a.zip#secret", "a fragment (after #)"),
        ("http://example.org/a.zip", "would be fetched without encryption"),
        ("http://169.254.169.254/latest", "would be fetched without encryption"),
        ("s3://", "names no bucket"),
        ("https:///a.zip", "names no web server"),
        ("https://example.org:port/a.zip", "names no web server"),
    ],
)
def test_other_addresses_are_refused_and_their_secrets_not_repeated(asked, why):
    with pytest.raises(InputError) as refused:
        checked_address(asked)
    assert why in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_is_shown_of_an_address_has_no_secret():
    assert shown_address("https://ann:secret@example.org/a.zip?token=secret#secret") == "https://example.org/a.zip"


@pytest.mark.parametrize("path", ["/pictures/a.png", "a.png", r"C:\pictures", "./s3:/x", "1a://x"])
def test_the_path_of_a_file_is_no_address(path):
    assert not is_remote(path)
