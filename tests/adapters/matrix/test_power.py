"""Power levels in rooms of every version."""

import pytest

from gatekeeper_matrix.power import CREATOR, Power, creators_of, levels_for_new

LEVELS = {"users": {"@fran:gk.test": 100, "@mod:gk.test": 50}, "invite": 50}


def test_creators_stand_above_all_levels() -> None:
    create = {
        "sender": "@bot:gk.test",
        "content": {"room_version": "12", "additional_creators": ["@co:gk.test"]},
    }
    power = Power(LEVELS, creators_of(create))
    assert power.of("@bot:gk.test") == power.of("@co:gk.test") == CREATOR
    assert power.can_kick("@bot:gk.test", "@fran:gk.test")
    assert not power.can_kick("@fran:gk.test", "@bot:gk.test")
    assert not power.can_kick("@bot:gk.test", "@co:gk.test")


@pytest.mark.parametrize("version", ["11", "10", "org.matrix.msc", None])
def test_before_version_12_a_creator_is_nobody(version: str | None) -> None:
    content = {"room_version": version} if version else {}
    assert creators_of({"sender": "@bot:gk.test", "content": content}) == ()
    assert Power(LEVELS).of("@bot:gk.test") == 0


def test_equal_power_is_not_enough() -> None:
    power = Power({"users": {"@bot:gk.test": 100, "@fran:gk.test": 100}})
    assert not power.can_kick("@bot:gk.test", "@fran:gk.test")
    assert power.can_kick("@bot:gk.test", "@mod:gk.test")


def test_defaults_and_old_texts() -> None:
    power = Power({"users": {"@a:b": "75"}, "users_default": 5, "events": {"m.room.name": 60}})
    assert (power.of("@a:b"), power.of("@x:b")) == (75, 5)
    assert (power.needed("invite"), power.needed("kick")) == (0, 50)
    assert (power.needed("m.room.name"), power.needed("m.space.child")) == (60, 50)


def test_a_new_room_names_us_only_where_it_may() -> None:
    admins = ["@fran:gk.test", "@bot:gk.test"]
    assert levels_for_new("12", "@bot:gk.test", admins)["users"] == {"@fran:gk.test": 100}
    assert levels_for_new("11", "@bot:gk.test", admins)["users"]["@bot:gk.test"] == 100
    assert levels_for_new("11", "@bot:gk.test", admins)["invite"] == 50
