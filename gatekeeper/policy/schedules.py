"""Whether a text is a cron expression that makes sense; when it fires is the engine's business."""

import re

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# Names (the first one has the number `low`), smallest and largest number of each field.
_FIELDS: tuple[tuple[list[str], int, int], ...] = (
    ([], 0, 59),  # seconds, only with six fields
    ([], 0, 59),
    ([], 0, 23),
    ([], 1, 31),
    (_MONTHS, 1, 12),
    (_DAYS, 0, 7),
)
_DAYS_OF = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?")


def is_cron(text: str) -> bool:
    """Whether `text` is cron with 5 fields, or with 6 of which the first one is seconds."""
    fields = text.split()
    if len(fields) not in {5, 6}:
        return False
    shapes = _FIELDS[-len(fields) :]
    return all(
        _fits(item, *shape)
        for field, shape in zip(fields, shapes, strict=True)
        for item in field.split(",")
    )


def never_fires(text: str) -> bool:
    """Whether a cron expression names only days that no month has, such as 30 February."""
    *_, days, months, weekdays = text.split()
    if weekdays != "*":
        return False  # then either day will do
    listed = _numbers(days, *_FIELDS[3])
    return all(min(listed) > _DAYS_OF[month - 1] for month in _numbers(months, *_FIELDS[4]))


def is_often(text: str) -> bool:
    """Whether a cron expression fires more than once in an hour."""
    fields = text.split()
    return any(
        len(_numbers(field, *shape)) > 1
        for field, shape in zip(fields[:-4], _FIELDS[-len(fields) :], strict=False)
    )


def _numbers(field: str, names: list[str], low: int, high: int) -> set[int]:
    """The numbers that a field of a sound expression stands for."""
    found: set[int] = set()
    for item in field.split(","):
        parts = _ITEM.fullmatch(item)
        assert parts
        first, last, step = parts.groups()
        start = _number(first, names, low) if first else low
        end = _number(last, names, low) if last else start if first and not step else high
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _fits(item: str, names: list[str], low: int, high: int) -> bool:
    found = _ITEM.fullmatch(item)
    if not found:
        return False
    numbers = [_number(text, names, low) for text in found.group(1, 2) if text]
    step = found.group(3)
    ordered = numbers == sorted(numbers)
    return ordered and all(low <= n <= high for n in numbers) and (step is None or int(step) > 0)


def _number(text: str, names: list[str], low: int) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + low
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else -1
