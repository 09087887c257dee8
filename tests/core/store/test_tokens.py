"""Tokens are shown once, kept as hashes that their owner alone can read, and worth nothing once removed."""

import json
import stat
import threading

import pytest

from core.errors import DamageError, InputError
from core.store.tokens import FILE, Tokens


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path)


def test_a_token_opens_under_its_name_until_it_is_removed(tokens):
    console, scanner = tokens.add("  console "), tokens.add("scanner")
    assert [token.name for token in tokens.all()] == ["console", "scanner"]
    assert (tokens.name_of(console), tokens.name_of(scanner)) == ("console", "scanner")
    tokens.remove("console")
    assert (tokens.name_of(console), tokens.name_of(scanner)) == (None, "scanner")


def test_the_file_has_no_token_and_its_owner_alone_can_read_it(tokens, tmp_path):
    secret = tokens.add("console")
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret not in file.read_text()
    assert secret.removeprefix("lasso_") not in file.read_text()


@pytest.mark.parametrize("secret", ["", "lasso_", "x", "é", "\udc80"])
def test_a_wrong_token_opens_nothing(tokens, secret):
    tokens.add("console")
    assert tokens.name_of(secret) is None
    assert tokens.name_of(tokens.all()[0].digest) is None


@pytest.mark.parametrize(
    ("name", "said"), [("", "1 to 64"), ("a" * 65, "1 to 64"), ("a\u202eb", "printable"), ("known", "already")]
)
def test_a_name_that_cannot_be_told_apart_is_refused(tokens, name, said):
    tokens.add("known")
    with pytest.raises(InputError, match=said):
        tokens.add(name)
    assert len(tokens.all()) == 1


def test_removing_one_that_is_not_there_says_which_there_are(tokens):
    tokens.add("console")
    with pytest.raises(InputError, match="There is no token 'x'; there are 'console'"):
        tokens.remove("x")


def test_a_damaged_file_opens_nothing_and_is_not_written_over(tokens, tmp_path):
    secret = tokens.add("console")
    (tmp_path / FILE).write_text("[{")
    assert tokens.name_of(secret) is None
    with pytest.raises(DamageError, match="make the tokens anew"):
        tokens.add("other")
    assert (tmp_path / FILE).read_text() == "[{"


def test_tokens_that_are_made_at_once_are_all_kept(tokens, tmp_path):
    threads = [threading.Thread(target=Tokens(tmp_path).add, args=(f"t{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token.name for token in tokens.all()) == [f"t{i}" for i in range(8)]
    assert len(json.loads((tmp_path / FILE).read_text())) == 8
