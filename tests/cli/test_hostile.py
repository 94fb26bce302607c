"""What a clumsy operator might type or break: a line and an exit code, never a traceback."""

import pytest


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "1" + "0" * 30])
def test_a_number_that_no_application_can_have(gatekeeper, number: str) -> None:
    code, _, err = gatekeeper("applications", "show", number)
    assert code == 2
    assert "[usage]" in err


def test_what_the_system_refuses_is_a_line(club, gatekeeper) -> None:
    (club.folder / "a-file").write_text("")
    code, _, err = gatekeeper("db", "backup", "a-file/backup")
    assert code == 1
    assert "[file-fault]" in err
    assert "a-file" in err


def test_an_empty_record_is_not_called_whole(club, gatekeeper) -> None:
    code, out, _ = gatekeeper("audit", "verify")
    assert code == 0
    assert "not your database" in out


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_database_that_is_gone_is_not_replaced(club, gatekeeper, left) -> None:
    """The club's keys say that there was one: an empty one would forget everybody."""
    database = club.folder / "data/gatekeeper.db"
    for file in (club.folder / "data").glob("*.db*"):
        file.unlink()
    if left != "nothing":
        database.touch()
    for words in (("members", "list"), ("db", "check"), ("db", "upgrade"), ("init",), ("serve",)):
        code, _, err = gatekeeper(*words)
        assert code == 1, words
        assert "[no-tables]" in err
        assert "init --anew" in err
        assert str(database) in err
        assert database.exists() == (left != "nothing")
    assert "[no-tables]" in gatekeeper("doctor")[1]
    assert gatekeeper("init", "--anew")[0] == 0
    assert gatekeeper("members", "list")[0] == 0


def test_nobody_begins_anew_over_tables_that_are_there(club, gatekeeper, zoe) -> None:
    assert gatekeeper("init", "--anew")[0] == 0
    assert "Zoe" in gatekeeper("applications", "list")[1]


@pytest.mark.parametrize("words", [("members", "list"), ("db", "check"), ("db", "upgrade")])
def test_a_folder_where_the_database_should_be_is_told_in_one_line(club, gatekeeper, words) -> None:
    for file in (club.folder / "data").glob("*.db*"):
        file.unlink()
    (club.folder / "data/gatekeeper.db").mkdir()
    code, _, err = gatekeeper(*words)
    assert code == 1
    assert err.count("\n") == 1, err
    assert "is a folder" in err
