"""Keys: made once, for their owner alone, and refused when they lie open."""

import stat

import pytest

from gatekeeper.domain.errors import SettingsError
from gatekeeper.keys import NAMES, load_keys, make_keys


def test_made_once_and_never_again(tmp_path):
    folder = tmp_path / "data/keys"
    assert make_keys(folder) == NAMES
    before = load_keys(folder)
    assert len({before.record, before.session, before.vault, before.passes}) == 4
    assert len(before.record) == 32
    (folder / "vault.key").unlink()
    assert make_keys(folder) == ("vault",)
    after = load_keys(folder)
    assert after.record == before.record
    assert after.vault != before.vault
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_all_faults_at_once(tmp_path):
    make_keys(tmp_path)
    (tmp_path / "record.key").chmod(0o640)
    (tmp_path / "session.key").write_text("AAAA")
    (tmp_path / "pass.key").unlink()
    with pytest.raises(SettingsError) as caught:
        load_keys(tmp_path)
    told = caught.value.faults
    assert len(told) == 3
    assert "chmod 600" in told[0]
    assert "damaged" in told[1]
    assert "init" in told[2]


def test_a_key_is_never_shown(tmp_path):
    make_keys(tmp_path)
    assert "\\x" not in repr(load_keys(tmp_path))
