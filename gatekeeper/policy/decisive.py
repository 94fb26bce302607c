"""Which atoms of a condition made it what it is."""

from collections.abc import Callable, Sequence

from gatekeeper.policy.atoms import AtomValue, Shape
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.wording import term_of


def truth(shape: Shape, atoms: Sequence[AtomValue]) -> bool | None:
    """What a condition gives, from its atoms; None where that is not known."""
    parts = [truth(part, atoms) for part in shape.parts]
    match shape.kind:
        case "atom":
            return atoms[shape.atom].value
        case "not":
            return None if parts[0] is None else not parts[0]
        case "if":
            return None if parts[0] is None else parts[1 if parts[0] else 2]
        case _:
            ends = shape.kind == "or"  # what one part alone decides
            if ends in parts:
                return ends
            return None if None in parts else not ends


def decisive(shape: Shape, atoms: Sequence[AtomValue]) -> list[int]:
    """Every atom that has a share in what the condition is; where that is unknown, all faults."""
    whole = truth(shape, atoms)
    if shape.kind == "atom":
        return [shape.atom] if shape.atom >= 0 else []
    if shape.kind == "if":
        first = truth(shape.parts[0], atoms)
        taken = [] if first is None else [shape.parts[1 if first else 2]]
        inside = [shape.parts[0], *taken]
    else:
        inside = [p for p in shape.parts if shape.kind == "not" or truth(p, atoms) is whole]
    return [number for part in inside for number in decisive(part, atoms)]


def enough(
    shape: Shape, atoms: Sequence[AtomValue], fit: Callable[[AtomValue], bool]
) -> list[int] | None:
    """Atoms that alone make the condition what it is, all of them `fit`; None where there are no
    such ones."""
    whole = truth(shape, atoms)
    if whole is None:
        return None
    if shape.kind == "atom":
        return [shape.atom] if shape.atom >= 0 and fit(atoms[shape.atom]) else None
    if shape.kind in {"and", "or"} and whole is (shape.kind == "or"):  # one of them is enough
        for part in shape.parts:
            if truth(part, atoms) is whole:
                found = enough(part, atoms, fit)
                if found is not None:
                    return found
        return None
    if shape.kind == "if":
        needed: tuple[Shape, ...] = (
            shape.parts[0],
            shape.parts[1 if truth(shape.parts[0], atoms) else 2],
        )
    else:
        needed = shape.parts
    every = [enough(part, atoms, fit) for part in needed]
    if any(found is None for found in every):
        return None
    return [number for found in every if found for number in found]


def without_guards(atoms: Sequence[AtomValue], rules: RuleSet) -> list[AtomValue]:
    """Without has(x) where another atom tells of x."""
    told = set()
    for seen in atoms:
        if seen.atom.operator != "has":
            for operand in seen.atom.operands:
                term = term_of(operand, rules)
                told |= {term.path, term.other}
    return [
        seen
        for seen in atoms
        if seen.atom.operator != "has" or term_of(seen.atom.operands[0], rules).path not in told
    ]
