"""Letters by SMTP: one connection for each, plain text, to one address.

A mail server keeps no keys of ours, so a letter whose answer was lost is sent again, under the same
Message-ID: mail programs and most servers show it once.
"""

import hashlib
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

import aiosmtplib

from gatekeeper.domain.decisions import Action, Receipt, Retract, Tell
from gatekeeper.domain.errors import GatekeeperError, PlatformDown, PlatformRefused, Value
from gatekeeper.domain.identity import EMAIL
from gatekeeper.ports import Check, Clock

TIMEOUT: Final = 30.0  # seconds, for each step
LONGEST_SUBJECT: Final = 150  # letters
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
# What the server says of this letter; with all else it speaks of itself or of us.
_OF_THE_LETTER: Final = (
    aiosmtplib.SMTPRecipientsRefused,
    aiosmtplib.SMTPRecipientRefused,
    aiosmtplib.SMTPSenderRefused,
    aiosmtplib.SMTPDataError,
)


class Mail:
    """Sends letters by the server that the settings name; a Carrier."""

    name = EMAIL

    def __init__(self, settings: Mapping[str, Any], title: str, clock: Clock) -> None:
        """`settings` as SmtpSettings has them, the password in clear; `title` of the club."""
        self._settings, self._clock = settings, clock
        self._sender = Address(_one_line(title), addr_spec=settings["sender"])
        self._trust: ssl.SSLContext | None = None

    def limiters(self, action: Action) -> tuple[str, ...]:
        """None: a mail server says no by itself."""
        return ()

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Send one letter; done when the server has taken it.

        Raises:
            PlatformDown: the server is away, refuses our login, or says to come again.
            PlatformRefused: it does not take this letter or this address (mail-refused).
        """
        if isinstance(action, Retract):  # nobody is let in by a letter
            return Receipt(changed=False, at=self._clock.now())
        if not isinstance(action, Tell):
            raise PlatformRefused(EMAIL, "other", type(action).__name__)
        letter = self._letter(action, key, ordered_at)
        try:
            async with self._line() as line:
                await line.send_message(
                    letter, sender=str(self._settings["sender"]), recipients=[action.who.account]
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            raise _told(fault) from fault
        return Receipt(changed=True, at=self._clock.now(), ref=str(letter["Message-ID"]))

    async def examine(self) -> Check:
        """Connect and log in, and send nothing: a line for `gatekeeper doctor`."""
        where: dict[str, Value] = {"host": str(self._settings["host"]), "port": self._port}
        try:
            async with self._line() as line:
                await line.noop()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as fault:
            return Check(False, "doctor.mail-fails", {**where, "fault": _words(fault)})
        return Check(True, "doctor.mail", {**where, "sender": str(self._settings["sender"])})

    @property
    def _port(self) -> int:
        return int(self._settings["port"] or PORTS[self._settings["tls"]])

    def _line(self) -> aiosmtplib.SMTP:
        """A connection, to be opened: greeted, behind TLS and logged in as the settings say."""
        given, tls = self._settings, self._settings["tls"]
        return aiosmtplib.SMTP(
            hostname=given["host"],
            port=self._port,
            username=given.get("user") or None,
            password=given.get("password") or None,
            local_hostname=self._sender.domain,
            use_tls=tls == "tls",
            start_tls=tls == "starttls",
            tls_context=None if tls == "none" else self._trusted(),
            timeout=TIMEOUT,
        )

    def _trusted(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = ssl.create_default_context(cafile=self._settings.get("tls_ca"))
        return self._trust

    def _letter(self, action: Tell, key: str, ordered_at: datetime) -> EmailMessage:
        """The letter; nothing in it can begin a header of its own, since headers are one line
        each and the policy of the message refuses others."""
        letter = EmailMessage()
        mark = hashlib.sha256(f"{key}:{action.who.account}".encode()).hexdigest()[:40]
        letter["From"] = self._sender
        letter["To"] = Address(addr_spec=action.who.account)
        letter["Subject"] = _one_line(action.subject or self._sender.display_name)[:LONGEST_SUBJECT]
        letter["Date"] = format_datetime(ordered_at)
        letter["Message-ID"] = f"<{mark}@{self._sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
        links = [f"{_one_line(link.label)}:\n{link.url}" for link in action.links]
        letter.set_content("\n\n".join([action.text, *links]) + "\n")
        return letter


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _code(fault: Exception) -> int:
    """The server's answer, 0 where there was none."""
    if isinstance(fault, aiosmtplib.SMTPRecipientsRefused):
        return min((one.code for one in fault.recipients), default=550)
    return fault.code if isinstance(fault, aiosmtplib.SMTPResponseException) else 0


def _told(fault: Exception) -> GatekeeperError:
    """Final where the server says so of this letter; a login or a greeting that is refused is for
    an operator to mend, and the letter goes afterwards."""
    code = _code(fault)
    if isinstance(fault, _OF_THE_LETTER) and code >= 500:
        return PlatformRefused(EMAIL, "mail-refused", str(code))
    return PlatformDown(EMAIL, _words(fault))


def _words(fault: Exception) -> str:
    """What went wrong; not the server's own words, which may repeat what was sent to it."""
    return f"{type(fault).__name__} {_code(fault) or ''}".strip()
