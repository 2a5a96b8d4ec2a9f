"""What a field's text stands for: a reader for each kind of column that a source may have.

Text comes as delivered. Every reader trims blanks, takes written nulls as missing and gives null
where nothing usable stands. Common forms are read straight from the column; only what does not fit
goes on to the next form.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c

BLANKS: Final = " \t\u00a0\ufeff"
"""Characters that count as blank: space, tab, no-break blank, byte-order mark."""

WRITTEN_NULLS: Final = ("null", r"\n", "none", "nan", "<nil>", "(null)", "undefined")
"""Texts, in lower case, that stand for a missing value in every column."""

Read = Callable[[pl.Series], pl.Series]
"""Text to values, null where the text is not of the reader's form."""


@dataclass(frozen=True)
class Reader:
    """How one kind of column is read, and how its values are stored.

    `holds` tells what an object, an array or a whole number of a floating-point type is in it.
    `fault` is what a value that cannot be used is called: `unreadable_...` or `unknown_...`.
    """

    means: str
    dtype: pl.DataType
    read: Read
    column: Callable[[str, bool, bool], dy.Column]
    """Makes the table's column from description, nullable and key."""
    holds: Literal["text", "id", "json"] = "text"
    fault: Literal["unreadable", "unknown"] = "unreadable"
    default: str | None = None
    """What stands where nothing is delivered, of a reader of text; None: nothing does."""

    def __call__(self, text: pl.Expr) -> pl.Expr:
        """The values of a column of text."""
        return text.map_batches(self.read, return_dtype=self.dtype, is_elementwise=True)


_ESCAPED_BLANKS = "".join(f"\\x{{{ord(blank):x}}}" for blank in BLANKS)
_NEEDS_CLEANING: Final = (
    rf"(?i)^$|^[{_ESCAPED_BLANKS}]|[{_ESCAPED_BLANKS}]$|^(?:"
    + "|".join(
        re.escape(null).replace("<", r"\x{3c}").replace(">", r"\x{3e}") for null in WRITTEN_NULLS
    )
    + ")$"
)


def clean(text: pl.Series) -> pl.Series:
    """Text without the blanks around it; null where nothing, or a written null, is left."""
    needs_cleaning = text.str.contains(_NEEDS_CLEANING)
    if not needs_cleaning.any():
        return text
    places = needs_cleaning.fill_null(False).arg_true()
    trimmed = text.gather(places).str.strip_chars(BLANKS)
    is_missing = (trimmed == "") | trimmed.str.to_lowercase().is_in(list(WRITTEN_NULLS))
    # `scatter` writes in place, and others read the same column.
    return text.clone().scatter(places, trimmed.set(is_missing, None))


def cleaned(text: pl.Expr) -> pl.Expr:
    """`clean` of a column; null tells that a value is missing."""
    return text.map_batches(clean, return_dtype=pl.String, is_elementwise=True)


def _adaptively(first: Read, *others: Read) -> Read:
    """Read a column by the first form, and what does not fit, cleaned, by the next ones."""

    def read(text: pl.Series) -> pl.Series:
        values = first(text)
        # Null stays null, so that equally many say that all else was read.
        if values.null_count() == text.null_count():
            return values
        rest = (values.is_null() & text.is_not_null()).arg_true()
        odd = clean(text.gather(rest))
        found = first(odd)
        for other in others:
            remaining = (found.is_null() & odd.is_not_null()).arg_true()
            if remaining.is_empty():
                break
            found = found.scatter(remaining, other(odd.gather(remaining)))
        return values.scatter(rest, found)

    return read


def _without(values: pl.Series, odd: pl.Series) -> pl.Series:
    return values.scatter(odd.arg_true(), None) if odd.any() else values


def _within(values: pl.Series, lowest: Any, highest: Any) -> pl.Series:
    """The values, those outside of two bounds left out."""
    return _without(_without(values, values < lowest), values > highest)


# --- text ----------------------------------------------------------------------------------------

TEXT: Final = Reader(
    "text, blanks around it trimmed",
    pl.String(),
    clean,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
)
ID: Final = Reader(
    "opaque text, blanks around it trimmed",
    pl.String(),
    clean,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
    holds="id",
)


def label(values: Sequence[str], suffix: str = "") -> Reader:
    """One of a few words, whatever its case as delivered.

    `suffix` is a word that may stand after it, blanks between the two.
    """
    dtype = pl.Enum(values)
    by_upper_case = {value.upper(): value for value in values}
    ending = rf"[{_ESCAPED_BLANKS}]+{re.escape(suffix.upper())}$"

    def read_exact(text: pl.Series) -> pl.Series:
        return text.cast(dtype, strict=False)

    def read_any_case(text: pl.Series) -> pl.Series:
        words = text.str.to_uppercase()
        if suffix:
            words = words.str.replace(ending, "")
        known = words.replace_strict(by_upper_case, default=None, return_dtype=pl.String)
        return known.cast(dtype)

    listed = f"{', '.join(f'`{value}`' for value in values[:-1])} or `{values[-1]}`"
    return Reader(
        f"{listed}, whatever case and blanks"
        + (f", with or without ` {suffix}` after it" if suffix else ""),
        dtype,
        _adaptively(read_exact, read_any_case),
        lambda description, nullable, key: c.label(
            description, tuple(values), nullable=nullable, key=key
        ),
        fault="unknown",
    )


