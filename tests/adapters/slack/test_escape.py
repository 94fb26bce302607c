"""Nothing that a person typed can ping, link or format."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper_slack.escape import (
    address,
    clip,
    cut_escaped,
    escape,
    fit,
    fit_escaped,
    linked,
    tame,
    units,
)
from gatekeeper_slack.said import plain

HOSTILE = st.text(
    st.one_of(st.sampled_from(list("<>&|@!#*_~`:/\n\r\0\u202e\u200b\ud800𝕏👩‍👧")), st.characters()),
    max_size=300,
)
PINGS = ["<!channel>", "<!here|x>", "<@U0ADA>", "<#C0CLUB>", "<!subteam^S1>", "<https://x.y|safe>"]
_ENTITY = re.compile(r"&(?!(amp|lt|gt);)")


@given(HOSTILE)
def test_what_is_escaped_has_no_mark_of_slack_left(text):
    found = escape(text)
    assert "<" not in found
    assert ">" not in found
    assert not _ENTITY.search(found)
    assert not re.search(r"@(here|channel|everyone)\b", found, re.IGNORECASE)
    assert not re.search("[\0\u202e\u200b\ud800-\udfff]", found)
    found.encode()


@given(HOSTILE)
def test_it_reads_back_as_it_was_shown(text):
    assert plain(escape(text)) == tame(text).strip()


@pytest.mark.parametrize("ping", PINGS)
def test_no_ping_of_slacks_survives(ping):
    assert escape(ping).startswith("&lt;")


@pytest.mark.parametrize("word", ["@here", "@Channel", "@EVERYONE", "x@here!"])
def test_a_call_to_everyone_is_split(word):
    assert "@\u2060" in tame(word)


def test_an_account_stays_as_it_is_typed():
    assert tame("@ada:example.org ada@heretic.org") == "@ada:example.org ada@heretic.org"


@given(HOSTILE, st.integers(10, 120))
def test_what_is_clipped_fits(text, most):
    assert units(clip(text, most)) <= most
    assert units(fit(text, most)) <= most
    cut = fit_escaped(text, most)
    assert units(cut) <= most
    assert not _ENTITY.search(cut)


def test_no_entity_is_cut_in_two():
    assert cut_escaped("aaaaaaaa&amp;bbbbbbbb", 16) == "aaaaaaaa […]"


@given(HOSTILE)
def test_no_address_ends_its_mark(text):
    found = linked(f"https://example.org/{text}", text)
    assert found.count("<") == found.count(">") == found.count("|") == 1
    assert address(text) == "" or text.startswith("http")


def test_no_other_scheme_is_a_link():
    assert address("javascript:alert(1)") == ""
