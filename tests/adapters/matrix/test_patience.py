"""What is held while a place is lost: in order, once, and not without end."""

from datetime import UTC, datetime

from gatekeeper.domain.activity import Kind, Sign
from gatekeeper.domain.events import Knocked
from gatekeeper.domain.identity import Identity
from gatekeeper_matrix.patience import Held

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA, BOB = Identity("matrix", "@ada:gk.test"), Identity("matrix", "@bob:gk.test")


def event(who: Identity, number: int = 1) -> Knocked:
    return Knocked(who=who, at=NOW, event_id=f"${who}{number}", name="", reason="")


def test_only_the_same_person_and_the_same_room_wait() -> None:
    held = Held()
    assert not held.behind("!space", event(ADA), "!space")
    held.hold("!space", event(ADA))
    assert held.behind("!lobby", event(ADA, 2), "!space")
    assert not held.behind("!space", event(BOB), "!space")
    held.hold("!admins", event(ADA, 3))
    assert held.behind("!admins", event(BOB), "!space")


def test_a_batch_that_comes_again_is_held_once() -> None:
    held = Held()
    for number in (1, 2, 1, 2):
        held.hold("!space", event(ADA, number))
    assert [one.event_id for _, one in held.events] == [f"${ADA}1", f"${ADA}2"]


def test_it_is_bounded() -> None:
    held = Held(most_events=2, most_signs=2)
    assert not held.full()
    held.hold("!space", event(ADA))
    held.hold("!space", event(BOB))
    assert held.full()
    held.clear()
    assert not held.full()
    held.signs = [Sign(who=ADA, kind=Kind.JOIN, place="", at=NOW, event_id=str(n)) for n in (1, 2)]
    assert held.full()
    held.gap = True
    signs, gap = held.take()
    assert (len(signs), gap) == (2, True)
    assert held.take() == ([], False)
