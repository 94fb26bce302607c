"""One line an event, on stderr: JSON for machines, plain for a terminal, and no secret in either.

An event is named by its code. What is known to be secret is taken out of every value, whoever
wrote it: what Settings hold, keys and tokens by their names, personal links and passwords inside
addresses by their form.
"""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

# structlog would bring in rich, to draw faults that we tell in a line: a tenth of each command's
# time. It does without where there is no rich, and other modules find it again.
_rich = sys.modules.pop("rich", None)
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich

if TYPE_CHECKING:
    from structlog.typing import Processor

HIDDEN: Final = "[hidden]"
_NAMES: Final = re.compile(
    r"(^|_)(token|password|passwd|secret|authorization|cookie|answers?|proof|link|body|text)s?$",
    re.IGNORECASE,
)
_FORMS: Final = (
    (re.compile(r"(/l/)[A-Za-z0-9_-]{16,}"), rf"\1{HIDDEN}"),  # personal links
    (re.compile(r"(://[^:/@\s]*:)[^@/\s]+@"), rf"\1{HIDDEN}@"),  # passwords in addresses
    (re.compile(r"\b(syt|mat|mct|mcr|xox[a-z])[_-][A-Za-z0-9_-]{8,}"), HIDDEN),  # chat tokens
    (re.compile(r"(?i)(bearer\s+|access_token=)[^\s&\"']+"), rf"\1{HIDDEN}"),
)
_known: set[str] = set()

# Told by libraries at levels that mean something else to us.
_QUIET: Final = {
    "uvicorn.access": logging.CRITICAL,
    "uvicorn.error": logging.WARNING,
    "dbos": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "tortoise": logging.WARNING,
    "tortoise.db_client": logging.WARNING,
    "peewee": logging.WARNING,
}


def hide(*secrets: str | None) -> None:
    """Take these texts out of all that is logged from now on; shorter than 6 letters are not."""
    _known.update(text for text in secrets if text and len(text) >= 6)


def clean(value: Any) -> Any:
    """`value` without anything that is known or looks to be secret."""
    if isinstance(value, str):
        for secret in _known:
            value = value.replace(secret, HIDDEN)
        for form, instead in _FORMS:
            value = form.sub(instead, value)
        return value
    if isinstance(value, dict):
        return {name: HIDDEN if _secret(name) else clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(str(value))


def _secret(name: object) -> bool:
    return bool(_NAMES.search(str(name)))


def _filter(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        name: HIDDEN if _secret(name) and value else clean(value) for name, value in event.items()
    }


def _one_line(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """On a terminal a fault is told in a line: its class, text and place; JSON has all of it."""
    if trace := event.pop("exception", None):
        lines = [line.strip() for line in str(trace).splitlines() if line.strip()]
        places = [line for line in lines if line.startswith("File ")]
        event["fault"] = lines[-1]
        if places:
            event["at"] = places[-1].removeprefix("File ")
    return event


def configure(level: str = "info", style: str = "auto") -> None:
    """Send what we and our libraries log to stderr; calling again replaces it.

    Args:
        level: debug, info, warning or error.
        style: json, console, or auto: console on a terminal, else JSON.
    """
    if style == "auto":
        style = "console" if sys.stderr.isatty() else "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _filter]
    if style == "console":
        last += [_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    else:
        last += [structlog.processors.JSONRenderer(sort_keys=True)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=last,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        quiet = logging.getLogger(name)
        quiet.handlers.clear()
        quiet.propagate = True
        quiet.setLevel(max(least, root.level))


def settle(names: Iterable[str] = tuple(_QUIET)) -> None:
    """Undo handlers that libraries set up for themselves after `configure`."""
    for name in names:
        quiet = logging.getLogger(name)
        quiet.handlers.clear()
        quiet.propagate = True
