"""Criteria to SQL; the values never stand in the text of a statement, names come from Mappers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gatekeeper.policy.predicates import (
    And,
    Compare,
    Constant,
    IsNull,
    IsText,
    Or,
    Predicate,
)
from gatekeeper.storage.mapping import Column, Mapper

FEW: Final = 10  # values that PostgreSQL gets one by one; it would read each mark of many anew
_COMPARED: Final = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def quoted(names: Iterable[str]) -> str:
    """Names as SQL has them, with commas between."""
    return ", ".join(f'"{name}"' for name in names)


def where(mapper: Mapper[Any], club: str, criteria: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The condition after WHERE and its values; ValueError for criteria that have no meaning."""
    parts, values = ['"club" = ?'], [club]
    if mapper.dialect == "sqlite" and not criteria.keys().isdisjoint({"id", "id__in"}):
        parts = ['+"club" = ?']  # else SQLite may walk over all of the club instead
    for criterion, wanted in criteria.items():
        name, _, operator = criterion.partition("__")
        column = mapper.column(name)
        if column.codec.nested and operator != "set" and wanted is not None:
            raise ValueError(f"{name} is nested: no criterion")
        if operator == "in" and mapper.dialect == "postgres" and len(wanted) > FEW:
            part, more = _any_of(column, wanted)
        else:
            part, more = _condition(column, operator, wanted)
        parts.append(part)
        values.extend(more)
    return " AND ".join(parts), values


def order_by(mapper: Mapper[Any], order: str, dialect: str) -> str:
    """The same order on both databases: None first, texts by their letters' numbers, then ids."""
    way = "DESC" if order.startswith("-") else "ASC"
    column = mapper.column(order.removeprefix("-"))
    text = f'"{column.name}"'
    if column.codec.text and dialect == "postgres":
        text += ' COLLATE "C"'
    text += f" {way}"
    if column.nullable:
        text += " NULLS FIRST" if way == "ASC" else " NULLS LAST"
    return text if column.name == "id" else f'{text}, "id" {way}'


def met(mapper: Mapper[Any], predicate: Predicate) -> tuple[str, list[Any]]:
    """A predicate as `predicates.between` gives it, and its values."""
    match predicate:
        case Constant(value):
            return ("1 = 1" if value else "1 = 0"), []
        case And(parts) | Or(parts):
            made = [met(mapper, part) for part in parts]
            joined = (" AND " if isinstance(predicate, And) else " OR ").join(
                sql for sql, _ in made
            )
            return f"({joined})", [value for _, values in made for value in values]
        case IsNull(column, negated):
            name = mapper.column(column).name
            return f'"{name}" IS {"NOT NULL" if negated else "NULL"}', []
        case IsText(column, text, negated):
            named = mapper.column(column)
            return f'"{named.name}" {"<>" if negated else "="} ?', [named.codec.encode(text)]
        case Compare(column, sign, value):
            named = mapper.column(column)
            return f'"{named.name}" {sign} ?', [named.codec.encode(value)]


def _condition(column: Column, operator: str, wanted: Any) -> tuple[str, list[Any]]:
    name, encode = f'"{column.name}"', column.codec.encode
    if operator == "" and wanted is None:
        return f"{name} IS NULL", []
    if operator == "":
        return f"{name} = ?", [encode(wanted)]
    if operator == "set":
        return f"{name} IS {'NOT NULL' if wanted else 'NULL'}", []
    if operator in _COMPARED:
        return f"{name} {_COMPARED[operator]} ?", [encode(wanted)]
    if operator in ("in", "not_in"):
        return _among(column, operator == "in", list(wanted), encode)
    raise ValueError(f"no such criterion: {column.name}__{operator}")


def _any_of(column: Column, wanted: Iterable[Any]) -> tuple[str, list[Any]]:
    """Many values as one array: the statement stays the same, and is prepared once."""
    values = [column.codec.encode(each) for each in wanted if each is not None]
    found = f'"{column.name}" = ANY(?)'
    none_named = any(each is None for each in wanted)
    return (f'({found} OR "{column.name}" IS NULL)' if none_named else found), [values]


def _among(
    column: Column, inside: bool, wanted: list[Any], encode: Callable[[Any], Any]
) -> tuple[str, list[Any]]:
    """In SQL nothing is known of NULL; here None is a value like any other."""
    values = [encode(each) for each in wanted if each is not None]
    marks = ", ".join("?" * len(values))
    name, none_named = f'"{column.name}"', len(values) < len(wanted)
    if inside:
        found = f"{name} IN ({marks})" if values else "1 = 0"
        return f"({found} OR {name} IS NULL)" if none_named else found, values
    found = f"{name} NOT IN ({marks})" if values else "1 = 1"
    tail = f"AND {name} IS NOT NULL" if none_named else f"OR {name} IS NULL"
    return f"({found} {tail})", values
