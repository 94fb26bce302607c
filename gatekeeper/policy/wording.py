"""One atom of a condition, with the values it saw, as a sentence in a reader's language.

Who may read what. Admins read every atom, with its pattern, list and param. The person whose case
it is reads an atom only where all that it shows is theirs to know: how long or how many (their
answers, links, vouches, signs of life), when, yes or no, there or not there, held against a plain
number, span or time. Never a pattern, a list, a word of others, a param by its name, a role,
objections or who vouches: an atom with one of these is not for them, see `is_public`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Final

from babel.numbers import format_decimal

from gatekeeper.domain.errors import Value
from gatekeeper.policy.atoms import AtomValue, Operand
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.facts import Facts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.texts import DEFAULT, iso, languages, say_duration, say_time, sentence

TEXT_LETTERS = 60  # of a text that a condition saw
SOURCE_LETTERS = 120  # of a condition that has no sentence of its own
LIST_ITEMS = 5

_THEIR_APPLICATION = """
    submitted_at proven first_seen_at account_created_at display_name reason answers text links
    earlier_applications earlier_declines last_declined_at was_member vouches
"""
_THEIR_MEMBERSHIP = """
    exempt exempt_until on_leave on_leave_until known_since joined_at last_active_at silent
    seen_share noticed_at grace_over active_days_30d messages_30d replies_30d threads_30d files_30d
    reactions_30d reads_30d commands_30d presses_30d vouches_30d joins_30d events_30d
    last_spoke_at last_message_at last_reply_at last_thread_at last_file_at last_reaction_at
    last_read_at last_command_at last_press_at last_vouch_at last_join_at last_event_at
