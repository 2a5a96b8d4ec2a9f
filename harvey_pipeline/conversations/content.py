"""What is kept of an event's content: the keys that have a meaning, where they hold what has one.

Contents whose text tells it are read all at once. What that cannot vouch for is read one by one:
what is nested deeply, texts with other escapes than the short ones, a key that is escaped or comes
twice among the parameters, and what is no JSON object.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import TEXT_CHARACTERS
from harvey_pipeline.landing.json_text import members_of
from harvey_pipeline.landing.readers import Reader, clean
from harvey_pipeline.warehouse import columns as c

# --- one by one ----------------------------------------------------------------------------------

_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _what_is_read(content: dict[str, Any]) -> dict[str, Any]:
    """The keys of an event's content that have a meaning, where they hold what has one."""
    kept = {key: content[key] for key in ("role", "tool") if _is_text(content, key)}
    if _is_text(content, "message"):
        kept["message"] = content["message"][:TEXT_CHARACTERS]
    error = content.get("error")
    if isinstance(error, dict):
        error = next((error[key] for key in ("code", "message") if _is_text(error, key)), None)
    if isinstance(error, str):
        kept["error"] = error[:TEXT_CHARACTERS]
    params = content.get("params")
    if isinstance(params, dict):
        kept["params"] = {key: value for key, value in params.items() if isinstance(value, str)}
    return kept


def _is_text(found: dict[str, Any], key: str) -> bool:
    return isinstance(found.get(key), str)


