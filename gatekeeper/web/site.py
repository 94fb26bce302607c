"""What all pages share: templates, languages, sessions, and how a fault becomes a page."""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gatekeeper.domain.errors import (
    BadInput,
    GatekeeperError,
    NotFound,
    PlatformBusy,
    PlatformError,
    Refused,
    StorageError,
    TooMany,
    Value,
    WrongState,
)
from gatekeeper.policy.texts import languages, remedy, say_time
from gatekeeper.usecases.parts import Parts
from gatekeeper.web.forms import Garbled, NotAForm, Posted, TooLarge, TooSlow
from gatekeeper.web.security import NotOurForm, Session, Sessions, StaleForm, WebSettings

STATUS: Final[Mapping[type[GatekeeperError], int]] = {
    NotFound: 404,
    WrongState: 409,
    BadInput: 422,
    TooMany: 429,
    PlatformError: 503,
    StorageError: 503,
    TooLarge: 413,
    TooSlow: 408,
    Garbled: 400,
    NotAForm: 415,
    NotOurForm: 403,
    StaleForm: 403,
    Refused: 403,
}
GONE: Final = frozenset({"link-used", "link-withdrawn", "link-expired"})
# Letters that change how those around them are drawn, besides control characters.
_UNSEEN: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028\u2029\u3164\ufeff\uffa0"
)
_PLAIN: Final = frozenset("\t\n\r")


def marks(text: str) -> str:
    """`text` with control and direction characters shown as marks: nothing typed can disguise."""
    return "".join(f"⟨U+{ord(each):04X}⟩" if _hides(each) else each for each in text)


def _hides(letter: str) -> bool:
    if letter.isascii() and letter.isprintable():
        return False
    return (
        letter in _UNSEEN
        or (unicodedata.category(letter) in {"Cc", "Cs"} and letter not in _PLAIN)
        or "\u202a" <= letter <= "\u202e"
        or "\u2060" <= letter <= "\u206f"
        or "\U000e0000" <= letter <= "\U000e0fff"
    )


