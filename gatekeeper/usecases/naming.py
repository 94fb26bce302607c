"""How records, orders and sentences name things."""

from gatekeeper.domain.applications import Application
from gatekeeper.domain.identity import Account, Identity, Person
from gatekeeper.domain.memberships import Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts


def subject_of(one: Application | Membership) -> str:
    """How records and orders name an application or a membership: `membership:3`."""
    return f"{type(one).__name__.lower()}:{one.id}"


def number_of(subject: str) -> int:
    """The id in a subject: 3 of `application:3`."""
    return int(subject.partition(":")[2])


async def name_of(tx: Tx, who: Identity) -> str:
    """The name an identity goes by, else the account itself."""
    account = await tx.first(Account, identity=who)
    return account.name if account and account.name else who.account


async def called(tx: Tx, subject: str) -> str:
    """The name of whom an application or a membership is, "" for another subject."""
    kind, _, number = subject.partition(":")
    if kind == "application" and number.isdecimal():
        app = await tx.first(Application, id=int(number))
        return app.name if app else ""
    if kind == "membership" and number.isdecimal():
        member = await tx.first(Membership, id=int(number))
        return await name_of(tx, member.identity) if member else ""
    return ""


async def said_by(tx: Tx, actor: str) -> str:
    """An actor as rows keep them, for people to read: `person:3` by the name they go by now, or as
    #3 once they are erased; operator:<name>, policy and the like as they are."""
    kind, _, number = actor.partition(":")
    if kind != "person" or not number.isdigit():
        return actor
    person = await tx.first(Person, id=int(number))
    if person is None or person.erased_at is not None:
        return f"#{number}"
    account = await tx.first(Account, person_id=person.id)
    return account.name if account and account.name else person.name


def read_account(parts: Parts, who: Identity, name: str, language: str = "") -> str:
    """An account as people read it: as they write it themselves, and by its name and platform where
    it is but an id."""
    if "@" in who.account:
        return who.account
    platform = parts.say(f"platform.{who.platform}", {}, language)
    return parts.say("account-named", {"name": name or who.account, "platform": platform}, language)