def read_content(text: str) -> str | None:
    """What is read of a JSON object, as a JSON object; None if the text is none.

    Half of a surrogate pair, which no text can hold, becomes the replacement character.
    """
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kept = json.dumps(_what_is_read(found), ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub("\ufffd", kept) if "\\u" in text else kept


# --- all at once ---------------------------------------------------------------------------------

_TEXTS: Final = ("role", "tool", "message")
_CUT: Final = ("message", "error")
_KEPT: Final = (*_TEXTS, "error", "params")
"""In the order in which they are written."""
_ERROR_TEXTS: Final = ("code", "message")

_AS_WRITTEN: Final = r'^[^\\]*(?:\\["\\nrtbf][^\\]*)*$'
"""Strings of JSON, without control characters, that are written as they stand when written anew."""
_QUOTES: Final = 2


def _read_contents(text: pl.Series) -> pl.Series:
    """What is kept of each content; of those that come again it is told once."""
    contents = clean(text).alias("content")
    distinct = contents.unique()
    if 2 * len(distinct) > len(contents):
        return _read_each(contents).alias(text.name)
    known = pl.DataFrame([distinct, _read_each(distinct).alias("kept")])
    told = contents.to_frame().join(known, on="content", how="left", maintain_order="left")
    return told["kept"].alias(text.name)


def _read_each(contents: pl.Series) -> pl.Series:
    kept, is_read = read_all_at_once(contents)
    odd = (contents.is_not_null() & ~is_read).arg_true()
    if len(odd):
        kept = kept.scatter(odd, [read_content(one) for one in contents.gather(odd)])
    return kept


def read_all_at_once(contents: pl.Series) -> tuple[pl.Series, pl.Series]:
    """What is kept of each content, and whether that is vouched for; else it means nothing."""
    members, is_read = members_of(contents, _KEPT)
    told = _last_values(members, contents.len(), _KEPT)
    errors, is_error_read = _texts_of_errors(told["error"])
    params, are_params_read = _texts_in(told["params"])
    told = told.with_columns(
        *(pl.when(_is_string(name)).then(name) for name in _TEXTS), errors, params
    )
    texts = (*_TEXTS, "error")
    is_long = {name: pl.col(name).str.len_bytes() > TEXT_CHARACTERS + _QUOTES for name in _CUT}
    is_plain = [
        pl.col(name).str.contains(_AS_WRITTEN) & ~(is_long[name] & has_escape)
        if name in _CUT
        else pl.col(name).str.contains(_AS_WRITTEN)
        for name in texts
        for has_escape in (pl.col(name).str.contains("\\", literal=True),)
    ]
    written = [
        pl.concat_str(pl.lit(f'"{name}":'), _cut(name) if name in _CUT else pl.col(name))
        for name in _KEPT
    ]
    kept = pl.concat_str(
        pl.lit("{"), pl.concat_str(written, separator=",", ignore_nulls=True), pl.lit("}")
    )
    found = told.select(
        kept=kept, is_plain=pl.all_horizontal(one.fill_null(True) for one in is_plain)
    )
    kept_of_some = found["kept"].set(contents.is_null(), None)
    return kept_of_some, is_read & is_error_read & are_params_read & found["is_plain"]


def _is_string(name: str) -> pl.Expr:
    return pl.col(name).str.starts_with('"')


def _cut(name: str) -> pl.Expr:
    """A string without escapes, of at most so many characters."""
    text = pl.col(name)
    is_long = text.str.len_bytes() > TEXT_CHARACTERS + _QUOTES
    beginning = text.str.slice(1, text.str.len_chars() - _QUOTES).str.head(TEXT_CHARACTERS)
    return pl.when(is_long).then(pl.concat_str(pl.lit('"'), beginning, pl.lit('"'))).otherwise(text)


def _last_values(members: pl.DataFrame, height: int, keys: Sequence[str]) -> pl.DataFrame:
    """One row per object and a column per key: the value that comes last, null without one."""
    last = members.unique(["row", "key"], keep="last", maintain_order=True)
    rows = pl.DataFrame({"row": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    for key in keys:
        own = last.filter(pl.col("key") == key).select("row", pl.col("value").alias(key))
        rows = rows.join(own, on="row", how="left", maintain_order="left")
    return rows.drop("row")


def _texts_of_errors(errors: pl.Series) -> tuple[pl.Series, pl.Series]:
    """What each error says as a JSON string, null where it says nothing; and whether it is read."""
    objects = _objects(errors)
    members, is_read = members_of(objects, _ERROR_TEXTS)
    told = _last_values(members, objects.len(), _ERROR_TEXTS)
    said = told.select(pl.coalesce(pl.when(_is_string(name)).then(name) for name in _ERROR_TEXTS))
    texts = pl.select(pl.when(errors.str.starts_with('"')).then(errors).otherwise(said.to_series()))
    return texts.to_series().alias("error"), is_read | objects.is_null()


def _texts_in(params: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Objects with their texts alone, null of what is none; and whether each is read."""
    objects = _objects(params)
    members, is_read = members_of(objects)
    row, value = pl.col("row"), pl.col("value")
    judged = members.with_columns(
        is_twice=pl.struct("row", "key").is_duplicated(),
        is_odd=value.str.starts_with('"') & ~value.str.contains(_AS_WRITTEN),
    )
    odd = judged.filter(pl.col("is_twice") | pl.col("is_odd"))["row"]
    if len(odd):
        is_read = is_read.scatter(odd.unique(), False)
    written = pl.concat_str(pl.lit('"'), "key", pl.lit('":'), value)
    texts = (
        members.filter(value.str.starts_with('"'))
        .group_by(row, maintain_order=True)
        .agg(written.str.join(",").alias("texts"))
    )
    rows = pl.DataFrame(
        {"row": pl.int_range(objects.len(), dtype=pl.UInt32, eager=True), "is": objects}
    ).join(texts, on="row", how="left", maintain_order="left")
    inside = pl.col("texts").fill_null("")
    kept = pl.when(pl.col("is").is_not_null()).then(pl.concat_str(pl.lit("{"), inside, pl.lit("}")))
    return rows.select(params=kept).to_series(), is_read | objects.is_null()


def _objects(values: pl.Series) -> pl.Series:
    """The values that are objects; null in place of others."""
    return values.set(~values.str.starts_with("{").fill_null(value=False), None)


CONTENT: Final = Reader(
    "JSON object, of which is kept what is read: the texts `role`, `message` and `tool`, `error` "
    f"(of an object its text `code`, else `message`), of `message` and `error` the first "
    f"{TEXT_CHARACTERS:,} characters, and the texts in the object `params`",
    pl.String(),
    _read_contents,
    lambda description, nullable, key: c.text(description, nullable=nullable, key=key),
    holds="json",
)
