"""JSON text looked into all at once, by regular expressions, without reading its values.

Each of these vouches for what it tells, and says nothing of other text: it may be JSON too.
"""

from collections.abc import Collection
from functools import cache
from typing import Final

import polars as pl

SPACE: Final = r"[ \t\n\r]*"
STRING: Final = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
SCALAR: Final = rf"{STRING}|{NUMBER}|true|false|null"

_BETWEEN: Final = rf"[0-9a-zA-Z+\-.,: \t\n\r]|{STRING}"

_DEPTH: Final = 3
"""Objects and arrays within each other, the outermost counted, that members are told of."""

_LONG_NUMBER: Final = r"(?:[0-9]{50}){80}"
"""Python refuses whole numbers of more digits than 4,300."""
_LONG_NUMBER_BYTES: Final = 4_000


@cache
def nested_pattern(depth: int) -> str:
    """What an array or object with so many within each other matches, itself counted.

    So does some text that is no JSON, but none whose brackets do not come in pairs: of text that
    is JSON, what matches from a bracket on is the value that begins with it.
    """
    inside = _BETWEEN if depth == 1 else f"{_BETWEEN}|{nested_pattern(depth - 1)}"
    return rf"[\[{{](?:{inside})*[\]}}]"


@cache
def _value_pattern(depth: int) -> str:
    """What JSON values match that hold at most so many arrays and objects within each other."""
    if not depth:
        return SCALAR
    value = f"(?:{_value_pattern(depth - 1)}){SPACE}"
    array = rf"\[{SPACE}(?:{value}(?:,{SPACE}{value})*)?\]"
    return f"{SCALAR}|{array}|{_object_pattern(depth)}"


@cache
def _object_pattern(depth: int) -> str:
    member = f"{STRING}{SPACE}:{SPACE}(?:{_value_pattern(depth - 1)}){SPACE}"
    return rf"\{{{SPACE}(?:{member}(?:,{SPACE}{member})*)?\}}"


def is_nested_json(text: pl.Series, depth: int) -> pl.Series:
    """Whether each text is a JSON value with at most so many arrays and objects within each other.

    False of a missing text.
    """
    return text.str.contains(f"^(?:{_value_pattern(depth)})$").fill_null(value=False)


def members_of(
    objects: pl.Series, keys: Collection[str] | None = None
) -> tuple[pl.DataFrame, pl.Series]:
    """The members of JSON objects, as they stand in their text.

    Returns:
        One row per member, in order: `row` (the place of the object), `key` (what stands between
        its quotes) and `value` (JSON text); and of each object whether it is vouched for. Members
        of those that are not may lack. A key may come twice.

    Args:
        objects: Texts that may be JSON objects.
        keys: Names without an escape, of which members are wanted; all by default.
    """
    is_read = objects.str.contains(f"^{SPACE}{_object_pattern(_DEPTH)}{SPACE}$").fill_null(
        value=False
    )
    if (objects.str.len_bytes() > _LONG_NUMBER_BYTES).any():
        is_long = objects.str.len_bytes() > _LONG_NUMBER_BYTES
        is_read &= ~(is_long & objects.str.contains(_LONG_NUMBER)).fill_null(value=False)
    places = is_read.arg_true()
    value = f"(?:{SCALAR}|{nested_pattern(_DEPTH - 1)})"
    members = (
        pl.DataFrame({"row": places.cast(pl.UInt32), "member": objects.gather(places)})
        .with_columns(pl.col("member").str.extract_all(f"{STRING}{SPACE}:{SPACE}{value}"))
        .explode("member")
        .drop_nulls("member")
    )
    # A key with an escape may be any key.
    escaped = members.filter(pl.col("member").str.contains(r'^"[^"\\]*\\'))["row"]
    if len(escaped):
        is_read = is_read.scatter(escaped.unique(), False)
    name = '[^"\\\\]*' if keys is None else "|".join(map(pl.escape_regex, keys))
    beginning = f'^"({name})"{SPACE}:{SPACE}'
    return (
        members.select("row", "member", key=pl.col("member").str.extract(beginning))
        .drop_nulls("key")
        .select("row", "key", value=pl.col("member").str.replace(beginning, ""))
    ), is_read
