"""The address of a view: a link shows what it was made from, and nothing in it can do more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.address import LONGEST, Address, address_of, query_of
from dashboard.choices import PageName, Tab, What, When

numbers = st.integers(-10_000, 10_000).map(lambda n: n / 100)
views = st.tuples(numbers, st.integers(1, 9_999), numbers, st.integers(1, 9_999)).map(
    lambda v: tuple(float(f"{part:.6g}") for part in (v[0], v[0] + v[1] / 10, v[2], v[2] + v[3] / 10))
)
addresses = st.builds(
    Address,
    page=st.sampled_from(PageName),
    tab=st.sampled_from(Tab),
    colour=st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()),
    hide=st.sets(st.integers(-1, 63), max_size=8).map(lambda codes: tuple(sorted(codes))),
    zoom=st.none() | views,
    cluster=st.just("") | st.from_regex(r"[A-Z][0-9]{1,6}", fullmatch=True),
    opening=st.none() | st.integers(1, 10_000),
    who=st.text(max_size=20).filter(lambda text: text.isprintable()),
    what=st.sampled_from(What),
    label=st.text(max_size=20).filter(lambda text: text.isprintable()),
    when=st.sampled_from(When),
    image=st.just("") | st.text("0123456789abcdef", min_size=32, max_size=32),
)


@given(addresses)
def test_an_address_comes_back_from_its_query(address):
    assert address_of(query_of(address)) == (address, True)


@given(st.text(max_size=3_000))
def test_no_query_is_an_error(query):
    for text in (query, *(f"{name}={query}" for name in ("page", "zoom", "hide", "image", "cluster", "opening"))):
        address, _ = address_of(text)
        assert isinstance(address, Address)


def test_the_usual_view_has_no_query():
    assert query_of(Address()) == ""
    assert address_of("") == (Address(), True)


@pytest.mark.parametrize(
    "query",
    [
        "page=nowhere", "tab=none", "hide=1,x", "hide=-2", "hide=999", "zoom=1,2,3", "zoom=nan,1,0,1", "zoom=2,1,0,1",
        "zoom=0,inf,0,1", "image=../../etc", f"image={'A' * 32}", f"colour={'x' * 300}", "page=map&" * LONGEST,
        "cluster=no such", "opening=0", "opening=two", "what=all", "when=now", f"who={'x' * 300}",
    ],
)  # fmt: skip
def test_what_is_no_view_is_the_usual_one_and_known_to_be(query):
    assert address_of(query) == (Address(), False)


def test_what_could_be_read_before_stays():
    address, is_whole = address_of("page=history&zoom=what")
    assert (address.page, address.zoom, is_whole) == (PageName.HISTORY, None, False)


def test_names_of_others_are_ignored():
    assert address_of("utm_source=mail&page=history") == (Address(page=PageName.HISTORY), True)
