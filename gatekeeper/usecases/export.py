"""Everything that we hold on a person, handed out."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from gatekeeper.domain.activity import Activity, Tie
from gatekeeper.domain.applications import Application, Question, Vote, Vouch
from gatekeeper.domain.clubs import Draft
from gatekeeper.domain.decisions import (
    Order,
    Tell,
)
from gatekeeper.domain.errors import NotFound
from gatekeeper.domain.identity import Account, Address, Identity, Person
from gatekeeper.domain.memberships import (
    Dispute,
    Exemption,
    Leave,
    Membership,
    SweepItem,
)
from gatekeeper.ports import Tx
from gatekeeper.usecases import newcomer_card, outside_card
from gatekeeper.usecases.parts import Parts


async def export(parts: Parts, identity: Identity) -> dict[str, Any]:
    """Everything we hold on the person behind an identity, as plain JSON values. NotFound."""
    async with parts.store.look(parts.club) as tx:
        person = await person_of(tx, identity)
        apps = await tx.find(Application, person_id=person.id)
        accounts = await tx.find(Account, person_id=person.id)
        kept: dict[str, Any] = {"person": person, "accounts": accounts, "applications": apps}
        for name, kind in (
            ("memberships", Membership),
            ("leaves", Leave),
            ("exemptions", Exemption),
            ("disputes", Dispute),
            ("activity", Activity),
            ("ties", Tie),
            ("votes", Vote),
            ("vouches", Vouch),
            ("addresses", Address),
        ):
            kept[name] = await tx.find(kind, person_id=person.id)
        names = tuple(account.identity for account in accounts)
        kept["drafts"] = await tx.find(Draft, who__in=names) if names else []
        ids = tuple(app.id for app in apps)
        kept["questions"] = await tx.find(Question, application_id__in=ids) if ids else []
        numbers = tuple(member.id for member in kept["memberships"])
        kept["sweeps"] = await tx.find(SweepItem, membership_id__in=numbers) if numbers else []
        subjects = subjects_of(person, accounts, apps, kept["memberships"])
        kept["record"] = [
            {"entry": entry, "seen": await tx.seen_by(entry)}
            for subject in subjects
            for entry in await tx.entries(subject=subject, limit=100_000)
        ]
        kept["told"] = [
            {"at": one.created_at, "text": one.action.text}
            for one in await tx.find(Order, subject__in=subjects)
            if isinstance(one.action, Tell)
        ]
    plain: dict[str, Any] = _plain(kept)
    return plain


def _plain(value: Any) -> Any:
    """Dataclasses, times and names as JSON has them; what is a secret's digest is left out."""
    if isinstance(value, Identity):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value):
        left_out = {"club", "browser"}
        return {
            each.name: _plain(getattr(value, each.name))
            for each in fields(value)
            if each.name not in left_out
        }
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


async def person_of(tx: Tx, identity: Identity) -> Person:
    account = await tx.first(Account, identity=identity)
    if account is None:
        raise NotFound(kind="Account", id=str(identity))
    return await tx.get(Person, account.person_id)


def subjects_of(
    person: Person, accounts: list[Account], apps: list[Application], members: list[Membership]
) -> tuple[str, ...]:
    return (
        f"person:{person.id}",
        *(f"application:{app.id}" for app in apps),
        *(f"{outside_card.SUBJECT}{app.id}" for app in apps),
        *(f"membership:{member.id}" for member in members),
        *(f"{newcomer_card.PREFIX}{account.id}" for account in accounts),
    )
