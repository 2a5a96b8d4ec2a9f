"""The catalogue of recommendations: data in TOML, read and judged before anything rests on it.

A condition is text, `<column> <op> <value>`. It is taken apart here and never evaluated as code.
"""

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.segments.tables.labels import PRIORITIES
from harvey_pipeline.segments.transforms.recommendations import (
    COMPARISONS,
    Condition,
    Field,
    Rule,
    Value,
)
from harvey_pipeline.settings import SettingsError
from harvey_pipeline.warehouse.table import Table

DEFAULT: Final = Path(__file__).with_name("catalogue.toml")

_TEXTS: Final = ("category", "suggestion", "reasoning")
_HOURS: Final = "estimated_time_savings_hours_month"
_COST: Final = "implementation_cost_usd_year"
_FIELDS: Final = (*_TEXTS, "conditions", _HOURS, "priority", _COST)

_MOST: Final = {_HOURS: 744.0, _COST: 1e9}
"""No month has more hours; no recommendation costs more."""

_RULE_ID: Final = re.compile(r"[a-z][a-z0-9_]*")
_CONDITION: Final = re.compile(r"\s*(\w+)\s*([^\w\s\"'.+-]+)\s*(.*?)\s*")
_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_EQUALITY: Final = ("=", "!=")


class CatalogueError(SettingsError):
    """A catalogue that cannot be used; the message names the file, the rule and the field."""


def read_catalogue(path: Path | None, tables: Iterable[Table]) -> tuple[Rule, ...]:
    """The rules of a catalogue, in the order of the file.

    Args:
        path: A TOML file with a table for each rule; None for the one that comes with the package.
        tables: Those whose columns conditions and reasoning may name; of columns that several
            have, the first table's counts.

    Raises:
        CatalogueError: The file cannot be read, or a rule of it is not one.
    """
    file = path or DEFAULT
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"The catalogue {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CatalogueError(f"The catalogue {file} is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"The catalogue {file} is no TOML: {error}.") from None
    if not found:
        raise CatalogueError(f"The catalogue {file} has no rule.")
    kinds: dict[str, pl.DataType] = {}
    for table in tables:
        kinds = {**table.polars_schema, **kinds}
    rules = []
    for rule_id, fields in found.items():
        try:
            rules.append(_read_rule(rule_id, fields, kinds))
        except ValueError as error:
            raise CatalogueError(f"The catalogue {file}, rule {rule_id}: {error}.") from None
    return tuple(rules)


def _read_rule(rule_id: str, fields: Any, kinds: Mapping[str, pl.DataType]) -> Rule:
    if not _RULE_ID.fullmatch(rule_id):
        raise ValueError("a rule is named by lower-case letters, digits and _, a letter first")
    if not isinstance(fields, dict):
        raise ValueError(f"it is {fields!r}; a rule is a table with {', '.join(_FIELDS)}")
    for name in fields:
        if name not in _FIELDS:
            raise ValueError(f"field {name} is unknown; there are {', '.join(_FIELDS)}")
    for name in _FIELDS:
        if name not in fields:
            raise ValueError(f"field {name} is missing")
    texts = {name: _read_text(name, fields[name]) for name in _TEXTS}
    priority = fields["priority"]
    if priority not in PRIORITIES:
        raise ValueError(f"field priority is {priority!r}; it is one of {', '.join(PRIORITIES)}")
    return Rule(
        rule_id=rule_id,
        category=texts["category"],
        suggestion=texts["suggestion"],
        reasoning=_within("reasoning", parse_reasoning, texts["reasoning"], kinds),
        conditions=_read_conditions(fields["conditions"], kinds),
        estimated_time_savings_hours_month=_read_number(_HOURS, fields[_HOURS]),
        priority=priority,
        implementation_cost_usd_year=_read_number(_COST, fields[_COST]),
    )


