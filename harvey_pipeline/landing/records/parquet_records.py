"""Records of a Parquet file: the contract's columns, read by pyarrow and written out as text.

polars' own scan of a file fails on types that it does not know even where they are not asked for.
"""

import json
import math
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvey_pipeline.landing.records.contract import Delivery, WantedColumn, nested_column
from harvey_pipeline.landing.records.examination import check_head
from harvey_pipeline.landing.records.header import match_columns, text_column
from harvey_pipeline.landing.records.lazily import scan_batches

_BATCH_ROWS: Final = 1 << 16

_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
"""From year 1 to year 9999."""

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Holds = Literal["text", "id", "json"]


@dataclass(frozen=True)
class _Field:
    """A column to be read: its text column, its name in the file, and what it is to hold."""

    text: str
    name: str
    holds: Holds
    is_uuid: bool


def open_parquet(columns: Sequence[WantedColumn], name: str, path: Path) -> Delivery:
    """Match the columns of a Parquet file and lay out how its records are read.

    Raises:
        LandingError: It is no whole Parquet file, or its columns are not the contract's.
    """
    check_head(name, path, "parquet")
    with pq.ParquetFile(path) as file:
        types = {field.name: field.type for field in file.schema_arrow}
        found = file.schema_arrow.names
        uuids = _uuid_columns(file)
    matches, unknown = match_columns(columns, name, found)
    holds = {text_column(column.delivered): column.holds for column in columns}
    header = tuple((text, column) for text, column in matches if text in holds)
    fields = [_Field(text, column, holds[text], column in uuids) for text, column in header]
    nested = {
        field.text: nested_column(field.text)
        for field in fields
        if field.holds == "id" and pa.types.is_nested(types[field.name])
    }
    fields += [_Field(nested[f.text], f.name, "json", False) for f in fields if f.text in nested]

    def read(wanted: list[str]) -> Iterator[pl.DataFrame]:
        return _read_batches(path, [field for field in fields if field.text in wanted])

    columns_read = [field.text for field in fields]
    return Delivery(name, header, unknown, scan_batches(name, columns_read, read), nested)


def _uuid_columns(file: Any) -> set[str]:
    leaves = [file.schema.column(place) for place in range(len(file.schema.names))]
    return {
        leaf.path
        for leaf in leaves
        if leaf.logical_type is not None and leaf.logical_type.type == "UUID"
    }


def _read_batches(path: Path, fields: list[_Field]) -> Iterator[pl.DataFrame]:
    number = 0
    with pq.ParquetFile(path) as file:
        for height, batch in _batches(file, fields):
            rows = pl.DataFrame(
                {
                    "line_number": pl.int_range(
                        number + 1, number + height + 1, dtype=pl.Int64, eager=True
                    )
                }
            )
            yield rows.with_columns(
                pl.lit(None, dtype=pl.String).alias("line"),
                pl.lit(None, dtype=pl.String).alias("fault"),
                *[
                    pl.Series(field.text, _as_text(batch.column(field.name), field), pl.String)
                    for field in fields
                ],
            )
            number += height


def _batches(file: Any, fields: list[_Field]) -> Iterator[tuple[int, Any]]:
    if not fields:
        for group in range(file.metadata.num_row_groups):
            yield file.metadata.row_group(group).num_rows, None
        return
    # A name picks what is nested under it, and another column of the name with a point behind.
    names = list(dict.fromkeys(field.name for field in fields))
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
        yield batch.num_rows, batch


# --- values as text ------------------------------------------------------------------------------


