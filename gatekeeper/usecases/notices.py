"""What a member is told about their silence: the notice, the news that all is well, the goodbye."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Choice, Lane, Link, Order, Tell
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import EMAIL, Identity, Person
from gatekeeper.domain.memberships import Membership
from gatekeeper.policy.club_document import SlackRemoval
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import passes
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, order, tell

HERE, WRONG = "✋", "🚩"
DISPUTE = "wrong"  # act of the link under which they say so
WRONG_VALID = timedelta(days=90)
LINK_VALID = timedelta(days=365)  # it ends earlier with its use, or with the membership


async def language_of(tx: Tx, parts: Parts, person_id: int) -> str:
    """The language in which a person last applied, else the club's."""
    person = await tx.first(Person, id=person_id)
    return (person.language if person else "") or parts.policy.club.spec.language


def say_evidence(parts: Parts, evidence: Mapping[str, Value], language: str = "") -> str:
    """When and where the last sign was, and how much of the time since we could see."""
    values: dict[str, Value] = {
        "at": evidence.get("last_seen", ""),
        "since": evidence.get("known_since", ""),
        "place": evidence.get("last_place", ""),
        "kind": parts.say(f"kind.{evidence.get('last_kind') or 'none'}", {}, language),
        "silent": evidence.get("silent", 0),
        "percent": int(float(evidence.get("seen_share", 1.0)) * 100),
    }
    if not evidence.get("last_seen"):
        return parts.say("evidence.never", values, language)
    code = "evidence.seen" if evidence.get("last_place") else "evidence.seen-somewhere"
    return parts.say(code, values, language)


def notice_text(
    parts: Parts,
    code: str,
    values: Mapping[str, Value],
    evidence: Mapping[str, Value],
    until: datetime,
    language: str,
    why: str = "",
    letter: bool = False,
) -> str:
    """The whole notice: the question, what it rests on, how to stay, to
    announce a leave, to object.

    `why` is what the rule saw, in words, "" where nothing is told of it. In a letter nothing can be
    pressed, and nobody reads what is answered to it.
    """
    ways = (
        [parts.say("mail.notice", {"until": iso(until), "club": parts.policy.title}, language)]
        if letter
        else [
            parts.say("notice.stay", {"until": iso(until), "symbol": HERE}, language),
            parts.say("notice.leave", {}, language),
            parts.say("notice.wrong", {"symbol": WRONG}, language),
        ]
    )
    return "\n\n".join(
        [
            parts.say(code, values, language),
            " ".join(filter(None, (say_evidence(parts, evidence, language), why))),
            *ways,
            *account_ends(parts, "notice.account-ends", language),
        ]
    )


def account_ends(parts: Parts, code: str, language: str) -> list[str]:
    """Where the policy has the account itself end with a removal, that is said before and after."""
    slack = parts.policy.club.spec.platforms.slack
    if slack is None or slack.removal is not SlackRemoval.ACCOUNT:
        return []
    return [parts.say(code, {}, language)]


async def order_notice(
    tx: Tx,
    parts: Parts,
    member: Membership,
    text: str,
    sweep_id: int,
    language: str,
    now: datetime,
    *,
    who: Identity | None = None,
) -> Order:
    """Order the notice to the member's direct chat, with a choice and a link to answer.

    `who`: another account of theirs, where the one they came in by could not be reached.
    """
    who, key = who or member.identity, f"{subject_of(member)}/notice/{sweep_id}"
    if who != member.identity:  # no name of an account in a key: keys outlive an erasure
        key = f"{key}/{len(await tried(tx, member))}"
    return await order_answerable(
        tx,
        parts,
        member,
        text,
        key=key,
        purpose="notice",
        language=language,
        now=now,
        who=who,
    )


