"""Texts that a pattern finds, for whoever makes up facts: a few for each of its alternatives."""

from collections.abc import Sequence

MOST = 40  # texts for one pattern
_CLASSES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
_PLACES = "bBAzZ"  # escapes that stand for a place, not for a letter


def texts_for(pattern: str) -> tuple[str, ...]:
    """Texts that `pattern` (RE2) may find; only guesses where it uses what is rare."""
    try:
        found = _Reader(pattern).either()
    except RecursionError:  # hundreds of brackets in each other: nobody's pattern
        return ()
    return tuple(dict.fromkeys(text for text in found if text))[:MOST]


class _Reader:
    """Reads a pattern from left to right; each part gives the texts it stands for."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def next(self) -> str:
        letter = self.pattern[self.at : self.at + 1]
        self.at += 1
        return letter

    def sees(self, letters: str) -> bool:
        here = self.pattern[self.at : self.at + 1]
        return bool(here) and here in letters

    def either(self) -> list[str]:
        found = self.sequence()
        while self.sees("|"):
            self.next()
            found += self.sequence()
        return found

    def sequence(self) -> list[str]:
        found = [""]
        while self.at < len(self.pattern) and not self.sees("|)"):
            more = self.repeated(self.one())
            found = [text + one for one in more for text in found][:MOST]
        return found

    def one(self) -> list[str]:
        match self.next():
            case "(":
                return self.group()
            case "[":
                return [self.letter()]
            case "\\":
                escaped = self.next()
                return [""] if escaped in _PLACES else [_CLASSES.get(escaped, escaped)]
            case "^" | "$":
                return [""]
            case ".":
                return ["a"]
            case letter:
                return [letter]

    def group(self) -> list[str]:
        if self.sees("?"):  # flags, or a name, before what is grouped
            while self.at < len(self.pattern) and not self.sees(":>)"):
                self.next()
            if self.next() == ")":
                return [""]
        found = self.either()
        self.next()
        return found

    def letter(self) -> str:
        """One letter of a class such as [a-z]."""
        negated = self.sees("^")
        if negated:
            self.next()
        first = self.next()
        first = _CLASSES.get(inner := self.next(), inner) if first == "\\" else first
        while self.at < len(self.pattern) and not self.sees("]"):
            if self.next() == "\\":
                self.next()
        self.next()
        return ("-" if first != "-" else "a") if negated else first

    def repeated(self, texts: Sequence[str]) -> Sequence[str]:
        if self.sees("*?"):
            self.next()
            texts = ["", *texts]
        elif self.sees("+"):
            self.next()
        elif self.sees("{"):
            end = self.pattern.find("}", self.at)
            fewest = self.pattern[self.at + 1 : end].partition(",")[0]
            if end > 0 and fewest.isdigit():
                self.at = end + 1
                texts = [text * min(int(fewest), 100) for text in texts]
        if self.sees("?"):  # lazy: finds the same
            self.next()
        return texts
