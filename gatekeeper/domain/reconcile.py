"""What does not fit together: who is inside, who should be, and which doors stand open beside ours.

Pure: facts in, findings out. What is to be done about each is said with it; done it is elsewhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import Identity


class Rule(StrEnum):
    """A rule of a place by which people could come past the gate."""

    INVITE = "invite"  # who may invite
    JOIN = "join"  # who may come in uninvited
    GUESTS = "guests"  # whether people without an account may
    HISTORY = "history"  # whether anybody may read without being in
    DIRECTORY = "directory"  # whether it is listed for everybody


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRule:
    """A rule of a place that is not as it should be, as the platform writes it.

    `mendable`: whether our own power there suffices to set it back.
    """

    place: str
    rule: Rule
    found: str
    wanted: str
    mendable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody whose power in a place is enough to let people in."""

    identity: Identity
    place: str
    power: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Somebody inside; `place` is "" for the club itself, else the one room that they are in
    without being in the club."""

    identity: Identity
    name: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One platform and our record of it, at one moment.

    Attributes:
        inside: everyone there, programs left out.
        members: whoever is a member by the record, with the membership's id and their name.
        known: not members by this account, but no strangers: members by another account, or people
            whom we have invited.
        passing: ids of memberships that just begin or end, or of whoever is inside by another
            account: that they are not here says nothing.
        admins: who holds the right now. named: whom the policy names as admin by account.
        whole: everybody inside could be seen; else nobody is said to be outside.
    """

    platform: str
    inside: tuple[Present, ...] = ()
    members: Mapping[Identity, tuple[int, str]] = field(default_factory=dict)
    known: frozenset[Identity] = frozenset()
    passing: frozenset[int] = frozenset()
    rules: tuple[PlaceRule, ...] = ()
    holders: tuple[Holder, ...] = ()
    admins: frozenset[Identity] = frozenset()
    named: frozenset[Identity] = frozenset()
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that does not fit; `key` is the same for the same thing at another time."""

    code: str
    platform: str
    subject: str
    values: Mapping[str, Value]

    @property
    def key(self) -> str:
        """What it is, where, about whom, and how it was found."""
        place, found = self.values.get("place", ""), self.values.get("found", "")
        return f"{self.code}|{self.platform}|{self.subject}|{place}|{found}"


UNKNOWN: Final = frozenset({"inside-unknown", "room-unknown"})  # an admin decides by name
OUTSIDE: Final = "member-outside"


def is_safe(code: str, values: Mapping[str, Value]) -> bool:
    """Whether it may be put right without a word on this very one: nobody is let in or put out."""
    return code == OUTSIDE or (code.startswith("rule-") and bool(values.get("mendable")))


def findings(facts: Facts) -> tuple[Found, ...]:
    """All that does not fit, doors first, then people, each in a stable order."""
    found = (*_doors(facts), *_strangers(facts), *_gone(facts), *_roles(facts))
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.code.split("-")[0]), one.key)))


_ORDER: Final = ("rule", "inside", "room", "member", "role", "admin")


def _doors(facts: Facts) -> Iterator[Found]:
    for rule in facts.rules:
        values: dict[str, Value] = {
            "place": rule.place,
            "found": rule.found,
            "wanted": rule.wanted,
            "mendable": rule.mendable,
        }
        yield Found(
            code=f"rule-{rule.rule.value}",
            platform=facts.platform,
            subject=rule.place,
            values=values,
        )


def _strangers(facts: Facts) -> Iterator[Found]:
    """People unknown to us are named, and let be until an admin decides."""
    for one in facts.inside:
        who = one.identity
        if who in facts.members or who in facts.known or who in facts.admins:
            continue
        values: dict[str, Value] = {"name": one.name, "account": who.account}
        code = "room-unknown" if one.place else "inside-unknown"
        if one.place:
            values["place"] = one.place
        yield Found(code=code, platform=facts.platform, subject=who.account, values=values)


def _gone(facts: Facts) -> Iterator[Found]:
    if not facts.whole:
        return
    inside = {one.identity for one in facts.inside}
    for who, (number, name) in facts.members.items():
        if who in inside or number in facts.passing:
            continue
        values: dict[str, Value] = {"name": name, "account": who.account, "number": number}
        yield Found(code=OUTSIDE, platform=facts.platform, subject=who.account, values=values)


def _roles(facts: Facts) -> Iterator[Found]:
    for holder in facts.holders:
        who = holder.identity
        if who not in facts.admins and who not in facts.named:
            values: dict[str, Value] = {
                "account": who.account,
                "place": holder.place,
                "found": holder.power,
            }
            yield Found(
                code="role-unexpected",
                platform=facts.platform,
                subject=who.account,
                values=values,
            )
    for who in sorted(facts.named - facts.admins):
        yield Found(
            code="admin-missing",
            platform=facts.platform,
            subject=who.account,
            values={"account": who.account},
        )
