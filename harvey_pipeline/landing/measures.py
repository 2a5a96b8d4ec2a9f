"""Readers of words, of texts that are measured and not kept, and of numbers within bounds.

They stand on the readers of `readers.py`: what is blank or a written null is missing here too.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import dataframely as dy
import polars as pl

from harvey_pipeline.landing.readers import (
    BLANKS,
    WHOLE_NUMBER,
    WRITTEN_NULLS,
    Read,
    Reader,
    clean,
    decimal,
    read_strict_json,
)
from harvey_pipeline.warehouse import columns as c

# --- words ---------------------------------------------------------------------------------------

NAME: Final = Reader(
    "text, blanks around it trimmed; an object or array is missing",
    pl.String(),
    clean,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
    holds="id",
)


def word(*missing: str) -> Reader:
    """Text in lower case, whatever its case as delivered; some words stand for none."""

    def read(text: pl.Series) -> pl.Series:
        words = clean(text).str.to_lowercase()
        return words.set(words.is_in(list(missing)).fill_null(False), None) if missing else words

    but = f"; {' and '.join(f'`{one}`' for one in missing)} is missing" if missing else ""
    return Reader(
        f"text in lower case, blanks around it trimmed{but}",
        pl.String(),
        read,
        lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
        holds="id",
    )


def with_default(reader: Reader, default: str) -> Reader:
    """A reader of text that gives a text of its own where nothing is delivered."""
    told = f"`{default}`" if default else "the empty text"
    return replace(
        reader,
        means=f"{reader.means}; {told} where missing",
        read=lambda text: reader.read(text).fill_null(default),
        default=default,
    )


# --- texts as they are ---------------------------------------------------------------------------


def _as_it_is(text: pl.Series) -> pl.Series:
    """Text, not trimmed; null where it is empty or a written null."""
    longest = max(map(len, WRITTEN_NULLS))
    places = (text.str.strip_chars(BLANKS).str.len_chars() <= longest).fill_null(False).arg_true()
    if places.is_empty():
        return text
    short = text.gather(places)
    trimmed = short.str.strip_chars(BLANKS).str.to_lowercase()
    is_missing = (short == "") | trimmed.is_in(list(WRITTEN_NULLS))
    return text.clone().scatter(places, short.set(is_missing.fill_null(False), None))


def excerpt(characters: int) -> Reader:
    """The beginning of a text, as it is: at most so many characters."""
    return Reader(
        f"text as it is, its first {characters:,} characters",
        pl.String(),
        lambda text: _as_it_is(text).str.head(characters),
        lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
        holds="id",
    )


def _count_column(description: str, nullable: bool, key: bool) -> dy.Column:
    return dy.Int32(min=0, nullable=nullable, primary_key=key, description=description)


def _flag_column(description: str, nullable: bool, key: bool) -> dy.Column:
    return dy.Bool(nullable=nullable, primary_key=key, description=description)


LENGTH: Final = Reader(
    "text as it is, of which the number of characters is kept",
    pl.Int32(),
    lambda text: _as_it_is(text).str.len_chars().cast(pl.Int32),
    _count_column,
    holds="id",
)
IS_WRITTEN: Final = Reader(
    "text as it is, of which is kept whether it holds more than blanks and line ends",
    pl.Boolean(),
    lambda text: _as_it_is(text).str.strip_chars(BLANKS + "\r\n") != "",
    _flag_column,
    holds="id",
)


# --- JSON ----------------------------------------------------------------------------------------

_STRING: Final = r'"[^"\\\x00-\x1f]*"'
_SPACE: Final = r"[ \t\r\n]*"
_PLAIN_LIST: Final = rf"^\[{_SPACE}(?:{_STRING}{_SPACE}(?:,{_SPACE}{_STRING}{_SPACE})*)?\]$"
"""Most lists: strings without escapes."""


def _lengths_of(kind: type[list[Any]] | type[dict[str, Any]]) -> Read:
    """The number of elements of strict JSON of one kind; null for all else."""

    def measure(value: str) -> int | None:
        try:
            found = read_strict_json(value)
        except (ValueError, RecursionError):
            return None
        return len(found) if isinstance(found, kind) else None

    def read(text: pl.Series) -> pl.Series:
        values = clean(text)
        if kind is list:
            is_plain = values.str.contains(_PLAIN_LIST)
            lengths = (
                values.str.count_matches(_STRING)
                .cast(pl.Int32)
                .set(~is_plain.fill_null(False), None)
            )
        else:
            lengths = pl.repeat(None, len(values), dtype=pl.Int32, eager=True)
        odd = (lengths.is_null() & values.is_not_null()).arg_true()
        if odd.is_empty():
            return lengths
        measured = values.gather(odd)
        known = {value: measure(value) for value in measured.unique()}
        return lengths.scatter(odd, pl.Series([known[value] for value in measured], dtype=pl.Int32))

    return read


_list_lengths, _object_lengths = _lengths_of(list), _lengths_of(dict)

LIST_LENGTH: Final = Reader(
    "JSON array, of which the number of elements is kept",
    pl.Int32(),
    _list_lengths,
    _count_column,
    holds="json",
)
HAS_ELEMENTS: Final = Reader(
    "JSON array, of which is kept whether it has an element",
    pl.Boolean(),
    lambda text: _list_lengths(text) > 0,
    _flag_column,
    holds="json",
)
HAS_KEYS: Final = Reader(
    "JSON object, of which is kept whether it has a key",
    pl.Boolean(),
    lambda text: _object_lengths(text) > 0,
    _flag_column,
    holds="json",
)


# --- numbers within bounds -----------------------------------------------------------------------


def _bounded(read: Read, lowest: float, highest: float) -> Callable[[pl.Series], pl.Series]:
    def read_bounded(text: pl.Series) -> pl.Series:
        values = read(text)
        outside = ((values < lowest) | (values > highest)).arg_true()
        return values if outside.is_empty() else values.scatter(outside, None)

    return read_bounded


def whole_score(lowest: int, highest: int) -> Reader:
    """A whole number within bounds (`4`, `4.0`), as Int32."""
    return Reader(
        f"whole number from {lowest} to {highest}",
        pl.Int32(),
        _bounded(WHOLE_NUMBER.read, lowest, highest),
        lambda description, nullable, key: dy.Int32(
            min=lowest, max=highest, nullable=nullable, primary_key=key, description=description
        ),
    )


def decimal_between(lowest: int, highest: int) -> Reader:
    """A plain decimal number within bounds, neither of them below 0, as Float64."""
    return Reader(
        f"decimal number from {lowest} to {highest}",
        pl.Float64(),
        _bounded(decimal().read, lowest, highest),
        lambda description, nullable, key: dy.Float64(
            min=lowest, max=highest, nullable=nullable, primary_key=key, description=description
        ),
    )


PERCENT: Final = decimal_between(0, 100)
