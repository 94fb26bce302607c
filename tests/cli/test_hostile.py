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
    for file in (club.folder / "data").glob("*.db*"):
        file.unlink()
    code, out, _ = gatekeeper("audit", "verify")
    assert code == 0
    assert "not your database" in out
