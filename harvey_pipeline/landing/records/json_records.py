"""Records of a file of JSON lines: one object a line, its values as they stand in the file.

Lines whose keys come in an order that many lines have are read all at once; what that cannot vouch
for is read one by one.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from harvey_pipeline.landing.records.contract import (
    BLANKS,
    Delivery,
    WantedColumn,
    nested_column,
    record_schema,
)
from harvey_pipeline.landing.records.examination import (
    check_head,
    examine_text,
    lone_return,
    read_lines,
)
from harvey_pipeline.landing.records.header import matched, text_column
from harvey_pipeline.landing.records.json_layouts import (
    SURROGATES,
    Layout,
    layout_of,
    merged_keys,
)
from harvey_pipeline.landing.records.lazily import scan_batches

_PIECE_BYTES: Final = 8 << 20
_MOST_UNKNOWN: Final = 1_000
_MOST_KEY_ORDERS: Final = 10_000
_MOST_LAYOUTS: Final = 16
_FEW_LINES: Final = 64
"""Fewer lines than this are read sooner one by one than all at once."""

_SPACE: Final = re.compile(r"[ \t\r\n]*")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


class _Object(NamedTuple):
    """An object as its keys and values, in order, so that a key may come twice."""

    pairs: list[tuple[str, Any]]


# Numbers stay the text that they are.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=_refuse_constant
)


def open_jsonl(columns: Sequence[WantedColumn], name: str, path: Path) -> Delivery:
    """Examine a file of JSON lines and lay out how its records are read.

    Raises:
        LandingError: It is no UTF-8 text.
    """
    check_head(name, path, "jsonl")
    if examine_text(name, path).has_lone_returns:
        raise lone_return(name, _line_of_lone_return(path))
    header = tuple((text_column(column.delivered), column.delivered) for column in columns)
    unknown: list[str] = []
    reader = _ObjectReader(columns, unknown)
    ids = [text_column(column.delivered) for column in columns if column.holds == "id"]
    nested = {column: nested_column(column) for column in ids}
    fields = [column for column, _ in header] + list(nested.values())

    def read(_: list[str]) -> Iterator[pl.DataFrame]:
        return _read_pieces(path, fields, reader)

    return Delivery(name, header, unknown, scan_batches(name, fields, read), nested)


def _line_of_lone_return(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if b"\r" in line.rstrip(b"\n").removesuffix(b"\r"):
                return number
    return 1


def _read_pieces(path: Path, columns: list[str], reader: "_ObjectReader") -> Iterator[pl.DataFrame]:
    number = 0
    layouts: dict[tuple[str, ...], Layout] = {}
    with path.open("rb") as file:
        while piece := read_lines(file, _PIECE_BYTES):
            lines = pl.read_lines(piece, row_index_name="line_number", row_index_offset=number + 1)
            number += lines.height
            lines = lines.with_columns(
                pl.col("line_number").cast(pl.Int64),
                text=pl.col("line").str.strip_chars(BLANKS + "\r"),
            ).filter(pl.col("text") != "")
            read, rest = _read_by_layouts(lines, layouts, reader)
            read.append(_read_one_by_one(rest, columns, reader))
            records = pl.concat(read, how="diagonal")
            if records.height:
                yield records.sort("line_number")


def _read_by_layouts(
    lines: pl.DataFrame, layouts: dict[tuple[str, ...], Layout], reader: "_ObjectReader"
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """The records of lines whose keys come in an order that others have too, and the other lines.

    Orders are found by looking at the first of the lines that match none, a few times; they are
    kept for the pieces to come.
    """
    read: list[pl.DataFrame] = []
    apart: list[pl.DataFrame] = []

    def take(layout: Layout, rest: pl.DataFrame) -> pl.DataFrame:
        matching, others = layout.read(rest)
        read.append(matching.drop("line", "text"))
        return others

    for layout in layouts.values():
        lines = take(layout, lines)
    for _ in range(_MOST_LAYOUTS):
        if lines.height < _FEW_LINES:
            break
        first, height = lines.head(1), lines.height
        known, keys = _extended(layouts, reader.keys_of(first["text"][0]))
        found = reader.layout_of(keys) if keys is not None and keys not in layouts else None
        if found is not None and keys is not None:
            lines = take(found, lines)
            if height - lines.height > 1 and (known is not None or len(layouts) < _MOST_LAYOUTS):
                layouts.pop(known or keys, None)
                layouts[keys] = found
        if first.equals(lines.head(1)):
            apart.append(first)
            lines = lines.slice(1)
    return read, pl.concat([*apart, lines])


def _extended(
    layouts: Collection[tuple[str, ...]], keys: tuple[str, ...] | None
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """An order of keys that is known and, extended, holds some others too; and what it becomes.

    Without such a one it is None, and the keys by themselves.
    """
    if keys is not None:
        for known in layouts:
            if (extended := merged_keys(known, keys)) is not None:
                return known, extended
    return None, keys


def _read_one_by_one(
    lines: pl.DataFrame, columns: list[str], reader: "_ObjectReader"
) -> pl.DataFrame:
    schema = record_schema(columns)
    nothing = [None] * len(columns)
    rows: list[tuple[Any, ...]] = []
    for number, line, text in lines.select("line_number", "line", "text").iter_rows():
        values = reader.read(text)
        if values is None:
            rows.append((number, line.removesuffix("\r"), "not_an_object", *nothing))
        else:
            rows.append((number, None, None, *values))
    fields = dict(zip(schema, zip(*rows, strict=True), strict=True)) if rows else None
    return pl.DataFrame(fields, schema=schema)


class _ObjectReader:
    """Lines to the values of the contract's columns; names that it does not know are noted."""

    def __init__(self, columns: Sequence[WantedColumn], unknown: list[str]) -> None:
        self._places = {column.delivered: place for place, column in enumerate(columns)}
        ids = [place for place, column in enumerate(columns) if column.holds == "id"]
        self._place_of_nested = {place: place for place in range(len(columns))}
        self._place_of_nested |= {place: len(columns) + nth for nth, place in enumerate(ids)}
        self._columns = [text_column(column.delivered) for column in columns]
        self._holding_json = [
            text_column(column.delivered) for column in columns if column.holds == "json"
        ]
        self._width = len(columns) + len(ids)
        self._unknown = unknown
        self._known_unknown: set[str] = set()
        self._orders: dict[tuple[str, ...], list[tuple[int, int]]] = {}

    def read(self, text: str) -> list[str | None] | None:
        """The values of an object's text, one per column, then the nested ones of the ids.

        None if it is no object.
        """
        pairs = _pairs_of(text)
        if pairs is None:
            return None
        keys = tuple([key for key, _ in pairs])
        order = self._orders.get(keys)
        if order is None:
            order = self._order_of(keys)
        values: list[Any] = [None] * self._width
        has_nested = False
        for place, column in order:
            value = pairs[place][1]
            if value is True or value is False:
                value = "true" if value else "false"
            elif value.__class__ is _Object or value.__class__ is list:
                has_nested = True
                value = None
            values[column] = value
        if has_nested:
            self._fill_in_nested(text, pairs, order, values)
        if "\\u" in text:
            return [None if v is None else SURROGATES.sub("\ufffd", v) for v in values]
        return values

    def keys_of(self, text: str) -> tuple[str, ...] | None:
        """The keys of an object's text; None if it is no object."""
        pairs = _pairs_of(text)
        return None if pairs is None else tuple([key for key, _ in pairs])

    def layout_of(self, keys: tuple[str, ...]) -> Layout | None:
        """How lines with these keys are read all at once, if they can be."""
        self._order_of(keys)
        places = ((place, self._places.get(matched(key))) for place, key in enumerate(keys))
        columns = [(place, self._columns[one]) for place, one in places if one is not None]
        return layout_of(keys, columns, self._holding_json)

    def _order_of(self, keys: tuple[str, ...]) -> list[tuple[int, int]]:
        """For each column that the keys name, the last key that does, beside the column."""
        last: dict[int, int] = {}
        for place, key in enumerate(keys):
            column = self._places.get(matched(key))
            if column is not None:
                last[column] = place
            else:
                self._note_unknown(key)
        order = [(place, column) for column, place in last.items()]
        if len(self._orders) < _MOST_KEY_ORDERS:
            self._orders[keys] = order
        return order

    def _note_unknown(self, key: str) -> None:
        name = SURROGATES.sub("\ufffd", key)
        if name not in self._known_unknown and len(self._unknown) < _MOST_UNKNOWN:
            self._known_unknown.add(name)
            self._unknown.append(name)

    def _fill_in_nested(
        self,
        text: str,
        pairs: list[tuple[str, Any]],
        order: list[tuple[int, int]],
        values: list[Any],
    ) -> None:
        spans = _value_spans(text, len(pairs))
        for place, column in order:
            if isinstance(pairs[place][1], (_Object, list)):
                start, end = spans[place]
                values[self._place_of_nested[column]] = text[start:end]


def is_object(text: str) -> bool:
    """Whether a text without blanks around it is a JSON object, as lines of a file have to be."""
    return _pairs_of(text) is not None


def _pairs_of(text: str) -> list[tuple[str, Any]] | None:
    if not text.startswith("{"):
        return None
    try:
        found: _Object = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found.pairs


def _value_spans(text: str, count: int) -> list[tuple[int, int]]:
    """Where the values of an object begin and end in its text, which is known to be JSON."""
    spans = []
    position = 1
    for _ in range(count):
        _, position = _DECODER.raw_decode(text, _behind_space(text, position))
        position = _behind_space(text, _behind_space(text, position) + 1)
        start = position
        _, position = _DECODER.raw_decode(text, start)
        spans.append((start, position))
        position = _behind_space(text, position) + 1
    return spans


def _behind_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return position if space is None else space.end()