def _within(name: str, parse: Any, text: str, kinds: Mapping[str, pl.DataType]) -> Any:
    """What a parser makes of a field; its errors name the field."""
    try:
        return parse(text, kinds)
    except ValueError as error:
        raise ValueError(f"field {name}: {error}") from None


def _read_text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"field {name} is {value!r}; give a text")
    return " ".join(value.split())


def _read_number(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= _MOST[name]:
        raise ValueError(f"field {name} is {value!r}; give a number from 0 to {_MOST[name]:,.0f}")
    return float(value)


def _read_conditions(value: Any, kinds: Mapping[str, pl.DataType]) -> tuple[Condition, ...]:
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if not is_list or not value:
        raise ValueError(f"field conditions is {value!r}; give a list of conditions")
    return tuple(_within("conditions", parse_condition, one, kinds) for one in value)


def parse_condition(text: str, kinds: Mapping[str, pl.DataType]) -> Condition:
    """A condition out of `<column> <op> <value>`.

    Args:
        text: The condition. A word as value stands as it is, without quotes.
        kinds: The columns that there are, with their types.

    Raises:
        ValueError: The text is no condition, the column or the op is unknown, or the value, or the
            op, does not fit the column's kind.
    """
    parts = _CONDITION.fullmatch(text)
    if parts is None or not parts[3]:
        raise ValueError(f"{text!r} is no condition; write <column> <op> <value>")
    column, comparison, value = parts.groups()
    kind = _kind_of(column, kinds)
    if comparison not in COMPARISONS:
        raise ValueError(f"{text!r}: {comparison} is unknown; there are {' '.join(COMPARISONS)}")
    is_ordered = kind.is_numeric() or kind == pl.Date
    if not is_ordered and comparison not in _EQUALITY:
        raise ValueError(f"{text!r}: {column} has no order, so only {' and '.join(_EQUALITY)} fit")
    return Condition(column, comparison, _read_value(text, value, kind))


def parse_reasoning(text: str, kinds: Mapping[str, pl.DataType]) -> tuple[str | Field, ...]:
    """A text with `{column}` fields as its parts.

    Raises:
        ValueError: A column is unknown or cannot be told in a text, or a brace stands alone.
    """
    parts: list[str | Field] = []
    # Every second part is what stands between braces.
    for place, part in enumerate(_PLACE.split(text)):
        if place % 2:
            kind = _kind_of(part, kinds)
            parts.append(Field(part, kind.is_float()))
        elif "{" in part or "}" in part:
            raise ValueError(f"{text!r} has a brace that stands alone; write {{column}}")
        elif part:
            parts.append(part)
    return tuple(parts)


def _kind_of(column: str, kinds: Mapping[str, pl.DataType]) -> pl.DataType:
    kind = kinds.get(column)
    if kind is None:
        raise ValueError(f"column {column!r} is unknown; there are {', '.join(sorted(kinds))}")
    if not (kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Date) or _is_label(kind)):
        raise ValueError(f"column {column!r} is a list or a time, which a rule cannot look at")
    return kind


def _is_label(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Enum)


def _read_value(text: str, value: str, kind: pl.DataType) -> Value:
    """The value of a condition, as a value of its column's kind."""
    if kind.is_numeric():
        if _WHOLE.fullmatch(value):
            return int(value)
        if _DECIMAL.fullmatch(value):
            return float(value)
        raise ValueError(f"{text!r}: {value!r} is no number")
    if kind == pl.Boolean:
        if value not in ("true", "false"):
            raise ValueError(f"{text!r}: {value!r} is neither true nor false")
        return value == "true"
    if kind == pl.Date:
        return _read_day(text, value)
    if isinstance(kind, pl.Enum) and value not in kind.categories:
        known = ", ".join(kind.categories)
        raise ValueError(f"{text!r}: {value!r} is none of {known}")
    return value


def _read_day(text: str, value: str) -> date:
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{text!r}: {value!r} is no day; write YYYY-MM-DD")
