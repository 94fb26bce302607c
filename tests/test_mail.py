"""Letters to a real mail server on the loopback: taken, refused, put off, lost, behind a login."""

import asyncio
import email
import email.policy
import socket
import ssl
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Link, Remove, Retract, Tell
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.domain.identity import EMAIL, Identity
from gatekeeper.mail import Mail
from gatekeeper.testing.clock import ManualClock

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOOPBACK = ip_address("127.0.0.1")
ADA = Identity(EMAIL, "ada@post.example")


@dataclass
class Server:
    """What came in, and what is answered to it."""

    letters: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    on_recipient: str = ""
    on_data: str = ""
    hang_up: bool = False

    async def handle_RCPT(  # noqa: N802 (the library's name)
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.on_recipient:
            return self.on_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, _session: Session, envelope: Envelope
    ) -> str:
        if self.on_data:
            return self.on_data
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.to.append(list(envelope.rcpt_tos))
        if self.hang_up:
            server.transport.abort()
        return "250 OK"


def knows(_server: Any, _session: Any, _envelope: Any, _how: str, login: Any) -> AuthResult:
    right = isinstance(login, LoginPassword) and login.password == b"right"
    return AuthResult(success=right, handled=right)


@dataclass
class Line:
    """Where it listens, and what it does."""

    port: int
    server: Server


@asynccontextmanager
async def listening(server: Server, **options: Any) -> AsyncIterator[Line]:
    def connected() -> SMTP:
        return SMTP(
            server, hostname="mail.test", auth_require_tls=False, authenticator=knows, **options
        )

    listener = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    async with listener:
        yield Line(listener.sockets[0].getsockname()[1], server)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def line(server: Server) -> AsyncIterator[Line]:
    async with listening(server) as found:
        yield found


def mail(line: Line, title: str = "The Loom", **changes: Any) -> Mail:
    given = {
        "host": "127.0.0.1",
        "port": line.port,
        "sender": "gatekeeper@club.example",
        "tls": "none",
        "user": "",
        "password": None,
        "tls_ca": None,
    }
    return Mail({**given, **changes}, title, ManualClock(AT))


def letter(text: str = "Are you there?\nSo we ask.", **changes: Any) -> Tell:
    links = (Link("I am still here", "https://club.example/l/abc"),)
    return Tell(**{"who": ADA, "text": text, "links": links, "subject": "A question", **changes})


async def test_a_letter_arrives_as_it_was_written(line, server):
    receipt = await mail(line).perform(letter(), "membership:1/notice/1", AT)
    [got] = server.letters
    assert server.to == [["ada@post.example"]]
    assert got["From"] == "The Loom <gatekeeper@club.example>"
    assert got["To"] == "ada@post.example"
    assert got["Subject"] == "A question"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"].datetime == AT
    assert receipt.ref == got["Message-ID"]
    assert (receipt.changed, receipt.waiting, receipt.at) == (True, False, AT)
    assert got.get_content().replace("\r\n", "\n") == (
        "Are you there?\nSo we ask.\n\nI am still here:\nhttps://club.example/l/abc\n"
    )
    assert got.get_content_type() == "text/plain"


async def test_sent_again_it_has_the_same_id_and_another_one_has_another(line, server):
    ours = mail(line)
    server.hang_up = True
    with pytest.raises(PlatformDown):
        await ours.perform(letter(), "membership:1/notice/1", AT)
    server.hang_up = False
    await ours.perform(letter(), "membership:1/notice/1", AT)
    await ours.perform(letter(), "membership:1/notice/2", AT)
    first, again, other = [one["Message-ID"] for one in server.letters]
    assert first == again
    assert first != other


@pytest.mark.parametrize("where", ["on_recipient", "on_data"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 no such mailbox ada@post.example", PlatformRefused),
        ("553 not here", PlatformRefused),
        ("450 greylisted", PlatformDown),
        ("452 full", PlatformDown),
    ],
)
async def test_a_no_is_final_and_a_later_is_not(line, server, where, answer, error):
    setattr(server, where, answer)
    with pytest.raises(error) as fault:
        await mail(line).perform(letter(), "k", AT)
    assert answer[:3] in fault.value.detail
    assert "ada@" not in str(fault.value)
    if error is PlatformRefused:
        assert fault.value.reason == "mail-refused"