async def order_answerable(
    tx: Tx,
    parts: Parts,
    member: Membership,
    text: str,
    *,
    key: str,
    purpose: str,
    language: str,
    now: datetime,
    who: Identity | None = None,
) -> Order:
    """Order words to the direct chat, with a choice and a link to say that they are there, and
    others to say that it is wrong."""
    who = who or member.identity
    url = await passes.issue(
        tx,
        parts,
        act="here",
        identity=who,
        subject=subject_of(member),
        now=now,
        valid=LINK_VALID,
    )
    wrong = await wrong_link(tx, parts, member, who, language, now)
    label = parts.say("notice.here", {}, language)
    return await order(
        tx,
        Tell(
            who=who,
            text=text,
            links=(Link(label, url), wrong),
            choices=(
                ()  # in a letter there are links alone
                if who.platform == EMAIL
                else (Choice("here", HERE, label), Choice("wrong", WRONG, wrong.label))
            ),
            subject=parts.say("mail.notice-subject", {"club": parts.policy.title}, language),
        ),
        platform=who.platform,
        key=key,
        purpose=purpose,
        subject=subject_of(member),
        lane=Lane.NOTICE,
        now=now,
    )


async def wrong_link(
    tx: Tx, parts: Parts, member: Membership, who: Identity, language: str, now: datetime
) -> Link:
    """The link under which `who` says that it is wrong to ask them, or was to let them go."""
    url = await passes.issue(
        tx,
        parts,
        act=DISPUTE,
        identity=who,
        subject=subject_of(member),
        now=now,
        valid=WRONG_VALID,
    )
    return Link(parts.say("notice.this-is-wrong", {}, language), url)


def guest_text(
    parts: Parts,
    reason: str,
    evidence: Mapping[str, Value],
    until: datetime,
    why: str,
    language: str,
) -> str:
    """What a guest is told: the reason, what it rests on, until when, how to come back at once."""
    return "\n\n".join(
        [
            reason,
            " ".join(filter(None, (say_evidence(parts, evidence, language), why))),
            parts.say("guest.stay", {"until": iso(until), "symbol": HERE}, language),
            parts.say("notice.leave", {}, language),
            parts.say("notice.wrong", {"symbol": WRONG}, language),
        ]
    )


def sweep_of(placed: Order) -> int:
    """The Sweep that asked for a notice."""
    return int(placed.key.split("/")[2])


def was_letter(member: Membership) -> bool:
    """Whether the notice that counts was a letter: its ref is a Message-ID then."""
    return member.notice_ref.startswith("<")


async def tried(tx: Tx, member: Membership) -> list[Identity]:
    """The accounts on which the newest notice was tried, in this order."""
    placed = await tx.find(Order, subject=subject_of(member), purpose="notice", order="id")
    return [
        one.action.who
        for one in placed
        if isinstance(one.action, Tell) and sweep_of(one) == sweep_of(placed[-1])
    ]


def goodbye_text(
    parts: Parts, reason: str, evidence: Mapping[str, Value], why: str, language: str
) -> str:
    """The whole goodbye: the reason, what it rests on, the way back, how to object.

    `why` is what the rule saw, in words, "" where nothing is told of it.
    """
    valid = parts.policy.club.spec.comeback.valid_for
    return "\n\n".join(
        [
            reason,
            " ".join(filter(None, (say_evidence(parts, evidence, language), why))),
            parts.say("goodbye.comeback", {"valid": valid.total_seconds()}, language),
            *account_ends(parts, "goodbye.account-ends", language),
            parts.say("goodbye.object", {}, language),
        ]
    )


async def order_goodbye(
    tx: Tx,
    parts: Parts,
    member: Membership,
    text: str,
    url: str,
    number: str,
    language: str,
    now: datetime,
) -> Order:
    """Order the goodbye to the account that they came in by, with the link back."""
    return await tell(
        tx,
        parts,
        member.identity,
        text,
        key=f"{subject_of(member)}/goodbye/{number}",
        purpose="goodbye",
        subject=subject_of(member),
        now=now,
        lane=Lane.REMOVAL,
        links=(
            Link(parts.say("goodbye.link", {}, language), url),
            await wrong_link(tx, parts, member, member.identity, language, now),
        ),
    )


async def tell_member(
    tx: Tx, parts: Parts, member: Membership, code: str, key: str, now: datetime
) -> Order:
    """Order one sentence to a member."""
    language = await language_of(tx, parts, member.person_id)
    return await tell(
        tx,
        parts,
        member.identity,
        parts.say(code, {}, language),
        key=key,
        purpose="told",
        subject=subject_of(member),
        now=now,
    )
