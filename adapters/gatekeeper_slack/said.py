"""What a person wrote, out of the form in which Slack tells it; pure."""

import re
from typing import Final

TEXT: Final = 10_000  # letters kept of what someone writes to us
MENTIONS: Final = 20  # of one message; whoever names more speaks to nobody

_MENTION: Final = re.compile(r"<@([UW][A-Z0-9]{2,30})(?:\|[^<>]*)?>")
_MARK: Final = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_SCHEME: Final = re.compile(r"^(?:https?://|mailto:|tel:)")


def plain(text: str) -> str:
    """What was typed: Slack's marks for links, people and channels as words, `&lt;` as `<`.

    A person stays `<@U…>`, since a name is no proof of who is meant.
    """
    clipped = text[: 4 * TEXT]  # an escaped letter takes five at most; marks are cut later
    words = _MARK.sub(_words, clipped)
    words = words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    # What no database takes: NUL, and halves of letters.
    return words.replace("\0", "").encode("utf-8", "replace").decode()[:TEXT].strip()


def _words(mark: re.Match[str]) -> str:
    kind, inner, label = mark.group(1), mark.group(2), mark.group(3)
    if kind == "@":
        return f"<@{inner}>"
    if kind == "#":
        return f"#{label or inner}"
    if kind == "!":
        return label or f"@{inner.partition('^')[0]}"
    bare = _SCHEME.sub("", inner)
    target = inner if inner.startswith("http") else bare
    return target if not label or label in (inner, bare) else f"{label} ({target})"


def mentioned(text: str) -> list[str]:
    """Who is named in a message, each once, in order; no more than some."""
    return list(dict.fromkeys(_MENTION.findall(text)))[:MENTIONS]


def addressed(text: str, bot: str) -> str:
    """A message that begins with our name is a word to us: said as `!gatekeeper …`."""
    found = _MENTION.match(text.lstrip())
    if not bot or found is None or found.group(1) != bot:
        return plain(text)
    rest = text.lstrip()[found.end() :].lstrip(" \t,:")
    return f"!gatekeeper {plain(rest)}".strip()
