"""Records of a file of JSON lines: one object a line, its values as they stand in the file."""

import json
import re
from collections.abc import Iterator, Sequence
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
from harvey_pipeline.landing.records.lazily import scan_batches

_PIECE_BYTES: Final = 8 << 20
_MOST_UNKNOWN: Final = 1_000
_MOST_KEY_ORDERS: Final = 10_000

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
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
    schema = record_schema(columns)
    with path.open("rb") as file:
        while piece := read_lines(file, _PIECE_BYTES):
            rows: list[tuple[Any, ...]] = []
            for line in piece.decode("utf-8").removesuffix("\n").split("\n"):
                number += 1
                text = line.strip(BLANKS + "\r")
                if not text:
                    continue
                values = reader.read(text)
                if values is None:
                    nothing = [None] * len(columns)
                    rows.append((number, line.removesuffix("\r"), "not_an_object", *nothing))
                else:
                    rows.append((number, None, None, *values))
            if rows:
                fields = dict(zip(schema, zip(*rows, strict=True), strict=True))
                yield pl.DataFrame(fields, schema=schema)


class _ObjectReader:
    """Lines to the values of the contract's columns; names that it does not know are noted."""

    def __init__(self, columns: Sequence[WantedColumn], unknown: list[str]) -> None:
        self._places = {column.delivered: place for place, column in enumerate(columns)}
        ids = [place for place, column in enumerate(columns) if column.holds == "id"]
        self._place_of_nested = {place: place for place in range(len(columns))}
        self._place_of_nested |= {place: len(columns) + nth for nth, place in enumerate(ids)}
        self._width = len(columns) + len(ids)
        self._unknown = unknown
        self._known_unknown: set[str] = set()
        self._orders: dict[tuple[str, ...], list[tuple[int, int]]] = {}

    def read(self, text: str) -> list[str | None] | None:
        """The values of an object's text, one per column, then the nested ones of the ids.

        None if it is no object.
        """
        if not text.startswith("{"):
            return None
        try:
            pairs = _DECODER.decode(text).pairs
        except (ValueError, RecursionError):
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
            return [None if v is None else _SURROGATES.sub("\ufffd", v) for v in values]
        return values

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
        name = _SURROGATES.sub("\ufffd", key)
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
