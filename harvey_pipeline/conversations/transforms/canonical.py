"""Canonical JSON text of what a table holds as JSON: keys in order, no blanks, few escapes."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

EMPTY_OBJECT: Final = "{}"

_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_ESCAPES: Final[Mapping[str, str]] = {
    **{chr(code): f"\\u{code:04x}" for code in range(0x20)},
    **_SHORT,
}


def as_json_text(text: pl.Expr) -> pl.Expr:
    """A text as a JSON string: quotes, backslashes and control characters are escaped."""
    escaped = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))


def as_json_object(
    values: pl.DataFrame, key: Sequence[str], name: str, value: str, column: str
) -> pl.DataFrame:
    """One row per key: a canonical JSON object of the names and values of its rows.

    Args:
        values: One row per key and `name`, a text; `value` is a number, or JSON text.
        key: Columns of the rows that belong together.
        name: Column of the names.
        value: Column of the values.
        column: The column of the objects.
    """
    # Text is ordered as its bytes in UTF-8 are, which is the order of code points.
    member = pl.concat_str(as_json_text(pl.col(name)), pl.lit(":"), pl.col(value).cast(pl.String))
    return (
        values.sort(name)
        .select(*key, member=member)
        .group_by(key)
        .agg(pl.concat_str(pl.lit("{"), pl.col("member").str.join(","), pl.lit("}")).alias(column))
    )


def counts_as_json(columns: Mapping[str, str]) -> pl.Expr:
    """A canonical JSON object of counts by name, zeros left out.

    Args:
        columns: The columns of counts, by the names that they have in the object.
    """
    members = [
        pl.when(pl.col(columns[name]) > 0).then(
            pl.concat_str(
                pl.select(as_json_text(pl.lit(name))).to_series().item() + pl.lit(":"),
                pl.col(columns[name]).cast(pl.String),
            )
        )
        for name in sorted(columns)
    ]
    if not members:
        return pl.lit(EMPTY_OBJECT)
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    return pl.concat_str(pl.lit("{"), joined, pl.lit("}"))
