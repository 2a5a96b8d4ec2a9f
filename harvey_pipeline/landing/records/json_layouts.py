"""JSON lines whose keys come in one order, read all at once by one regular expression.

A line that matches is an object of just these keys, whose values stand in it one by one: what
matches a value is one JSON value, so there is no other way to read the line. It says nothing about
lines that do not match, such as those with objects within objects.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

SURROGATES: Final = re.compile("[\ud800-\udfff]")

_STRING: Final = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_SCALAR: Final = rf"{_STRING}|{_NUMBER}|true|false|null"
_BETWEEN: Final = rf"(?:[0-9a-zA-Z+\-.,: \t]|{_STRING})*"
_FLAT: Final = rf"\[{_BETWEEN}\]|\{{{_BETWEEN}\}}"
"""An array or object without another one in it matches; so does some text that is no JSON."""

_SPACE: Final = r"[ \t]*"
_MOST_KEYS: Final = 100


@dataclass(frozen=True)
class Layout:
    """One order of keys.

    `pattern`: what its lines match; a group for each key, numbered from 1.
    `columns`: of each column that a key names, the group.
    `nested`: the groups in which an array or object may stand.
    """

    pattern: str
    columns: dict[str, str]
    nested: list[str]

    def read(
        self, lines: pl.DataFrame, is_json: Callable[[str], bool]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The lines that match, with a column of text for each that a key names, and the others.

        Args:
            lines: With the column `text`.
            is_json: Whether the text of an array or object is JSON.
        """
        groups = lines["text"].str.extract_groups(self.pattern).struct.unnest()
        is_read = groups["1"].is_not_null()
        for group in self.nested:
            texts = groups[group].unique().drop_nulls()
            texts = texts.filter(texts.str.contains(r"^[\[{]"))
            if broken := [text for text in texts if not is_json(text)]:
                is_read &= ~groups[group].is_in(broken)
        named = [pl.col(group).alias(name) for name, group in self.columns.items()]
        values = _values(groups.filter(is_read).select(named))
        return lines.filter(is_read).hstack(values), lines.filter(~is_read)


def layout_of(
    keys: Sequence[str], columns: Iterable[tuple[int, str]], holding_json: Iterable[str]
) -> Layout | None:
    """The layout of objects with some keys; None where one expression should not tell them.

    Args:
        keys: The keys, in their order.
        columns: The places of the keys that count, each with its column.
        holding_json: The columns in which an array or object is a value.
    """
    if not 0 < len(keys) <= _MOST_KEYS or SURROGATES.search("".join(keys)):
        return None
    groups = {column: str(place + 1) for place, column in columns}
    nested = [groups[column] for column in holding_json if column in groups]
    members = (
        f"{_SPACE}{pl.escape_regex(json.dumps(key, ensure_ascii=False))}{_SPACE}:{_SPACE}"
        f"({_SCALAR}{f'|{_FLAT}' if str(group) in nested else ''}){_SPACE}"
        for group, key in enumerate(keys, start=1)
    )
    return Layout(rf"^\{{{','.join(members)}\}}$", groups, nested)


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
