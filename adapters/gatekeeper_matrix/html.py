"""Plain text to message content in which nothing that a person typed can ping or format."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from gatekeeper.domain.decisions import Card, Choice, Link
from gatekeeper.domain.identity import Identity

Content = dict[str, Any]

CUT: Final = " […]"
_JOINER: Final = "\u2060"  # seen by no one, and no client takes what it splits for a name
_SIZES: Final = (8000, 4000, 2000, 1000, 400, 150, 60, 20)
_MOST: Final = 20_000  # bytes; an edit holds it twice, an event may have 65,536
_KEPT: Final = "\n\u200c\u200d"  # line ends; the joiners that scripts and emoji need
_PINGS: Final = re.compile(r"@(?=room\b|[^\s@:]+:[^\s:])", re.IGNORECASE)
_MATRIX_LINK: Final = re.compile(r"(matrix)(\.to\b|:(?=[ur]/|roomid/))", re.IGNORECASE)


def marked(text: str) -> str:
    """`text` with control, bidi and other invisible characters shown as marks like ⟨U+202E⟩."""
    if text.isprintable():  # most texts are: their letters need not be looked up one by one
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(f"⟨U+{ord(c):04X}⟩" if _hidden(c) else c for c in text)


def _hidden(letter: str) -> bool:
    return letter not in _KEPT and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def tame(text: str) -> str:
    """Marked, and split so that no client makes a ping or a pill of it."""
    return _MATRIX_LINK.sub(rf"\1{_JOINER}\2", _PINGS.sub(f"@{_JOINER}", marked(text)))


def text_content(
    text: str,
    links: Sequence[Link] = (),
    choices: Sequence[Choice] = (),
    mentions: Sequence[Identity] = (),
) -> Content:
    """A message: the text, then our links, then what the choices mean.

    Only `mentions` are pinged; what does not fit is cut off with a mark.
    """

    def build(size: int) -> Content:
        plain, html = _paragraph(_clip(text, size), mentions)
        return _content(
            [plain, *_links_plain(links), *_legend(choices)],
            [html, *_links_html(links), *map(escape, _legend(choices))],
            mentions,
        )

    return _fitting(build)


def card_content(card: Card) -> Content:
    """A card: title, facts, lines, status, and what its choices mean."""

    def build(size: int) -> Content:
        title, status = _fit(card.title, size), _fit(card.status, size)
        most = size // 4
        facts = [(_fit(label, size), _fit(value, size)) for label, value in card.facts[:most]]
        lines = [_fit(line, size) for line in card.lines[:most]]
        if max(len(card.facts), len(card.lines)) > most:
            lines.append(CUT.strip())
        legend = _legend(card.choices)
        plain = [title, *(f"{a}: {b}" for a, b in facts), *lines, status, *legend]
        html = [
            f"<strong>{_html(title)}</strong>",
            *(f"<strong>{_html(label)}:</strong> {_html(value)}" for label, value in facts),
            *map(_html, lines),
            f"<em>{_html(status)}</em>" if status else "",
            *map(_html, legend),
        ]
        return _content(plain, html, ())

    return _fitting(build)


def edit_of(ref: str, content: Mapping[str, Any]) -> Content:
    """The event that puts `content` in the place of the message `ref`."""
    return {
        **content,
        "body": f"* {content['body']}",
        "m.new_content": dict(content),
        "m.relates_to": {"rel_type": "m.replace", "event_id": ref},
    }


def _fitting(build: Any) -> Content:
    content: Content = {}
    for size in _SIZES:
        content = build(size)
        if len(json.dumps(content, ensure_ascii=False).encode()) <= _MOST:
            break
    return content


def _content(plain: Sequence[str], html: Sequence[str], mentions: Sequence[Identity]) -> Content:
    return {
        "msgtype": "m.text",
        "body": "\n".join(filter(None, plain)),
        "format": "org.matrix.custom.html",
        "formatted_body": "<br>".join(filter(None, html)),
        "m.mentions": {"user_ids": [who.account for who in mentions]} if mentions else {},
    }


def _paragraph(text: str, mentions: Sequence[Identity]) -> tuple[str, str]:
    """Plain and HTML; those mentioned stand where the text names them, else before it."""
    missing = [who.account for who in mentions if who.account not in text]
    if missing:
        text = f"{', '.join(missing)}: {text}"
    plain, html = tame(text), _html(tame(text))
    for who in mentions:
        tamed = tame(who.account)
        plain = plain.replace(tamed, who.account)
        html = html.replace(_html(tamed), _pill(who.account))
    return plain, html


def _pill(account: str) -> str:
    return f'<a href="https://matrix.to/#/{escape(account)}">{escape(account)}</a>'


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _links_plain(links: Sequence[Link]) -> list[str]:
    return [f"{tame(link.label)}: {link.url}" for link in links]


def _links_html(links: Sequence[Link]) -> list[str]:
    return [f'<a href="{escape(link.url)}">{_html(tame(link.label))}</a>' for link in links]


def _legend(choices: Sequence[Choice]) -> list[str]:
    return [f"{choice.symbol} {_fit(choice.label, 200)}" for choice in choices if choice.label]


def _clip(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - len(CUT)] + CUT


def _fit(text: str, size: int) -> str:
    """Tamed and clipped; nobody waits for the taming of what is cut off anyway."""
    return _clip(tame(text[: 2 * size + 2]), size)