def _read_json(text: pl.Series) -> pl.Series:
    def is_strict_json(value: str) -> bool:
        try:
            read_strict_json(value)
        except (ValueError, RecursionError):
            return False
        return True

    cleaned_text = clean(text)
    return pl.Series(
        text.name,
        [one if one is not None and is_strict_json(one) else None for one in cleaned_text],
        dtype=pl.String,
    )


def read_strict_json(text: str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is none, or has a number that JSON has not, such as `NaN`.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


JSON: Final = Reader(
    "JSON",
    pl.String(),
    _read_json,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
    holds="json",
)


# --- timestamps ----------------------------------------------------------------------------------

_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ISO: Final = (
    rf"^(?P<day>{_DAY})"
    rf"(?:[T ](?P<minute>{_HOUR_MINUTE})"
    r"(?::(?P<second>[0-5][0-9])(?P<fraction>\.[0-9]{1,9})?)?"
    rf"(?:[{_ESCAPED_BLANKS}]?(?P<offset>Z|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?$"
)
_US_DAY = r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12][0-9]|3[01])/[0-9]{4}"
_US: Final = (
    r"^(?P<month>0?[1-9]|1[0-2])/(?P<dom>0?[1-9]|[12][0-9]|3[01])/(?P<year>[0-9]{4})"
    r"(?: (?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?"
    r"(?: (?P<half>(?i:[AP]M)))?)?$"
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
MOMENT: Final = pl.Datetime("us")
_FIRST_MOMENT = datetime(_FIRST_YEAR, 1, 1)
_LAST_MOMENT = datetime(_LAST_YEAR, 12, 31, 23, 59, 59, 999_999)


def _timestamps_like(pattern: str, form: str) -> Read:
    """A reader of one form of timestamp; it alone would take some that the contract does not."""

    def read(text: pl.Series) -> pl.Series:
        fits = text.str.contains(pattern)
        if not fits.any():
            return pl.repeat(None, text.len(), dtype=MOMENT, eager=True)
        if not fits.all():
            # `scatter` writes in place, and the next reader still needs the text.
            text = text.clone().scatter((~fits).arg_true(), None)
        if "%H" in form:
            # Moments seldom come twice: to remember those that were read takes three times as long.
            values = text.str.to_datetime(form, strict=False, time_unit="us", cache=False)
        else:
            values = text.str.to_date(form, strict=False).cast(MOMENT)
        # Comparing moments costs a small part of what telling their years does.
        return _within(values, _FIRST_MOMENT, _LAST_MOMENT)

    return read


def _read_other_timestamps(text: pl.Series) -> pl.Series:
    iso = pl.col("text").str.extract_groups(_ISO).struct
    us = pl.col("text").str.extract_groups(_US).struct
    offset = iso.field("offset")
    digits = offset.str.replace(":", "", literal=True)
    minutes = (
        digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 60
        + digits.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    ) * pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
    iso_text = pl.concat_str(
        iso.field("day"),
        pl.lit(" "),
        iso.field("minute").fill_null("00:00"),
        pl.lit(":"),
        iso.field("second").fill_null("00"),
        # Microseconds: digits beyond the sixth are cut.
        iso.field("fraction").fill_null(".0").str.slice(0, 7).str.pad_end(7, "0"),
    )
    hour, half = us.field("hour").cast(pl.Int32), us.field("half").str.to_uppercase()
    of_day = (
        pl.when(half.is_null())
        .then(hour.fill_null(0))
        .when(hour.is_between(1, 12))
        .then(hour % 12 + pl.when(half == "PM").then(12).otherwise(0))
    )
    us_text = pl.concat_str(
        us.field("year"),
        pl.lit("-"),
        us.field("month").str.zfill(2),
        pl.lit("-"),
        us.field("dom").str.zfill(2),
        pl.lit(" "),
        of_day.cast(pl.String).str.zfill(2),
        pl.lit(":"),
        us.field("minute").fill_null("00"),
        pl.lit(":"),
        us.field("second").fill_null("00"),
        pl.lit(".000000"),
    )
    written = pl.coalesce(iso_text, us_text).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"
    )
    has_shift = digits.str.starts_with("+") | digits.str.starts_with("-")
    return (
        text.alias("text")
        .to_frame()
        .select(written=written, minutes=pl.when(has_shift).then(minutes).fill_null(0))
        .select(
            pl.when(pl.col("written").dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)).then(
                pl.col("written") - pl.duration(minutes=pl.col("minutes"))
            )
        )
        .to_series()
        .cast(MOMENT)
    )


