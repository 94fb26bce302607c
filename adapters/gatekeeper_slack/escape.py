"""Words for Slack in which nothing that a person typed can ping, link or format; pure.

What people read stands in `plain_text` objects and in rich text, whose letters Slack takes as they
are. Only a message's fallback text is read as markup: there everything is escaped.
Source: docs.slack.dev/messaging/formatting-message-text
"""

import re
import unicodedata
from typing import Final

CUT: Final = " […]"
_JOINER: Final = "\u2060"  # seen by no one, and no client takes what it splits for a name
_KEPT: Final = "\n\u200c\u200d"  # line ends; the joiners that scripts and emoji need
_ALL: Final = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNSAFE: Final = {ord(c): f"%{ord(c):02X}" for c in "<>|\"' \n\r\t`"}


def marked(text: str) -> str:
    """`text` with control, bidi and other invisible characters shown as marks like ⟨U+202E⟩."""
    if text.isprintable():  # most texts are: their letters need not be looked up one by one
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(f"⟨U+{ord(c):04X}⟩" if _hidden(c) else c for c in text)


def _hidden(letter: str) -> bool:
    return letter not in _KEPT and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def tame(text: str) -> str:
    """Marked, and split so that no client makes a call to everyone of it."""
    return _ALL.sub(f"@{_JOINER}", marked(text))


def escape(text: str) -> str:
    """Tamed, for where Slack reads markup: it can neither ping nor link."""
    return tame(text).translate(_ENTITIES)


def units(text: str) -> int:
    """How long a text is for Slack at the most: an emoji may count twice."""
    return len(text) + sum(c > "\uffff" for c in text)


def clip(text: str, most: int) -> str:
    """`text`, cut with a mark where it is longer than `most` units."""
    if 2 * len(text) <= most or units(text) <= most:
        return text
    kept, room = text[: max(most - len(CUT), 0)], max(most - len(CUT), 0)
    while units(kept) > room:
        kept = kept[: len(kept) - max((units(kept) - room) // 2, 1)]
    return f"{kept}{CUT}"


def fit(text: str, most: int) -> str:
    """Tamed and clipped; nobody waits for the taming of what is cut off anyway."""
    return clip(tame(text[: 2 * most + 2]), most)


def fit_escaped(text: str, most: int) -> str:
    """Escaped and clipped, no mark of markup cut in two."""
    return cut_escaped(escape(text[: 2 * most + 2]), most)


def cut_escaped(text: str, most: int) -> str:
    """What is escaped already, clipped."""
    if units(text) <= most:
        return text
    kept = clip(text, most).removesuffix(CUT)
    return re.sub(r"&[a-z]{0,3}$", "", kept) + CUT


def address(url: str) -> str:
    """An address for a link in rich text; "" where it is none of the web."""
    if not url.startswith(("https://", "http://")):
        return ""
    return marked(url.translate(_UNSAFE))


def linked(url: str, label: str) -> str:
    """A link of ours where Slack reads markup; none of its letters ends the mark."""
    return f"<{address(url).translate(_ENTITIES)}|{escape(label).replace('|', '/')}>"