"""
PUBLIC: Final[Mapping[str, frozenset[str]]] = {
    "application": frozenset(_THEIR_APPLICATION.split()),
    "member": frozenset(_THEIR_MEMBERSHIP.split()),
}
FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_RELATIONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_TIMES = {"<": "before", "<=": "until", ">": "after", ">=": "from", "==": "eq", "!=": "ne"}
_WANTED = {">=": "asked", ">": "asked-more", "<=": "allowed", "<": "allowed-less"}
_TESTS = frozenset({"in", "matches", "contains", "startsWith", "endsWith"})
_PLAIN = (bool, int, float, timedelta, datetime)


# ---- What an operand is ------------------------------------------------------------------------

_NAME = r"[a-z_]\w*(?:\.\w+)+"
_FORMS: Final = (
    ("size", re.compile(rf"size\(\s*({_NAME})\s*\)|({_NAME})\.size\(\)")),
    ("since", re.compile(rf"now\s*-\s*({_NAME})")),
    ("ahead", re.compile(rf"({_NAME})\s*-\s*now")),
    ("between", re.compile(rf"({_NAME})\s*-\s*({_NAME})")),
    ("", re.compile(rf"({_NAME}|now)")),
)


@dataclass(frozen=True, slots=True)
class Term:
    """One side of an atom: a fact as it is (""), its `size`, the time `since` it, `ahead` of it or
    `between` two of them; a `constant`; or `other`, for which there are no words."""

    kind: str
    path: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def term_of(operand: Operand, rules: RuleSet) -> Term:
    """What an operand is; a variable is what its expression is, where that is plain."""
    if operand.constant:
        return Term("constant", operand.path)
    if len(operand.path) > 1 and operand.path[0] == "variables":
        known = rules.variables.get(operand.path[1])
        found = _read(known.source) if known and not operand.measure else Term("other")
        return found if found.kind != "other" else Term(operand.measure, operand.path)
    if len(operand.path) > 1 or operand.path == ("now",):
        return Term(operand.measure, operand.path)
    return _read(operand.source)


def _read(source: str) -> Term:
    source = " ".join(source.split())
    while source.startswith("(") and source.endswith(")") and _whole(source):
        source = source[1:-1].strip()
    for kind, form in _FORMS:
        match = form.fullmatch(source)
        if match:
            names = [tuple(name.split(".")) for name in match.groups() if name]
            return Term(kind, names[0], names[1] if len(names) > 1 else ())
    return Term("other")


def _whole(source: str) -> bool:
    """Whether the bracket that opens `source` is closed at its very end."""
    depth = 0
    for place, letter in enumerate(source):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place == len(source) - 1
    return False


def is_public(seen: AtomValue, rules: RuleSet) -> bool:
    """Whether the person whose case it is may read this atom; the rule stands above."""
    atom = seen.atom
    if atom.operator not in {"", "has", *FLIPPED} or seen.fault:
        return False
    terms = [term_of(operand, rules) for operand in atom.operands]
    plain = all(value is None or isinstance(value, _PLAIN) for value in seen.operands)
    plain = plain or atom.operator == "has"  # which tells nothing of the value
    return plain and bool(terms) and all(_theirs(term, rules) for term in terms)


def _theirs(term: Term, rules: RuleSet) -> bool:
    if term.kind == "constant":
        return True
    subject = rules.conditions.subject
    paths = [path for path in (term.path, term.other) if path and path != ("now",)]
    known = term.kind != "other" and all(path[0] == subject for path in paths)
    return known and all(path[1] in PUBLIC[subject] for path in paths)


# ---- Sentences ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wording:
    """Says atoms of one subject to one reader.

    Attributes:
        rules: those that the atoms are from.
        facts: what was judged; dates that go with a yes come from here.
        language: of the reader; "" is the club's own.
        admin: params are named to admins alone.
    """

    policy: Policy
    rules: RuleSet
    facts: Facts
    language: str = ""
    admin: bool = True

    @property
    def tongue(self) -> str:
        """The language that is spoken: the reader's, the club's, or English."""
        known = (self.language, self.policy.club.spec.language)
        return next((each for each in known if each.split("_")[0] in languages()), DEFAULT)

    def say(self, code: str, values: Mapping[str, Value] | None = None) -> str:
        """A sentence of the catalogue, with its times in the club's zone."""
        return sentence(code, values, self.tongue, zone=self.policy.club.spec.time_zone)

    def name(self, path: tuple[str, ...]) -> str:
        """What a fact is called; a question by its label, a variable by its own words."""
        if path == ("now",):
            return self.say("field.now")
        if path[0] == "variables":
            return path[1].replace("_", " ")
        if path[1] == "answers":
            return self.say("field.application.answers", {"label": self._label(path[2])})
        return self.say(f"field.{path[0]}.{path[1]}")

    def _label(self, question: str) -> str:
        for known in self.policy.form.questions:
            if known.id == question:
                return cut(known.words(self.tongue).label)
        return question

    def value(self, value: object, path: tuple[str, ...] = ()) -> str:
        """A value as it is written for people; long texts and lists are cut."""
        match value:
            case None:
                return self.say("card.none")
            case bool():
                return self._yes_or_no(value, path)
            case float() if path[1:] == ("seen_share",):
                return f"{value * 100:.0f} %"
            case int() | float():
                return format_decimal(value, locale=self.tongue, group_separator=False)
            case timedelta():
                sign = "-" if value < timedelta(0) else ""
                return sign + say_duration(abs(value), self.tongue)
            case datetime() if value.tzinfo is not None and MINYEAR < value.year < MAXYEAR:
                return say_time(value, self.tongue, self.policy.club.spec.time_zone)
            case list() | tuple():
                return self._list(value)
            case _:
                return self.say("value.text", {"text": cut(str(value))})

    def _yes_or_no(self, value: bool, path: tuple[str, ...]) -> str:
        until = getattr(self.facts, f"{path[-1]}_until", None) if len(path) == 2 else None
        if value and isinstance(until, datetime):
            return self.say("saw.yes-until", {"at": iso(until)})
        return self.say("yes" if value else "no")

    def _list(self, values: list[object] | tuple[object, ...]) -> str:
        if not values:
            return self.say("list.empty")
        shown = ", ".join(self.value(each) for each in values[:LIST_ITEMS])
        left = len(values) - LIST_ITEMS
        return self.say("list.cut", {"shown": shown, "count": left}) if left > 0 else shown

    def atom(self, seen: AtomValue, better: bool | None = None) -> str:
        """One atom in a sentence.

        Args:
            seen: its value and those of its operands.
            better: which value would serve the person; where it has the other one, what is asked
                or allowed is said. None: what is so is said, and no more.
        """
        atom = seen.atom
        if seen.fault:
            return self._faulty(seen)
        terms = [term_of(each, self.rules) for each in atom.operands]
        if seen.value is None:
            return self._untold(seen, terms)
        if atom.operator in FLIPPED and len(terms) == 2:
            return self._compared(seen, terms, better)
        if atom.operator in _TESTS and len(terms) == 2:
            code = f"atom.{atom.operator}" + ("" if seen.value else "-not")
            left, right = (self._side(seen, terms, place) for place in (0, 1))
            return self.say(code, {"left": left, "right": right})
        if atom.operator == "has" and terms and terms[0].path[1:]:
            code = "atom.has" if seen.value else "atom.has-not"
            return self.say(code, {"name": self.name(terms[0].path)})
        if not atom.operator and len(terms) == 1 and terms[0].kind == "" and terms[0].path[1:]:
            values = {"seen": self.value(seen.value, terms[0].path)}
            return self.say("saw.value", {"name": self.name(terms[0].path), **values})
        code = "atom.holds" if seen.value else "atom.holds-not"
        return self.say(code, {"source": source_of(seen)})

    def _faulty(self, seen: AtomValue) -> str:
        """The fault, and the facts that it came from."""
        values = [
            self.say("saw.value", {"name": self.name(path), "seen": self.value(value)})
            for path in dict.fromkeys(self._named_in(seen.atom.source))
            if (value := self._held(path)) is not None
        ]
        told: dict[str, Value] = {"source": source_of(seen), "fault": cut(seen.fault)}
        if not values:
            return self.say("atom.fault", told)
        return self.say("atom.fault-seen", {**told, "seen": "; ".join(values[:LIST_ITEMS])})

    def _named_in(self, source: str) -> Iterator[tuple[str, ...]]:
        """The facts that a condition names, also by way of variables."""
        for found in re.findall(_NAME, source):
            path = tuple(found.split("."))
            if path[0] == "variables" and path[1] in self.rules.variables:
                yield from self._named_in(self.rules.variables[path[1]].source)
            elif path[0] == self.rules.conditions.subject:
                yield path[: 3 if path[1] == "answers" and len(path) > 2 else 2]

    def _held(self, path: tuple[str, ...]) -> object:
        held: object = self.facts
        for name in path[1:]:
            held = held.get(name) if isinstance(held, Mapping) else getattr(held, name, None)
        return None if isinstance(held, Mapping) else held

    def _untold(self, seen: AtomValue, terms: list[Term]) -> str:
        """What is not there is named, where that has a name."""
        for term, value in zip(terms, seen.operands, strict=False):
            if value is None and term.kind in {"", "size", "since", "ahead"} and term.path[1:]:
                return self.say("atom.has-not", {"name": self.name(term.path)})
        return self.say("atom.unknown", {"source": source_of(seen)})

    def _compared(self, seen: AtomValue, terms: list[Term], better: bool | None) -> str:
        operator, place = seen.atom.operator, 0
        if terms[0].kind == "constant" or terms[0].path == ("now",):
            operator, place = FLIPPED[operator], 1
        term, against = terms[place], seen.operands[1 - place]
        bound = self._side(seen, terms, 1 - place)
        holds = operator if seen.value else OPPOSITE[operator]
        wanted = OPPOSITE[holds] if better is not None and better != seen.value else ""
        if wanted == ">=" and term.path[1:] == ("vouches",) and term.kind == "":
            values: dict[str, Value] = {"seen": self.value(seen.operands[place]), "bound": bound}
            return self.say("saw.of", {**values, "name": self.name(term.path)})
        saw = self._saw(seen, term, place)
        if holds == "==":  # it is what it was held against: said once
            return saw
        if isinstance(against, datetime):
            code = f"bound.{_TIMES[holds]}"
        else:
            code = f"bound.{_WANTED.get(wanted, _RELATIONS[holds])}"
        count = 1 if re.match(r"1(?![\d.,])[^,]*$", bound) else 2
        told = self.say(code, {"bound": bound, "count": count})
        return self.say("atom.compared", {"saw": saw, "bound": told})

    def _saw(self, seen: AtomValue, term: Term, place: int) -> str:
        value = seen.operands[place]
        match term.kind:
            case "other" | "constant":
                return f"{cut(seen.atom.operands[place].source, SOURCE_LETTERS)}: " + self.value(
                    value
                )
            case "size" if isinstance(value, int):
                code = "saw.letters" if self._is_text(term.path) else "saw.items"
                return self.say(code, {"name": self.name(term.path), "count": value})
            case "since" | "ahead" if isinstance(value, timedelta):
                past = (value >= timedelta(0)) == (term.kind == "since")
                values = {"name": self.name(term.path), "seen": self.value(abs(value))}
                return self.say("saw.ago" if past else "saw.ahead", values)
            case "between":
                both = {"name": self.name(term.path), "other": self.name(term.other)}
                return self.say("saw.between", {**both, "seen": self.value(value)})
            case _:
                values = {"name": self.name(term.path), "seen": self.value(value, term.path)}
                return self.say("saw.value", values)

    def _is_text(self, path: tuple[str, ...]) -> bool:
        return isinstance(self._held(path), str)

    def _side(self, seen: AtomValue, terms: list[Term], place: int) -> str:
        """One side in brief: a constant's value, a fact's name with its value."""
        term, operand, value = terms[place], seen.atom.operands[place], seen.operands[place]
        other = terms[1 - place].path if isinstance(value, float) else term.path
        said = self.value(value, other if term.kind == "constant" else term.path)
        if term.kind == "constant" or term.path == ("now",):
            if self.admin and term.path[:1] == ("params",):
                return self.say("bound.param", {"bound": said, "param": term.path[1]})
            return said
        plain = term.kind == "" and len(term.path) > 1
        name = self.name(term.path) if plain else cut(operand.source, SOURCE_LETTERS)
        return self.say("atom.named", {"name": name, "seen": said})


def source_of(seen: AtomValue) -> str:
    """An atom as it is written, on one line."""
    return cut(seen.atom.source, SOURCE_LETTERS)


def cut(text: str, letters: int = TEXT_LETTERS) -> str:
    """One line of at most so many letters."""
    line = " ".join(text.split())
    return line if len(line) <= letters else f"{line[: letters - 1]}…"
