"""JSON lines whose keys come in one order, read all at once by one regular expression.

A line that matches is an object of some of these keys, whose values stand in it one by one: what
matches a value is one JSON value, so there is no other way to read the line. It says nothing about
lines that do not match, such as those with another key, or with objects nested deeply.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from harvey_pipeline.landing.json_text import SCALAR, SPACE, is_nested_json, nested_pattern

SURROGATES: Final = re.compile("[\ud800-\udfff]")

_DEPTH: Final = 3
"""Arrays and objects within each other that a value may be."""

_MOST_KEYS: Final = 100


@dataclass(frozen=True)
class Layout:
    """An order of keys, of which a line has the first and whichever of the others.

    `pattern`: what its lines match; a group for each key, numbered from 1.
    `columns`: of each column that a key names, the groups, that of the last key first.
    `nested`: the groups in which an array or object may stand.
    """

    pattern: str
    columns: dict[str, list[str]]
    nested: list[str]

    def read(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The lines that match, with a column of text for each that a key names, and the others.

        Args:
            lines: With the column `text`.
        """
        groups = lines["text"].str.extract_groups(self.pattern).struct.unnest()
        is_read = groups["1"].is_not_null()
        for group in self.nested:
            # What matches a nested value has its brackets in pairs, and may yet be no JSON.
            value = groups[group]
            places = value.str.contains(r"^[\[{]").fill_null(value=False).arg_true()
            broken = places.filter(~is_nested_json(value.gather(places), _DEPTH))
            if len(broken):
                is_read = is_read.scatter(broken, False)
        named = [
            pl.coalesce(pl.col(one) for one in own).alias(name)
            for name, own in self.columns.items()
        ]
        values = _values(groups.filter(is_read).select(named))
        return lines.filter(is_read).hstack(values), lines.filter(~is_read)


def merged_keys(known: Sequence[str], keys: Sequence[str]) -> tuple[str, ...] | None:
    """One order of keys of which two are parts that begin alike; None where there is none."""
    if known[:1] != keys[:1] or len({*keys}) < len(keys):
        return None
    merged = list(known)
    place = 0
    for key in keys:
        if key not in merged:
            merged.insert(place, key)
        elif merged.index(key) < place:
            return None
        place = merged.index(key) + 1
    return tuple(merged)


def layout_of(
    keys: Sequence[str], columns: Iterable[tuple[int, str]], holding_json: Iterable[str]
) -> Layout | None:
    """The layout of objects with some keys; None where one expression should not tell them.

    Args:
        keys: The keys, in their order.
        columns: The places of the keys that count, ascending, each with its column.
        holding_json: The columns in which an array or object is a value.
    """
    is_plain = not SURROGATES.search("".join(keys)) and len({*keys}) == len(keys)
    if not 0 < len(keys) <= _MOST_KEYS or not is_plain:
        return None
    groups: dict[str, list[str]] = {}
    for place, column in columns:
        groups[column] = [str(place + 1), *groups.get(column, [])]
    nested = [group for column in holding_json for group in groups.get(column, [])]
    first, *others = (
        f"{SPACE}{pl.escape_regex(json.dumps(key, ensure_ascii=False))}{SPACE}:{SPACE}"
        f"({SCALAR}{f'|{nested_pattern(_DEPTH)}' if str(group) in nested else ''}){SPACE}"
        for group, key in enumerate(keys, start=1)
    )
    return Layout(rf"^\{{{first}{''.join(f'(?:,{one})?' for one in others)}\}}$", groups, nested)


def _values(raw: pl.DataFrame) -> pl.DataFrame:
    """What values of JSON text say: strings what they hold, `null` nothing, others their text."""
    text = pl.all()
    is_string = text.str.starts_with('"')
    held = text.str.strip_prefix('"').str.strip_suffix('"')
    values = raw.select(pl.when(is_string).then(held).when(text != "null").then(text))
    is_escaped = raw.select(is_string & text.str.contains("\\", literal=True))
    return values.with_columns(
        values[name].scatter(places, _unescaped(values[name].gather(places)))
        for name in raw.columns
        if len(places := is_escaped[name].arg_true())
    )


def _unescaped(held: pl.Series) -> list[str]:
    """What JSON strings say, of the text between their quotes."""
    joined: str = held.str.join('","').item()
    texts: list[str] = json.loads(f'["{joined}"]')
    if "\\u" in joined:
        return [SURROGATES.sub("\ufffd", one) for one in texts]
    return texts