def _as_text(array: Any, field: _Field) -> pl.Series:
    """A column's values as text, one per row."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        is_uuid = field.is_uuid or kind.extension_name == "arrow.uuid"
        return _as_text(array.storage, _Field(field.text, field.name, field.holds, is_uuid))
    if pa.types.is_dictionary(kind):
        return _as_text(array.dictionary_decode(), field)
    if pa.types.is_run_end_encoded(kind):
        return _as_text(pc.run_end_decode(array), field)
    return _writer_of(kind, field)(array)


def _writer_of(kind: Any, field: _Field) -> Callable[[Any], pl.Series]:
    is_id = field.holds == "id"
    types = pa.types
    if field.is_uuid and types.is_fixed_size_binary(kind) and kind.byte_width == 16:
        return lambda array: _each(array, lambda value: str(uuid.UUID(bytes=value)))
    if types.is_null(kind):
        return lambda array: pl.Series([None] * len(array), dtype=pl.String)
    if types.is_floating(kind):
        return lambda array: _write_floats(array, is_id)
    if types.is_decimal(kind):
        return lambda array: _each(array, lambda value: _write_decimal(value, is_id))
    if types.is_timestamp(kind):
        return lambda array: _write_timestamps(array, kind.unit)
    if types.is_nested(kind):
        if is_id:
            return lambda array: pl.Series([None] * len(array), dtype=pl.String)
        return _write_nested
    if (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    ):
        return lambda array: _each(array, _write_bytes)
    if types.is_duration(kind) or types.is_interval(kind):
        return lambda array: _each(array.cast(pa.int64(), safe=False), str)
    return lambda array: _from_arrow(array.cast(pa.large_string()))


def _from_arrow(array: Any) -> pl.Series:
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def _each(array: Any, write: Callable[[Any], str | None]) -> pl.Series:
    values = [None if value is None else write(value) for value in array.to_pylist()]
    return pl.Series(values, dtype=pl.String)


def _write_bytes(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _write_decimal(value: Decimal, is_id: bool) -> str:
    text = format(value, "f")
    return re.sub(r"\.0*$", "", text) if is_id else text


def _write_floats(array: Any, is_id: bool) -> pl.Series:
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    values = _from_arrow(array)
    texts = values.cast(pl.String)
    if is_id:
        texts = texts.str.strip_suffix(".0")
    # Where the shortest text has an exponent, digits say the same.
    odd = texts.str.contains("e", literal=True).fill_null(False).arg_true()
    if odd.is_empty():
        return texts
    return texts.scatter(odd, [_without_exponent(text, is_id) for text in texts.gather(odd)])


def _without_exponent(text: str, is_id: bool) -> str:
    digits = format(Decimal(text), "f")
    return digits if is_id or "." in digits else f"{digits}.0"


def _write_timestamps(array: Any, unit: str) -> pl.Series:
    """UTC, to the microsecond; the integer itself where no calendar of four-digit years has it."""
    per_second = _PER_SECOND[unit]
    values = _from_arrow(array.view(pa.int64()))
    is_dated = (
        values.is_between(_FIRST_SECOND * per_second, (_LAST_SECOND + 1) * per_second - 1)
        if per_second < 10**9
        else values.is_not_null()
    )
    return (
        pl.DataFrame({"value": values, "is_dated": is_dated})
        .select(
            pl.when("is_dated")
            .then(
                (
                    pl.when("is_dated").then("value") // (per_second // 10**6)
                    if per_second > 10**6
                    else pl.when("is_dated").then("value") * (10**6 // per_second)
                )
                .cast(pl.Datetime("us"))
                .dt.to_string("%Y-%m-%d %H:%M:%S%.6f")
            )
            .otherwise(pl.col("value").cast(pl.String))
        )
        .to_series()
    )


def _write_nested(array: Any) -> pl.Series:
    try:
        return _each(array, lambda value: _write_json(value, array.type))
    except (OverflowError, ValueError):
        # A moment beyond Python's calendar has no value to be written out.
        return pl.Series(
            [str(value) if value.is_valid else None for value in array], dtype=pl.String
        )


def _write_json(value: Any, kind: Any) -> str:
    return json.dumps(_plain(value, kind), ensure_ascii=False)


def _plain(value: Any, kind: Any) -> Any:
    """A nested value as what JSON knows; numbers that JSON has not are null."""
    if pa.types.is_map(kind) and value is not None:
        pairs = value.items() if isinstance(value, dict) else value
        return {
            str(_plain(key, kind.key_type)): _plain(item, kind.item_type) for key, item in pairs
        }
    if isinstance(value, dict):
        return {name: _plain(item, kind.field(name).type) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, kind.value_type) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return _write_bytes(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