def _shown(value: object) -> object:
    """Everything that a template prints goes through here; Markup was made by us."""
    return marks(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _typed(value: str) -> Markup:
    """Into an input as it was typed: a mark would come back as part of the answer."""
    return escape(value)


def status_of(fault: GatekeeperError) -> int:
    """The HTTP status of a fault; 500 for one that should not reach a person."""
    if isinstance(fault, Refused) and fault.reason == "link-unknown":
        return 404
    if isinstance(fault, Refused) and fault.reason in GONE:
        return 410
    return next((status for kind, status in STATUS.items() if isinstance(fault, kind)), 500)


def code_of(fault: GatekeeperError) -> str:
    """The code that a person is shown."""
    return fault.reason if isinstance(fault, Refused) else fault.code


def wants_json(request: Request) -> bool:
    """Whether Accept asks for JSON and not for a page."""
    accept = request.headers.get("accept", "").lower()
    return "application/json" in accept and "text/html" not in accept


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that every page may ask for; `tag` changes with its content."""

    content: bytes
    type: str
    tag: str


class Site:
    """The club's pages: what they are made from."""

    def __init__(self, parts: Parts, settings: WebSettings, sessions: Sessions) -> None:
        self.parts, self.settings, self.sessions = parts, settings, sessions
        self._templates = Environment(
            loader=PackageLoader("gatekeeper.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["typed"] = _typed
        self._templates.tests["multiline"] = lambda text: "\n" in text
        self.static = {
            name: _static(name, kind)
            for name, kind in (("style.css", "text/css"), ("icon.svg", "image/svg+xml"))
        }

    def languages(self) -> tuple[str, ...]:
        """What the pages can be read in; the club's own language first."""
        return tuple(dict.fromkeys((self.parts.policy.club.spec.language, *languages())))

    def draw(self, template: str, context: Mapping[str, Any]) -> str:
        """A page as text."""
        return self._templates.get_template(f"{template}.html.j2").render(context)

    def visit(self, request: Request) -> "Visit":
        """Who asks, and in which language they are answered."""
        kept = session = self.sessions.read(request)
        asked = request.query_params.get("lang", "")
        if asked in self.languages():
            session = replace(session, language=asked)
        known = session.language if session.language in self.languages() else ""
        language = known or preferred(request.headers.get("accept-language", ""), self.languages())
        return Visit(self, request, kept, session, language)


class Visit:
    """One request: its browser, its language, its form."""

    def __init__(
        self, site: Site, request: Request, kept: Session, session: Session, language: str
    ) -> None:
        self.site, self.request, self.language = site, request, language
        self.kept, self.session = kept, session
        self.parts = site.parts
        self.posted: Posted = {}
        self.genuine = False  # whether `posted` came from a form of ours in this session
        self._bound = False  # whether a form of this answer is good for this session alone

    def say(self, code: str, values: Mapping[str, Value] | None = None) -> str:
        """A sentence in the visitor's language."""
        return self.parts.say(
            code, {"club": self.parts.policy.title, **(values or {})}, self.language
        )

    def token(self) -> str:
        """What each form of ours carries."""
        self._bound = True
        return self.site.sessions.token(self.session)

    def keep(self, response: Response) -> None:
        """Hand the session to the browser where that is needed; a mere reader gets no cookie."""
        wanted = self._bound or not self.kept.new or self.session.language != self.kept.language
        if wanted and replace(self.session, new=False) != self.kept:
            self.site.sessions.write(response, self.session)

    def time(self, moment: datetime) -> str:
        """A moment in the club's time zone."""
        return say_time(moment, self.language, self.parts.policy.club.spec.time_zone)

    def page(self, template: str, *, status: int = 200, **more: Any) -> Response:
        """Draw a page."""
        site = self.site
        context = {
            "say": self.say,
            "time": self.time,
            "language": self.language,
            "tongues": [(code, _tongue(code)) for code in site.languages()],
            "club": self.parts.policy.title,
            "root": site.settings.root,
            "token": self.token,
            "static": {name: file.tag for name, file in site.static.items()},
            **more,
        }
        return HTMLResponse(
            site.draw(template, context),
            status,
            {
                "content-language": self.language.replace("_", "-"),
                "vary": "accept-language, cookie",
                "x-robots-tag": "noindex, nofollow",
            },
        )

    def go(self, path: str) -> Response:
        """On to another page of ours; never to an address that came with the request."""
        return RedirectResponse(f"{self.site.settings.root}{path}", 303)

    def fault(self, fault: GatekeeperError) -> Response:
        """The page (or JSON) of a fault: sentence, code, what to do, status."""
        status, code, said = status_of(fault), code_of(fault), self.sentence(fault)
        return self.plain_fault(status, code, said, self.remedy(fault), retry_after(fault))

    def plain_fault(
        self, status: int, code: str, said: str, what_to_do: str = "", wait: int = 0
    ) -> Response:
        """A fault that is no exception of ours."""
        response: Response
        if wants_json(self.request):
            response = JSONResponse(
                {"code": code, "sentence": marks(said), "remedy": what_to_do}, status
            )
        else:
            response = self.page("fault", status=status, code=code, said=said, remedy=what_to_do)
        if wait:
            response.headers["retry-after"] = str(wait)
        return response

    def sentence(self, fault: GatekeeperError) -> str:
        """What a person on the web reads; the inner workings of a platform stay inside."""
        if isinstance(fault, Refused):
            return self.say(fault.reason, fault.values)
        if isinstance(fault, PlatformError | StorageError):
            return self.say("web.try-later")
        if isinstance(fault, NotFound):
            return self.say("web.not-found")
        if isinstance(fault, WrongState):
            return self.say("web.wrong-state")
        if status_of(fault) == 500:
            return self.say("web.unexpected")
        return self.say(fault.code, fault.values)

    def remedy(self, fault: GatekeeperError) -> str:
        """What a person on the web can do, "" for nothing."""
        if isinstance(fault, PlatformError | StorageError | NotFound | WrongState):
            return ""
        return remedy(code_of(fault), fault.values, self.language)


def retry_after(fault: GatekeeperError) -> int:
    """Whole seconds until another try makes sense, 0 where that is not known."""
    if isinstance(fault, TooMany | PlatformBusy):
        return max(1, -int(-fault.retry_after.total_seconds() // 1))
    return 0


def preferred(accepted: str, offered: tuple[str, ...]) -> str:
    """The offered language that an Accept-Language header likes best, else the first."""
    wishes: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        wishes.append((-weight, tag.strip().replace("-", "_").lower()))
    known = {code.lower(): code for code in offered}
    for weight, tag in sorted(wishes, key=lambda wish: wish[0]):
        found = known.get(tag) or known.get(tag.split("_")[0])
        if weight < 0 and found:
            return found
    return offered[0]


def _tongue(code: str) -> str:
    """What a language calls itself."""
    try:
        return (Locale.parse(code).get_display_name() or code).capitalize()
    except (UnknownLocaleError, ValueError):
        return code


def _static(name: str, kind: str) -> StaticFile:
    content = files("gatekeeper.web").joinpath("static", name).read_bytes()
    return StaticFile(content, kind, hashlib.sha256(content).hexdigest()[:12])
