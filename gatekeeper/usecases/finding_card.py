"""The card of what does not fit together: each finding with what is proposed about it."""

from datetime import datetime
from typing import Final

from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Card, Choice
from gatekeeper.domain.reconcile import UNKNOWN, is_safe
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.parts import Parts

SUBJECT: Final = "reconcile:club"
FIX: Final = "✅"
LEAVE: Final = "leave"  # the answer that lets it be as it is
SHOWN: Final = 15


def is_open(row: Finding) -> bool:
    """Whether it still does not fit, as far as we know."""
    return row.ended_at is None


def is_fixable(row: Finding) -> bool:
    """Whether ✅ or --apply puts it right: nobody is let in or put out by it."""
    return is_open(row) and not row.answer and is_safe(row.code, row.values)


def said(parts: Parts, row: Finding) -> str:
    """What does not fit, as a sentence."""
    return parts.say(f"found.{row.code}", row.values)


def proposed(parts: Parts, row: Finding) -> str:
    """What is proposed about it, or what is being done."""
    if row.answer and is_open(row):
        return parts.say(f"found.answered.{row.answer}")
    by_hand = row.code.startswith("rule-") and not row.values.get("mendable")
    code = "found.rule.by-hand" if by_hand else f"found.{row.code}.fix"
    return parts.say(code, {**row.values, "number": row.id, "member": row.values.get("number", 0)})


async def refresh(tx: Tx, parts: Parts, now: datetime) -> None:
    """Let the one card show what is open now; with nothing left it says so and has had its day."""
    rows = await tx.find(Finding, ended_at=None)
    standing = await cards.current(tx, SUBJECT)
    if not rows and standing is None:
        return
    await cards.show(tx, parts, SUBJECT, await _draw(tx, parts, rows), now)
    if not rows:
        await cards.end(tx, SUBJECT, now)


async def _draw(tx: Tx, parts: Parts, rows: list[Finding]) -> Card:
    facts = []
    for row in rows[:SHOWN]:
        by = parts.say("found.by", {"by": await said_by(tx, row.by)}) if row.by else ""
        told = " ".join(filter(None, (said(parts, row), proposed(parts, row), by)))
        facts.append((f"#{row.id} {row.subject}", told))
    more = len(rows) - SHOWN
    lines = [parts.say("found.more", {"more": more})] if more > 0 else []
    if any(row.code in UNKNOWN for row in rows):
        lines.append(parts.say("found.by-name"))
    fixable = any(is_fixable(row) for row in rows[:SHOWN])
    return Card(
        title=parts.say("found.title", {"club": parts.policy.title}),
        status=parts.say("found.open" if rows else "found.none", {"count": len(rows)}),
        facts=tuple(facts),
        lines=tuple(lines),
        choices=(Choice("fix", FIX, parts.say("found.fix")),) if fixable else (),
    )