TIMESTAMP: Final = Reader(
    "ISO 8601 or US style, years 1970 to 2199, UTC unless it has an offset",
    MOMENT,
    _adaptively(
        _timestamps_like(rf"^{_DAY} {_HOUR_MINUTE}:[0-5][0-9]$", "%Y-%m-%d %H:%M:%S"),
        _timestamps_like(rf"^{_DAY}T{_HOUR_MINUTE}:[0-5][0-9]Z$", "%Y-%m-%dT%H:%M:%SZ"),
        _timestamps_like(rf"^{_DAY}$", "%Y-%m-%d"),
        _timestamps_like(rf"^{_US_DAY}$", "%m/%d/%Y"),
        _read_other_timestamps,
    ),
    lambda description, nullable, key: c.moment(description, nullable=nullable, key=key),
)


# --- numbers -------------------------------------------------------------------------------------

_WHOLE_NUMBER: Final = r"^([0-9]{1,9})(?:\.0*)?$"
_DECIMAL: Final = r"^([0-9]*)(?:\.([0-9]*))?$"
_HAS_DIGIT: Final = "[0-9]"
_SCORE: Final = r"^([0-9]*(?:\.[0-9]{0,2})?)0*$"


def _read_common_integers(text: pl.Series) -> pl.Series:
    values = text.cast(pl.Int32, strict=False)
    return _without(
        values,
        (text.str.len_bytes() > 9) | text.str.starts_with("+") | text.str.starts_with("-"),
    )


def _read_other_integers(text: pl.Series) -> pl.Series:
    return text.str.extract(_WHOLE_NUMBER, 1).cast(pl.Int32)


WHOLE_NUMBER: Final = Reader(
    "whole number of at most 9 digits",
    pl.Int32(),
    _adaptively(_read_common_integers, _read_other_integers),
    lambda description, nullable, key: dy.Int32(
        min=0, nullable=nullable, primary_key=key, description=description
    ),
)


def decimal(shift: int = 0) -> Reader:
    """A plain decimal number >= 0, times ten to the power of `shift`, as Float64.

    The point moves in the text: 1.001 times 1,000 is 1001, where a product of doubles need not be.
    """

    def read(text: pl.Series) -> pl.Series:
        whole = clean(text)
        parts = pl.col("text").str.extract_groups(_DECIMAL).struct
        fraction = parts.field("2").fill_null("").str.pad_end(shift, "0")
        moved = pl.concat_str(
            pl.lit("0"),
            parts.field("1"),
            fraction.str.slice(0, shift),
            pl.lit("."),
            fraction.str.slice(shift),
            pl.lit("0"),
        )
        value = moved.cast(pl.Float64, strict=False)
        is_number = pl.col("text").str.contains(_HAS_DIGIT) & value.is_finite()
        return whole.alias("text").to_frame().select(pl.when(is_number).then(value)).to_series()

    return Reader(
        "decimal number >= 0" + (f", stored times {10**shift:,}" if shift else ""),
        pl.Float64(),
        read,
        lambda description, nullable, key: dy.Float64(
            min=0, nullable=nullable, primary_key=key, description=description
        ),
    )


def score(lowest: int, highest: int) -> Reader:
    """A number of one digit with at most 2 decimals besides zeros at the end, as Float64."""

    def read_common(text: pl.Series) -> pl.Series:
        values = text.cast(pl.Int32, strict=False)
        one_digit = _without(values, text.str.len_bytes() > 1)
        return _within(one_digit, lowest, highest).cast(pl.Float64)

    def read_other(text: pl.Series) -> pl.Series:
        values = text.str.extract(_SCORE, 1).cast(pl.Float64, strict=False)
        return _within(values, lowest, highest)

    return Reader(
        f"number from {lowest} to {highest}, at most 2 decimals besides zeros at the end",
        pl.Float64(),
        _adaptively(read_common, read_other),
        lambda description, nullable, key: dy.Float64(
            min=float(lowest),
            max=float(highest),
            nullable=nullable,
            primary_key=key,
            description=description,
        ),
    )


def _read_flags(text: pl.Series) -> pl.Series:
    words = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
    return (
        clean(text).str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    )


FLAG: Final = Reader(
    "`true`, `t`, `1` or `false`, `f`, `0`, whatever case and blanks",
    pl.Boolean(),
    _read_flags,
    lambda description, nullable, key: dy.Bool(
        nullable=nullable, primary_key=key, description=description
    ),
)
