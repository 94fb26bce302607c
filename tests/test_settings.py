"""Settings from environment, file and secret files; all faults at once and no value in them."""

import pytest

from gatekeeper.domain.errors import SettingsError, WhichClub
from gatekeeper.settings import (
    club_names,
    find_database,
    find_place,
    known_names,
    load_all,
    load_settings,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in known_names() | {"GATEKEEPER_SETTINGS"}:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_defaults_lie_in_the_folder(folder):
    settings = load_settings()
    assert settings.home == folder / "data"
    assert settings.policy == folder / "house-rules.yaml"
    assert settings.keys == folder / "data/keys"
    assert settings.database == f"sqlite://{folder}/data/gatekeeper.db"
    assert settings.engine_database == f"sqlite://{folder}/data/engine.db"
    assert settings.bind_host == "127.0.0.1"


def test_the_environment_wins_over_the_file(folder, monkeypatch):
    (folder / "gatekeeper.toml").write_text(
        'base_url = "https://a.example/"\nhome = "here"\nbind_port = 1\n'
        '[matrix]\nhomeserver_url = "https://m.example"\nuser_id = "@bot:m.example"\n'
        'password = "a-password"\n'
    )
    monkeypatch.setenv("GATEKEEPER_BIND_PORT", "2")
    monkeypatch.setenv("GATEKEEPER_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    monkeypatch.setenv("GATEKEEPER_MATRIX__HOMESERVER_URL", "http://127.0.0.1:8008/")
    settings = load_settings()
    assert settings.base_url == "https://a.example"
    assert settings.home == folder / "here"
    assert settings.keys == folder / "here/keys"
    assert settings.bind_port == 2
    assert [str(each) for each in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.matrix is not None
    assert settings.matrix.homeserver_url == "http://127.0.0.1:8008"
    assert settings.matrix.user_id == "@bot:m.example"


def test_paths_in_a_named_file_are_meant_from_its_folder(folder, monkeypatch):
    (folder / "etc").mkdir()
    (folder / "etc/club.toml").write_text('policy = "rules.yaml"\n')
    monkeypatch.setenv("GATEKEEPER_SETTINGS", "etc/club.toml")
    assert load_settings().policy == folder / "etc/rules.yaml"
    assert load_settings().home == folder / "etc/data"


@pytest.mark.parametrize("where", ["environment", "file"])
def test_secrets_from_files(folder, monkeypatch, where):
    (folder / "token").write_text("syt_secret\n")
    matrix = '[matrix]\nhomeserver_url = "https://m.example"\nuser_id = "@bot:m.example"\n'
    if where == "file":
        matrix += 'access_token_file = "token"\n'
    else:
        monkeypatch.setenv("GATEKEEPER_MATRIX__ACCESS_TOKEN_FILE", str(folder / "token"))
    (folder / "gatekeeper.toml").write_text(matrix)
    settings = load_settings()
    assert settings.matrix is not None
    assert settings.matrix.access_token is not None
    assert settings.matrix.access_token.get_secret_value() == "syt_secret"
    assert "syt_secret" not in repr(settings)
    assert "syt_secret" not in settings.model_dump_json()


def test_the_database_may_lie_in_a_file_and_serves_the_engine_too(folder, monkeypatch):
    (folder / "url").write_text("postgres://g:pw@db/club")
    monkeypatch.setenv("GATEKEEPER_DATABASE_URL_FILE", str(folder / "url"))
    settings = load_settings()
    assert settings.database == "postgres://g:pw@db/club"
    assert settings.engine_database == settings.database
    assert "pw@" not in repr(settings)


def test_all_faults_at_once_and_no_value_in_them(folder, monkeypatch):
    (folder / "gatekeeper.toml").write_text(
        'base_url = "ftp://hidden-value"\nbind_port = 99999\ncolour = "hidden-value"\n'
        '[matrix]\nuser_id = "hidden-value"\naccess_token_file = "nowhere"\nacces_token = "x"\n'
    )
    monkeypatch.setenv("GATEKEEPER_BASEURL", "hidden-value")
    monkeypatch.setenv("GATEKEEPER_MATRIX__TOKEN", "hidden-value")
    monkeypatch.setenv("GATEKEEPER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("GATEKEEPER_PORT", "tcp://10.0.0.1:80")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    told = "\n".join(caught.value.faults)
    for name in (
        "base_url",
        "bind_port",
        "colour: no such setting",
        "matrix.homeserver_url: is missing",
        "matrix.user_id",
        "matrix.access_token_file: cannot be read",
        "matrix.acces_token: no such setting",
        "GATEKEEPER_BASEURL: no such setting",
        "GATEKEEPER_MATRIX__TOKEN: no such setting",
    ):
        assert name in told
    assert "hidden-value" not in told
    assert "SERVICE_HOST" not in told
    assert "tcp://" not in told


def test_a_file_that_is_no_toml_is_told_with_its_line(folder):
    (folder / "gatekeeper.toml").write_text("base_url = \n")
    with pytest.raises(SettingsError, match="line 1"):
        load_settings()


def test_a_named_file_that_is_not_there(folder):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings("nowhere.toml")


def test_a_bot_without_a_login(folder):
    (folder / "gatekeeper.toml").write_text(
        '[matrix]\nhomeserver_url = "https://m.example"\nuser_id = "@bot:m.example"\n'
    )
    with pytest.raises(SettingsError, match="matrix: needs access_token or password"):
        load_settings()


def test_adapters_get_their_secrets_in_clear(folder):
    (folder / "gatekeeper.toml").write_text(
        '[matrix]\nhomeserver_url = "https://m.example"\nuser_id = "@bot:m.example"\n'
        'access_token = "syt_x"\n'
    )
    told = load_settings().of_platform("matrix")
    assert told is not None
    assert told["access_token"] == "syt_x"
    assert told["password"] is None
    assert told["base_url"] == "http://127.0.0.1:8080"
    assert load_settings().of_platform("slack") is None


def test_a_slack_app_comes_with_its_token_or_is_installed(folder):
    (folder / "hidden").write_text("hidden-value\n")
    told = '[slack]\nsigning_secret = "hidden-value"\n'
    app = 'client_id = "1.2"\nclient_secret_file = "hidden"\n'
    (folder / "gatekeeper.toml").write_text(told + app)
    given = load_settings().of_platform("slack")
    assert given is not None
    assert (given["client_id"], given["client_secret"]) == ("1.2", "hidden-value")
    wrong = {
        "": "needs bot_token",
        'client_id = "1.2"\n': "client_id and client_secret go together",
        'client_secret = "hidden-value"\n': "client_id and client_secret go together",
        app + 'bot_token = "hidden-value"\n': "bot_token or client_id",
    }
    for more, said in wrong.items():
        (folder / "gatekeeper.toml").write_text(told + more)
        with pytest.raises(SettingsError, match=said) as refused:
            load_settings()
        assert "hidden-value" not in str(refused.value)


def test_a_secret_in_the_environment_overrules_a_file_that_is_not_there(folder, monkeypatch):
    (folder / "gatekeeper.toml").write_text(
        '[matrix]\nhomeserver_url = "https://m.example"\nuser_id = "@bot:m.example"\n'
        'access_token_file = "nowhere"\n'
    )
    with pytest.raises(SettingsError, match=r"matrix\.access_token_file: cannot be read"):
        load_settings()
    monkeypatch.setenv("GATEKEEPER_MATRIX__ACCESS_TOKEN", "syt_x")
    matrix = load_settings().matrix
    assert matrix is not None
    assert matrix.access_token is not None
    assert matrix.access_token.get_secret_value() == "syt_x"


def test_a_mail_server(folder, monkeypatch):
    (folder / "pw").write_text("hidden-value\n")
    (folder / "ca.pem").write_text("")
    smtp = '[smtp]\nhost = "mail.example"\nsender = "g@club.example"\n'
    (folder / "gatekeeper.toml").write_text(
        smtp + 'user = "g"\npassword_file = "pw"\ntls_ca = "ca.pem"\n'
    )
    settings = load_settings()
    given = settings.of_platform("smtp")
    assert given is not None
    assert (given["password"], given["tls"], given["port"]) == ("hidden-value", "starttls", 0)
    assert given["tls_ca"] == folder / "ca.pem"
    assert "hidden-value" not in repr(settings)
    assert load_settings(logins=False).smtp is None
    wrong = {
        'user = "g"\n': "user and password go together",
        'user = "g"\npassword = "hidden-value"\ntls = "none"\n': "through TLS alone",
        'tls = "maybe"\n': "smtp.tls",
        'tls_ca = "nowhere.pem"\n': "smtp.tls_ca: cannot be read",
    }
    for more, said in wrong.items():
        (folder / "gatekeeper.toml").write_text(smtp + more)
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert said in "\n".join(caught.value.faults)
        assert "hidden-value" not in "\n".join(caught.value.faults)
    (folder / "gatekeeper.toml").write_text('[smtp]\nhost = "m"\nsender = "g@c.example\\nBcc: x"\n')
    with pytest.raises(SettingsError, match=r"smtp\.sender: must be an e-mail address"):
        load_settings()


# ---- Several clubs ------------------------------------------------------------------------------

SEVERAL = """
home = "here"
[slack]
app_token = "xapp-1"
api_url = "https://slack.example/api"
[clubs.lutes]
policy = "lutes.yaml"
base_url = "https://lutes.example"
slack.bot_token = "xoxb-1"
[clubs.lyres]
policy = "lyres.yaml"
base_url = "https://lyres.example"
slack.bot_token = "xoxb-2"
slack.pace = 2
"""


def test_each_of_several_clubs_has_what_is_its_own(folder):
    (folder / "gatekeeper.toml").write_text(SEVERAL)
    assert club_names() == ("lutes", "lyres")
    lutes, lyres = load_all()
    assert (lutes.club, lyres.club) == ("lutes", "lyres")
    assert (lutes.policy, lyres.policy) == (folder / "lutes.yaml", folder / "lyres.yaml")
    assert lutes.home == lyres.home == folder / "here"
    assert lutes.database == lyres.database
    assert lutes.slack is not None
    assert lyres.slack is not None
    assert lutes.slack.api_url == lyres.slack.api_url == "https://slack.example/api"
    assert (lutes.slack.pace, lyres.slack.pace) == (1, 2)
    assert lyres.slack.bot_token.get_secret_value() == "xoxb-2"
    assert find_place("policy", club="lyres") == folder / "lyres.yaml"
    assert find_database() == lutes.database
    assert find_place("keys") == find_place("keys", club="lyres") == lutes.keys


def test_which_of_several_is_said_by_an_option_or_the_environment(folder, monkeypatch):
    (folder / "gatekeeper.toml").write_text(SEVERAL)
    for name in ("", "harps"):
        with pytest.raises(WhichClub) as which:
            load_settings(club=name)
        assert which.value.values["known"] == "lutes, lyres"
    monkeypatch.setenv("GATEKEEPER_CLUB", "lyres")
    assert load_settings().club == "lyres"
    assert load_settings(club="lutes").club == "lutes"
    assert len(load_all()) == 2


WRONG = [
    ('policy = "a.yaml"\n', "policy: belongs into the table of a club"),
    ("[matrix]\nuser_id = '@b:c'\n", "matrix: belongs into the table of a club"),
    ("[clubs.lyres.smtp]\nhost = 'mail'\n", "smtp.sender: is missing"),
    ("[clubs.harps]\nsmtp = 3\n", "harps: smtp: "),
    ("[clubs.harps]\nslack = 3\n", "harps: slack: "),
]


@pytest.mark.parametrize(("more", "fault"), WRONG)
def test_what_is_wrong_with_several(folder, more, fault):
    text = more + SEVERAL if more.startswith("policy") else SEVERAL + more
    (folder / "gatekeeper.toml").write_text(text)
    with pytest.raises(SettingsError) as wrong:
        load_all()
    assert any(fault in one for one in wrong.value.faults), wrong.value.faults


def test_what_several_clubs_cannot_share_is_told_at_once(folder):
    text = SEVERAL.replace("lyres.yaml", "lutes.yaml").replace("xoxb-2", "xoxb-1")
    text = text.replace("https://lyres.example", "https://lutes.example")
    (folder / "gatekeeper.toml").write_text(f"{text}home = 'there'\nkind = 1\n")
    with pytest.raises(SettingsError) as wrong:
        load_all()
    assert any("home: is for all clubs" in one for one in wrong.value.faults)
    assert any("kind: no such setting" in one for one in wrong.value.faults)
    (folder / "gatekeeper.toml").write_text(text)
    with pytest.raises(SettingsError) as wrong:
        load_all()
    shared = [one.split(": ")[1] for one in wrong.value.faults]
    assert sorted(shared) == ["base_url", "policy", "slack.bot_token"]
    assert "xoxb" not in str(wrong.value)


def test_clubs_that_are_no_tables_are_told(folder):
    (folder / "gatekeeper.toml").write_text("clubs = 3\n")
    with pytest.raises(SettingsError, match="table for each club"):
        load_settings()
