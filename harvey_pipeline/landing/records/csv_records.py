"""Records of a CSV file: lines that are records by themselves, and the others.

polars' own reader splits a file without quotes. A file with quotes, or with lines that are wider
than the header by two fields, which that reader does not tell, is read in pieces: lines that are
whole records are split by polars too, and only the others are read one by one.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from harvey_pipeline.landing.records.contract import (
    BLANKS,
    Delivery,
    LandingError,
    WantedColumn,
    record_schema,
)
from harvey_pipeline.landing.records.examination import (
    TextFacts,
    check_head,
    examine_text,
    lone_return,
    read_lines,
)
from harvey_pipeline.landing.records.header import CsvHeader, match_columns, read_csv_header
from harvey_pipeline.landing.records.lazily import scan_batches
from harvey_pipeline.landing.records.quoted import LoneReturnError, Record, RecordReader

_PIECE_BYTES: Final = 12 << 20
"""How much of a file is split at a time, up to the end of the line."""

_BLANK: Final = rf"^[{BLANKS}]*$"
_BEYOND: Final = "beyond"
_WRONG: Final = "wrong_field_count"


@dataclass(frozen=True)
class _Layout:
    """A file, its header, and the text columns of its fields."""

    name: str
    path: Path
    header: CsvHeader
    facts: TextFacts
    columns: list[str]


def open_csv(columns: Sequence[WantedColumn], name: str, path: Path) -> Delivery:
    """Examine a CSV file, match its header, and lay out how its records are read.

    Raises:
        LandingError: It is no CSV file of UTF-8 text, or its header is not the contract's.
    """
    check_head(name, path, "csv")
    header = read_csv_header(columns, name, path)
    facts = examine_text(name, path, header.length, header.separator, len(header.names))
    matched, unknown = match_columns(columns, name, header.names)
    layout = _Layout(name, path, header, facts, [column for column, _ in matched])
    is_plain = (
        facts.last_quote < 0 and not facts.is_wide and not _begins_with_mark(path, header.length)
    )
    read = _read_whole_lines if is_plain else _read_pieces
    records = scan_batches(name, layout.columns, lambda _: read(layout))
    return Delivery(name, matched, unknown, records)


def _begins_with_mark(path: Path, start: int) -> bool:
    # polars takes a mark at the beginning of what it reads for none of the text.
    with path.open("rb") as file:
        file.seek(start)
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


# --- files without quotes ------------------------------------------------------------------------


def _read_whole_lines(layout: _Layout) -> Iterator[pl.DataFrame]:
    """Every line is a record; from a line on that is too wide to be seen whole, in pieces."""
    following = layout.header.lines + 1
    scan = _scan(layout, layout.path, layout.header.lines, quote=None)
    # A file in one piece is planned, split and typed once; a large one would not fit into memory.
    is_small = layout.path.stat().st_size <= _PIECE_BYTES
    batches = (
        iter([scan.collect()])
        if is_small
        else scan.collect_batches(maintain_order=True, engine="streaming")
    )
    for batch in batches:
        if not _is_blank(batch[_BEYOND]):
            # Only the lines themselves tell how many more fields there are.
            for piece in _read_pieces(layout):
                yield piece.filter(pl.col("line_number") >= following)
            return
        if batch.height:
            records = batch.select(
                pl.col("line_number").cast(pl.Int64) + (layout.header.lines + 1),
                *_without_fault(),
                *layout.columns,
            )
            following = int(records["line_number"][-1]) + 1
            yield _without_blank_records(records, layout.columns)


def _is_blank(text: pl.Series) -> bool:
    """Whether nothing stands anywhere in a column, blanks aside."""
    return text.null_count() == text.len() or bool(text.str.contains(_BLANK).all())


def _scan(
    layout: _Layout, source: Path | bytes, lines: int, quote: Literal['"'] | None
) -> pl.LazyFrame:
    """Lines as records of text, with one field beyond the header's; blank lines count."""
    return pl.scan_csv(
        source,
        has_header=False,
        skip_lines=lines,
        schema=dict.fromkeys([*layout.columns, _BEYOND], pl.String()),
        separator=layout.header.separator,
        quote_char=quote,
        extra_columns="ignore",
        missing_columns="insert",
        row_index_name="line_number",
        glob=False,
    )


def _without_fault() -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.String).alias(column) for column in ("line", "fault")]


