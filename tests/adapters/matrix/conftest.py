"""What tests on a homeserver share."""

import pytest

from gatekeeper_matrix import events


@pytest.fixture
def short_timeline(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many messages as a timeline, and a page of what is before it, hold: ten, not a hundred."""
    most = 10
    monkeypatch.setattr(events, "LIMIT", most)
    monkeypatch.setitem(events.FILTER["room"]["timeline"], "limit", most)
    return most
