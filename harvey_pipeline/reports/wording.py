"""Words that chapters share: counts, lists, names that others gave, and how a figure moved."""

from collections.abc import Sequence
from typing import Final

from harvey_pipeline.reports.page import Unit, shown

_WHOLE: Final = ("count", "days", "usd")
_NAME_CHARACTERS: Final = 60


def counted(count: int, noun: str, nouns: str = "") -> str:
    """`1 draft`, `2 drafts`; `nouns` is the plural where it is not the noun and an s."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def named(text: str, most: int = _NAME_CHARACTERS) -> str:
    """A name that others gave, fit for a sentence: one line of at most so many characters."""
    line = "".join(one if one.isprintable() else " " for one in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def distinct(labels: Sequence[str]) -> list[str]:
    """Labels of an axis, those that came before with a number: equal ones would be one bar."""
    seen: set[str] = set()
    told = []
    for label in labels:
        place, one = 1, label
        while one in seen:
            place += 1
            one = f"{label} ({place})"
        seen.add(one)
        told.append(one)
    return told


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 2 more`."""
    parts = list(names[:most])
    if len(names) > most:
        parts.append(f"{len(names) - most:,} more")
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def change(now: float, before: float, unit: Unit, days: int) -> str:
    """`+12 (+8.3 %) in 7 days`; of a percentage `+2.3 points in 7 days`."""
    period = f"in {counted(days, 'day')}"
    difference, decimals = now - before, 0 if unit in _WHOLE else 1
    if round(difference, decimals) == 0:
        return f"no change {period}"
    if unit == "percent":
        return f"{difference:+,.1f} points {period}"
    return f"{difference:+,.{decimals}f}{_share(difference, before)} {period}"


def moved(now: float, before: float, unit: Unit, days: int) -> str:
    """`rose from 41 to 47 (+14.6 %) in 30 days`, `fell from ...`, `stayed at 41 in 30 days`."""
    period = f"in {counted(days, 'day')}"
    then, at_last = shown(before, unit), shown(now, unit)
    if then == at_last:
        return f"stayed at {at_last} {period}"
    verb = "rose" if now > before else "fell"
    share = "" if unit == "percent" else _share(now - before, before)
    return f"{verb} from {then} to {at_last}{share} {period}"


def _share(difference: float, before: float) -> str:
    return f" ({100 * difference / before:+,.1f} %)" if before else ""