def _without_blank_records(records: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The records that have a fault or a field that is not blank."""
    first = records[columns[0]]
    if not first.null_count() and not first.str.contains(_BLANK).any():
        return records
    rest = records
    places = pl.int_range(records.height, dtype=pl.UInt32, eager=True)
    # Few records are blank in their first field, so the later ones are looked at for those only.
    for column in [*columns, "fault"]:
        text = rest[column]
        is_blank = text.is_null() | text.str.contains(_BLANK)
        rest, places = rest.filter(is_blank), places.filter(is_blank)
        if rest.is_empty():
            return records
    is_record = pl.repeat(True, records.height, dtype=pl.Boolean, eager=True)
    return records.filter(is_record.scatter(places, False))


# --- files with quotes ---------------------------------------------------------------------------


def _read_pieces(layout: _Layout) -> Iterator[pl.DataFrame]:
    """A piece of lines at a time; lines of a record that is not closed yet join the next piece."""
    reader = RecordReader(layout.header.separator)
    number = layout.header.lines + 1
    base = layout.header.length
    read_up_to = base
    carried = b""
    with layout.path.open("rb") as file:
        file.seek(base)
        # An open record is read again from its start, so the pieces grow with it.
        while new := read_lines(file, max(_PIECE_BYTES, len(carried))):
            read_up_to += len(new)
            piece = _Piece(carried + new, base, number, layout.facts.last_quote >= read_up_to)
            records, done = _split_piece(layout, reader, piece)
            yield records
            number += piece.data.count(b"\n", 0, done)
            base += done
            carried = piece.data[done:]


@dataclass(frozen=True)
class _Piece:
    """Whole lines of a file.

    `base`: where in the file they begin.
    `number`: the first line's number.
    `has_more_quotes`: whether the file has quotes behind them.
    """

    data: bytes
    base: int
    number: int
    has_more_quotes: bool


def _split_piece(layout: _Layout, reader: RecordReader, piece: _Piece) -> tuple[pl.DataFrame, int]:
    """The records of a piece, and where in it the record begins that is not closed yet."""
    lines = _sort_lines(layout, piece)
    odd = lines.filter(pl.col("is_odd"))
    parsed: list[tuple[int, Record]] = []
    spans: list[tuple[int, int]] = []
    done = len(piece.data)
    following = 0
    try:
        for place, start in odd.select("place", "start").iter_rows():
            if start < following:
                continue
            record = reader.read(
                piece.data, start, len(layout.columns), piece.base, piece.has_more_quotes
            )
            if record is None:
                done = start
                spans.append((place, lines.height))
                break
            following = record.following
            parsed.append((start, record))
            ended = piece.data.count(b"\n", start, following)
            spans.append(
                (place, place + ended + (not piece.data.endswith(b"\n", start, following)))
            )
    except LoneReturnError as error:
        line = piece.number + piece.data.count(b"\n", 0, error.place)
        raise lone_return(layout.name, line) from error
    whole = _split_whole(layout, piece, lines, spans)
    single = _as_frame(layout, piece, parsed, lines)
    records = pl.concat([whole, single]).sort("line_number") if single.height else whole
    return _without_blank_records(records, layout.columns), done


def _sort_lines(layout: _Layout, piece: _Piece) -> pl.DataFrame:
    """The lines of a piece, and which of them are not surely a record each by themselves.

    `place`, `start` (byte in the piece), `line` (without its end), `is_odd`, and `is_wide`: has no
    quotes, and something beyond the header's fields.
    """
    separator = layout.header.separator
    width = len(layout.columns)
    text = piece.data.decode("utf-8").removesuffix("\n")
    raw = pl.DataFrame({"raw": [text]}).select(
        pl.col("raw").str.split("\n").explode(empty_as_null=False)
    )
    length = pl.col("raw").str.len_bytes().cast(pl.Int64) + 1
    lines = raw.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("place"),
        (length.cum_sum() - length).alias("start"),
        pl.col("raw").str.strip_suffix("\r").alias("line"),
    ).with_columns(
        separators=pl.col("line").str.count_matches(separator, literal=True),
        has_quote=pl.col("line").str.contains('"', literal=True),
        has_return=pl.col("line").str.contains("\r", literal=True)
        if layout.facts.has_lone_returns
        else pl.lit(False),
    )
    plain = lines.filter(~pl.col("has_quote"))
    beyond = (
        plain.lazy()
        .filter(pl.col("separators") >= width)
        .select(
            "place",
            is_wide=pl.col("line")
            .str.splitn(separator, width + 1)
            .struct.field(f"field_{width}")
            .str.strip_chars(BLANKS + separator)
            != "",
        )
        .collect()
    )
    wide = beyond.filter("is_wide")["place"]
    quoted = (
        lines.lazy()
        .filter("has_quote")
        .select(
            "place",
            is_odd=~_is_whole_record(separator, width),
        )
        .collect()
    )
    odd = quoted.filter("is_odd")["place"]
    nothing = pl.repeat(False, lines.height, eager=True, dtype=pl.Boolean)
    return lines.select(
        "place",
        "start",
        "line",
        is_odd=nothing.clone().scatter(odd, True) | pl.col("has_return"),
        is_wide=nothing.clone().scatter(wide, True),
    )


def _is_whole_record(separator: str, width: int) -> pl.Expr:
    """Whether a line with quotes is surely one record of just its fields by RFC 4180.

    Its quotes are around fields or doubled within, nothing follows a closing one, and it has the
    header's number of fields, or one beyond that is blank; or fewer, and then no backslash that
    might tell otherwise.
    """
    line = pl.col("line")
    mark = re.escape(separator)
    one = rf'(?:"[^"]*(?:""[^"]*)*"|[^"\r{mark}][^"\r{mark}]*|)'
    is_simple = line.str.contains(rf"^{one}(?:{mark}{one})*$")
    outside = line.str.replace_all(r'"[^"]*"', "").str.count_matches(separator, literal=True) + 1
    has_backslash = line.str.contains('\\"', literal=True)
    is_surely_short = (pl.col("separators") < width) & ~has_backslash
    fields = pl.when(~is_surely_short).then(outside).otherwise(0)
    ends_blank = line.str.contains(rf"{mark}[{BLANKS}]*$")
    return is_simple & (
        is_surely_short
        | (fields == width)
        | ((fields < width) & ~has_backslash)
        | ((fields == width + 1) & ends_blank)
    )


def _split_whole(
    layout: _Layout, piece: _Piece, lines: pl.DataFrame, spans: list[tuple[int, int]]
) -> pl.DataFrame:
    """The records of the lines outside of spans (from a place to before another)."""
    if spans:
        taken = pl.repeat(0, lines.height + 1, eager=True, dtype=pl.Int64)
        taken = taken.scatter([first for first, _ in spans], 1)
        ends = [end for _, end in spans]
        taken = taken.scatter(ends, taken.gather(ends) - 1)
        lines = lines.filter(taken.cum_sum().head(lines.height) == 0)
    if lines.is_empty():
        return pl.DataFrame(schema=record_schema(layout.columns))
    data = piece.data
    if spans:
        data = lines["line"].str.join("\n").item().encode() + b"\n"
    # A line before them all keeps a byte-order mark what it is: a character of the text.
    split = _scan(layout, b"x\n" + data, 0, quote='"').collect().slice(1)
    if split.height != lines.height:
        raise LandingError(
            f"{layout.name}, line {piece.number}: {lines.height:,} lines from here on were split "
            f"into {split.height:,} records. Report the file: no content should come to this."
        )
    is_wide = lines["is_wide"]
    numbers = (lines["place"] + piece.number).alias("line_number")
    fields = split.with_columns(
        [
            pl.when(pl.col(column) != "").then(pl.col(column)).alias(column)
            for column in layout.columns
        ]
    )
    if not is_wide.any():
        return fields.select(
            numbers,
            *_without_fault(),
            *map(pl.col, layout.columns),
        )
    return fields.with_columns(numbers, lines["line"], is_wide).select(
        "line_number",
        pl.when("is_wide").then("line").alias("line"),
        pl.when("is_wide").then(pl.lit(_WRONG)).alias("fault"),
        *[
            pl.when(~pl.col("is_wide")).then(pl.col(column)).alias(column)
            for column in layout.columns
        ],
    )


def _as_frame(
    layout: _Layout, piece: _Piece, parsed: list[tuple[int, Record]], lines: pl.DataFrame
) -> pl.DataFrame:
    """Records that were read one by one."""
    width = len(layout.columns)
    texts = [
        [field.decode("utf-8") or None for field in record.fields or ()] for _, record in parsed
    ]
    padded = [[*fields, *[None] * (width - len(fields))] for fields in texts]
    starts = pl.DataFrame({"start": pl.Series([start for start, _ in parsed], dtype=pl.Int64)})
    places = starts.join(lines, on="start", how="left", maintain_order="left")["place"]
    rows = {
        "line_number": places + piece.number,
        "line": [
            piece.data[start : record.end].decode("utf-8") if record.fields is None else None
            for start, record in parsed
        ],
        "fault": [_WRONG if record.fields is None else None for _, record in parsed],
    } | {
        column: [fields[place] for fields in padded] for place, column in enumerate(layout.columns)
    }
    return pl.DataFrame(rows, schema=record_schema(layout.columns))