async def test_a_server_that_is_away_is_asked_again(line, server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = mail(line, port=port)
    with pytest.raises(PlatformDown):
        await ours.perform(letter(), "k", AT)
    found = await ours.examine()
    assert (found.ok, found.code, found.values["port"]) == (False, "doctor.mail-fails", port)


async def test_a_wrong_login_is_the_operators_to_mend(line, server):
    wrong = mail(line, user="us", password="wrong-password")
    with pytest.raises(PlatformDown) as fault:
        await wrong.perform(letter(), "k", AT)
    assert "wrong-password" not in str(fault.value)
    found = await wrong.examine()
    assert not found.ok
    assert "SMTPAuthenticationError" in str(found.values["fault"])
    right = mail(line, user="us", password="right")
    assert (await right.examine()).ok
    await right.perform(letter(), "k", AT)
    assert len(server.letters) == 1, "to look at the server sends nothing"


async def test_without_tls_where_it_is_asked_for_nothing_is_sent(line, server):
    for tls in ("starttls", "tls"):
        ours = mail(line, tls=tls, user="us", password="right")
        with pytest.raises(PlatformDown):
            await ours.perform(letter(), "k", AT)
    assert not server.letters


def a_certificate(folder: Path) -> Path:
    """A key and its certificate for 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "both.pem"
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


async def test_through_tls_only_to_whom_is_trusted(server, tmp_path):
    file = a_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    login = {"tls": "starttls", "user": "us", "password": "right"}
    async with listening(server, tls_context=context, require_starttls=True) as line:
        assert not (await mail(line, **login).examine()).ok
        assert (await mail(line, **login, tls_ca=file).examine()).ok
        await mail(line, **login, tls_ca=file).perform(letter(), "k", AT)
        with pytest.raises(PlatformDown):
            await mail(line, tls_ca=tmp_path / "nowhere", tls="tls").perform(letter(), "k", AT)
    assert len(server.letters) == 1


async def test_it_carries_words_alone_and_has_nothing_to_take_back(line, server):
    with pytest.raises(PlatformRefused):
        await mail(line).perform(Remove(who=ADA, reason=""), "k", AT)
    assert not (await mail(line).perform(Retract(who=ADA, reason=""), "k", AT)).changed
    assert not server.letters


async def test_without_a_subject_of_its_own_it_has_the_clubs_name(line, server):
    await mail(line).perform(letter(subject=""), "k", AT)
    assert server.letters[0]["Subject"] == "The Loom"


NASTY = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("\r\n\0\x0b\u2028:<>@\"'=?,")
    ),
    max_size=60,
)
LINES = st.one_of(NASTY, NASTY.map(lambda text: f"{text}\r\nBcc: eve@evil.example\r\n\r\n."))


@given(title=LINES, subject=LINES, text=LINES, label=LINES)
@settings(max_examples=150, deadline=None)
def test_nothing_typed_becomes_a_header(title, subject, text, label):
    ours = Mail({"sender": "g@club.example"}, title, ManualClock(AT))
    action = letter(text, subject=subject, links=(Link(label, "https://club.example/l/a"),))
    raw = ours._letter(action, "k", AT).as_bytes(policy=email.policy.SMTP)
    got = email.message_from_bytes(raw, policy=email.policy.default)
    assert {name.lower() for name in got} <= {
        *("from", "to", "subject", "date", "message-id", "auto-submitted"),
        *("content-type", "content-transfer-encoding", "mime-version"),
    }
    assert [one.addr_spec for one in got["From"].addresses] == ["g@club.example"]
    assert [one.addr_spec for one in got["To"].addresses] == ["ada@post.example"]
    head = raw.partition(b"\r\n\r\n")[0]
    assert not any(line.strip(b" \t") == b"" for line in head.split(b"\r\n"))
    plain = "".join(c for c in text if c in string.ascii_letters)
    assert plain in "".join(c for c in got.get_content() if c in string.ascii_letters)
