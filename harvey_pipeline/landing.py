"""The landing folder: which drops there are, and their records as text.

Finds files, opens CSV, gzipped CSV and Parquet, and splits them into records. What a field means
is no concern of this module: `transforms/parse.py` types and judges.
"""

import codecs
import csv
import gzip
import hashlib
import itertools
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from harvey_pipeline.tables.labels import SOURCES, Source
from harvey_pipeline.transforms.parse import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, text_column

_FORMATS: Final = (".csv", ".csv.gz", ".parquet")
_DROP_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(\.csv|\.csv\.gz|\.parquet|\.accept)")
_CHUNK_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 1 << 20
_QUOTED_BYTES: Final = 8 << 20
"""How much of a file with quotes is split at a time, up to the end of the line."""

_RECORD_LINES: Final = 100_000
"""A record that runs on over more lines than this has an unbalanced quote."""

_MOST_COLUMNS: Final = 1_000
"""More columns than this are no drop, and cost more time than a refusal saves."""


class LandingError(Exception):
    """A landing file that cannot be read: the message names file, reason and what to do."""


@dataclass(frozen=True)
class SourceFiles:
    """What the landing folder holds of one source."""

    source: Source
    root: Path
    drops: dict[date, Path] = field(default_factory=dict)
    bulk: Path | None = None
    accepted: frozenset[date] = frozenset()
    strays: tuple[Path, ...] = ()
    """Files that are neither a drop nor a marker: nothing reads them."""

    def name_of(self, path: Path) -> str:
        """The file's name relative to the landing folder."""
        return path.relative_to(self.root).as_posix()


def find_files(root: Path, source: Source) -> SourceFiles:
    """The drops, the bulk export and the markers of a source.

    Raises:
        LandingError: The landing folder is missing, or two files stand for the same drop.
    """
    if not root.is_dir():
        raise LandingError(
            f"landing folder {root} does not exist. Create it, or set HARVEY_LANDING_DIR to the "
            f"folder that holds users, firms and events."
        )
    drops: dict[date, Path] = {}
    accepted: set[date] = set()
    strays: list[Path] = []
    folder = root / source
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        match = _DROP_NAME.fullmatch(path.name.lower())
        day = _read_day(match[1]) if match else None
        if match is None or day is None:
            strays.append(path)
        elif match[2] == ".accept":
            accepted.add(day)
        elif day in drops:
            raise _two_files(root, drops[day], path)
        else:
            drops[day] = path
    bulk: Path | None = None
    for path in sorted(root.iterdir()):
        if path.name.lower() in {source + suffix for suffix in _FORMATS}:
            if bulk is not None:
                raise _two_files(root, bulk, path)
            bulk = path
    return SourceFiles(source, root, drops, bulk, frozenset(accepted), tuple(strays))


def find_all_files(root: Path) -> dict[Source, SourceFiles]:
    """`find_files` of every source."""
    return {source: find_files(root, source) for source in SOURCES}


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _two_files(root: Path, first: Path, second: Path) -> LandingError:
    names = [path.relative_to(root).as_posix() for path in (first, second)]
    return LandingError(
        f"{names[0]} and {names[1]} both stand for the same drop. Remove one of them."
    )


@dataclass(frozen=True)
class Delivery:
    """One opened file: its header and its records as text.

    `records` has `line_number` (of the record's first line, the header's being 1; row number in
    Parquet), `line` (the record as delivered; null in Parquet), `is_ragged` (another number of
    fields than the header) and one text column per field, as `header` names them.
    """

    name: str
    header: tuple[tuple[str, str], ...]
    unknown_columns: tuple[str, ...]
    records: pl.LazyFrame


def fingerprint(files: SourceFiles, path: Path) -> tuple[str, int]:
    """SHA-256 of a file's content, as hexadecimal, and its size in bytes.

    Raises:
        LandingError: The file cannot be read.
    """
    with _naming(files.name_of(path)), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


Stamp = tuple[int, int, int]


def stamp(files: SourceFiles, path: Path) -> Stamp:
    """What changes when a file is replaced or written to.

    Raises:
        LandingError: The file has gone.
    """
    with _naming(files.name_of(path)):
        stat = path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns


def check_unchanged(files: SourceFiles, path: Path, before: Stamp) -> None:
    """Make sure that everything read since `before` was read from one and the same content.

    Raises:
        LandingError: The file was replaced or written to.
    """
    if stamp(files, path) != before:
        raise LandingError(
            f"{files.name_of(path)} changed while it was read. Run again once it is complete."
        )


@contextmanager
def open_delivery(files: SourceFiles, path: Path, scratch: Path) -> Iterator[Delivery]:
    """Open a landing file; a gzipped one is unpacked into `scratch` for as long as it is open.

    Raises:
        LandingError: The file cannot be read, is no CSV or Parquet file, or lacks a column. Errors
            that only appear while the records are read are raised as LandingError too, if that
            happens inside the `with` block.
    """
    name = files.name_of(path)
    with _naming(name):
        if path.name.lower().endswith(".parquet"):
            yield _open_parquet(files.source, name, path)
        elif path.name.lower().endswith(".gz"):
            with tempfile.NamedTemporaryFile(dir=scratch, suffix=".csv") as plain:
                with gzip.open(path, "rb") as packed:
                    while chunk := packed.read(_CHUNK_BYTES):
                        plain.write(chunk)
                plain.flush()
                yield _open_csv(files.source, name, Path(plain.name))
        else:
            yield _open_csv(files.source, name, path)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into a LandingError that names the file."""
    try:
        yield
    except IsADirectoryError as error:
        raise LandingError(
            f"{name} is a directory, not a file. Put the drop itself in its place."
        ) from error
    except PermissionError as error:
        raise LandingError(
            f"{name} cannot be read: permission denied. Give the pipeline's user read access."
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LandingError(
            f"{name} is not a whole gzip file ({error}). Deliver it again."
        ) from error
    except FileNotFoundError as error:
        raise LandingError(f"{name} has gone while it was read. Deliver it again.") from error
    except pl.exceptions.PolarsError as error:
        # What follows the first line is about the query, not the file.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise LandingError(f"{name} cannot be read: {reason}. Deliver it again.") from error


def _name_columns(
    source: Source, name: str, found: Sequence[str]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Match a header with the contract: text columns beside header names, and unknown columns."""
    if len(found) > _MOST_COLUMNS:
        raise LandingError(
            f"{name} has {len(found):,} columns, more than {_MOST_COLUMNS:,}. Columns found: "
            f"{', '.join(column[:40] for column in found[:20])}, ... Deliver fewer of them."
        )
    contract = (*REQUIRED_COLUMNS[source], *OPTIONAL_COLUMNS[source])
    header: list[tuple[str, str]] = []
    unknown: list[str] = []
    for place, column in enumerate(found):
        known = column.strip().lower()
        if known not in contract:
            unknown.append(column)
            header.append((f"extra_{place}", column))
        elif any(text_column(known) == taken for taken, _ in header):
            raise LandingError(f"{name} has the column {known} twice. Remove one of them.")
        else:
            header.append((text_column(known), column))
    present = {column for column, _ in header}
    missing = [column for column in REQUIRED_COLUMNS[source] if text_column(column) not in present]
    if missing:
        shown = ", ".join(column[:40] for column in found[:20])
        raise LandingError(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. "
            f"Columns found: {shown}{', ...' * (len(found) > 20)}. "
            f"Deliver the file with its header line."
        )
    return tuple(header), tuple(unknown)


# --- Parquet -------------------------------------------------------------------------------------


def _open_parquet(source: Source, name: str, path: Path) -> Delivery:
    with path.open("rb"):
        pass
    scan = pl.scan_parquet(path, glob=False)
    schema = scan.collect_schema()
    header, unknown = _name_columns(source, name, list(schema))
    # By place: a name like `*` would be read as a pattern.
    fields = [
        _as_text(pl.nth(place), dtype).alias(column)
        for place, ((column, _), dtype) in enumerate(zip(header, schema.dtypes(), strict=True))
    ]
    records = (
        scan.select(fields)
        .with_row_index("index")
        .select(
            (pl.col("index").cast(pl.Int64) + 1).alias("line_number"),
            pl.lit(None, dtype=pl.String).alias("line"),
            pl.lit(False).alias("is_ragged"),
            *[column for column, _ in header],
        )
    )
    return Delivery(name, header, unknown, records)


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%d %H:%M:%S%.6f")
    if dtype.is_nested():
        return pl.lit(None, dtype=pl.String)
    return column.cast(pl.String, strict=False)


# --- CSV -----------------------------------------------------------------------------------------


def _open_csv(source: Source, name: str, path: Path) -> Delivery:
    has_quotes = _examine_text(name, path)
    header_line, found = _read_header(name, path)
    header, unknown = _name_columns(source, name, found)
    columns = [column for column, _ in header]
    if has_quotes:
        records = _scan_quoted(path, header_line, columns)
    else:
        records = _split_plain(_scan_lines(path, header_line), columns)
    return Delivery(name, header, unknown, records)


def _examine_text(name: str, path: Path) -> bool:
    """Whether a file has quotes at all, once it is seen to be text.

    Raises:
        LandingError: The file holds something other than UTF-8 text.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    has_quotes = False
    lines = 1
    is_plain = True
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if b"\0" in chunk:
                raise LandingError(
                    f"{name}, line {lines + chunk[: chunk.index(0)].count(10)}: holds a NUL byte, "
                    f"so it is a binary file (or UTF-16 text). Deliver UTF-8 text."
                )
            if not (is_plain and chunk.isascii()):
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    raise LandingError(
                        f"{name}, line {lines + chunk[: error.start].count(10)}: is not UTF-8 "
                        f"text. Deliver the file as UTF-8."
                    ) from error
                is_plain = decoder.getstate()[0] == b""
            has_quotes = has_quotes or b'"' in chunk
            lines += chunk.count(b"\n")
    if not is_plain:
        raise LandingError(f"{name} ends within a UTF-8 character. Deliver the file again.")
    return has_quotes


def _read_header(name: str, path: Path) -> tuple[int, list[str]]:
    """The number of the header's line, the first being 1, and the names in it."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_HEADER_BYTES):
            number += 1
            text = line.decode("utf-8", errors="replace").removeprefix("\ufeff").strip("\r\n")
            if len(line) == _HEADER_BYTES:
                raise LandingError(
                    f"{name}, line {number}: longer than {_HEADER_BYTES:,} bytes, so it is no "
                    f"header. Columns found: {text[:60]}... Deliver the file with its header line."
                )
            if text.strip():
                return number, _split_header(name, number, text)
    raise LandingError(
        f"{name} is empty: it has not even a header line. Deliver it again; a day without rows "
        f"still has the header."
    )


def _split_header(name: str, number: int, text: str) -> list[str]:
    if "\r" in text:
        raise LandingError(
            f"{name}, line {number}: a carriage return stands alone. Deliver lines that end in "
            f"a line feed (\\n or \\r\\n)."
        )
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise LandingError(
            f"{name}, line {number}: is no header ({error}). Columns found: {text[:60]}... "
            f"Deliver the file with its header line."
        ) from error


def _scan_lines(path: Path, header_line: int) -> pl.LazyFrame:
    return (
        pl.scan_lines(path, name="line", row_index_name="index", glob=False)
        .select((pl.col("index").cast(pl.Int64) + 1).alias("line_number"), "line")
        .filter(pl.col("line_number") > header_line)
    )


def _split_plain(lines: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Records of lines without quotes: one line, one record, split at every comma."""
    fields = pl.col("line").str.split_exact(",", len(columns)).struct
    split = fields.rename_fields([*columns, "beyond"]).struct.unnest()
    return (
        lines.filter(pl.col("line").str.strip_chars() != "")
        .with_columns(split)
        .with_columns(is_ragged=pl.col(columns[-1]).is_null() | pl.col("beyond").is_not_null())
        .select("line_number", "line", "is_ragged", *columns)
    )


_FIELD: Final = r'("[^"]*(?:""[^"]*)*"|[^",\n]*)'
"""RFC 4180: quoted, with quotes inside doubled, or without any quote."""


def _record_pattern(width: int) -> str:
    return ",".join([_FIELD] * width)


def _scan_quoted(path: Path, header_line: int, columns: Sequence[str]) -> pl.LazyFrame:
    """Records of a file with quotes, read a chunk of lines at a time."""

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,  # noqa: ARG001
    ) -> Iterator[pl.DataFrame]:
        for chunk in _read_quoted(path, header_line, columns):
            batch = chunk if predicate is None else chunk.filter(predicate)
            if n_rows is not None:
                batch = batch.head(n_rows)
                n_rows -= batch.height
            yield batch if with_columns is None else batch.select(with_columns)
            if n_rows == 0:
                return

    return register_io_source(read, schema=_record_schema(columns), is_pure=True)


def _record_schema(columns: Sequence[str]) -> dict[str, pl.DataType]:
    return {
        "line_number": pl.Int64(),
        "line": pl.String(),
        "is_ragged": pl.Boolean(),
    } | {column: pl.String() for column in columns}


def _read_quoted(path: Path, header_line: int, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """A line that is a whole record by itself always is one; the others are pieced together."""
    carried: Sequence[_OddLine] = ()
    for lines in _read_line_chunks(path, header_line):
        records, odd = _split_whole_lines(lines, columns)
        last = int(lines["line_number"][-1])
        pieced, carried = _piece_together([*carried, *odd], len(columns), last)
        yield _with_pieced(records, pieced, columns)
    pieced, _ = _piece_together(carried, len(columns), None)
    yield _with_pieced(pl.DataFrame(schema=_record_schema(columns)), pieced, columns)


def _read_line_chunks(path: Path, header_line: int) -> Iterator[pl.DataFrame]:
    """`line_number`, `raw` (without the line feed) and `line` (without a carriage return too)."""
    with path.open("rb") as file:
        number = sum(1 for _ in itertools.islice(file, header_line))
        while chunk := file.read(_QUOTED_BYTES) + file.readline():
            text = chunk.decode("utf-8").removesuffix("\n")
            raw = pl.DataFrame({"raw": [text]}).select(
                pl.col("raw").str.split("\n").explode(empty_as_null=False)
            )
            yield raw.select(
                (pl.int_range(pl.len(), dtype=pl.Int64) + (number + 1)).alias("line_number"),
                "raw",
                pl.col("raw").str.strip_suffix("\r").alias("line"),
            )
            number += raw.height


class _OddLine(NamedTuple):
    """A line that is no record by itself; `raw` keeps the carriage return that may end it."""

    number: int
    raw: str
    is_blank: bool


def _split_whole_lines(
    lines: pl.DataFrame, columns: Sequence[str]
) -> tuple[pl.DataFrame, list[_OddLine]]:
    """Records that are one whole line, and the lines that are not (blank ones included)."""
    quoted = pl.col("line").str.contains('"', literal=True)
    plain = _split_plain(lines.lazy().filter(~quoted), columns).filter(~pl.col("is_ragged"))
    pattern = f"^{_record_pattern(len(columns))}$"
    text = [
        pl.when(pl.col(column).str.starts_with('"'))
        .then(pl.col(column).str.slice(1).str.head(-1).str.replace_all('""', '"', literal=True))
        .otherwise(pl.col(column))
        .alias(column)
        for column in columns
    ]
    with_quotes = (
        lines.lazy()
        .filter(quoted & pl.col("line").str.contains(pattern))
        .with_columns(
            pl.col("line")
            .str.extract_groups(pattern)
            .struct.rename_fields(list(columns))
            .struct.unnest()
        )
        .with_columns(*text, is_ragged=pl.lit(False))
        .select("line_number", "line", "is_ragged", *columns)
    )
    records = pl.concat([plain, with_quotes]).sort("line_number").collect()
    odd = lines.join(records, on="line_number", how="anti", maintain_order="left").select(
        "line_number", "raw", pl.col("line").str.strip_chars() == ""
    )
    return records, [_OddLine(*line) for line in odd.iter_rows()]


_Pieced = tuple[int, str, list[str] | None]
"""A record of odd lines: its first line, its text, and its fields where they can be told apart."""


def _piece_together(
    odd: Sequence[_OddLine], width: int, last: int | None
) -> tuple[list[_Pieced], Sequence[_OddLine]]:
    """Records of lines that are none by themselves, and the lines whose record is not closed yet.

    A quote that a line leaves open can only close on the next line with an odd number of quotes.
    If no record of the header's width comes of that, the first line alone is the odd record and
    reading resumes on the next: an unbalanced quote costs its own line only.

    Args:
        odd: The lines, in order.
        width: The header's number of fields.
        last: The last line read so far; None if no more lines come.
    """
    closings = _find_closings(odd)
    pieced: list[_Pieced] = []
    place = 0
    while place < len(odd):
        taken = 1
        fields = None
        if odd[place].raw.count('"') % 2 == 1:
            closing = closings[place]
            if closing is None:
                runs_on = odd[-1].number == last == odd[place].number + len(odd) - place - 1
                if runs_on and len(odd) - place < _RECORD_LINES:
                    return pieced, odd[place:]
            elif closing - place < _RECORD_LINES:
                text = _join(odd[place : closing + 1])
                fields = _split_record(text, width)
                taken = 1 if fields is None else closing + 1 - place
        if not odd[place].is_blank:
            pieced.append((odd[place].number, _join(odd[place : place + taken]), fields))
        place += taken
    return pieced, ()


def _find_closings(odd: Sequence[_OddLine]) -> list[int | None]:
    """For each line, the place of the next one of its run that has an odd number of quotes."""
    closings: list[int | None] = [None] * len(odd)
    nearest: int | None = None
    for place in reversed(range(len(odd))):
        if place + 1 < len(odd) and odd[place + 1].number != odd[place].number + 1:
            nearest = None
        closings[place] = nearest
        if odd[place].raw.count('"') % 2 == 1:
            nearest = place
    return closings


def _join(lines: Sequence[_OddLine]) -> str:
    return "\n".join(line.raw for line in lines).removesuffix("\r")


def _split_record(text: str, width: int) -> list[str] | None:
    """The fields of one record, or None where the text is no record of that many fields."""
    match = re.fullmatch(_record_pattern(width), text)
    if match is None:
        return None
    return [
        field[1:-1].replace('""', '"') if field.startswith('"') else field
        for field in match.groups()
    ]


def _with_pieced(
    records: pl.DataFrame, pieced: Sequence[_Pieced], columns: Sequence[str]
) -> pl.DataFrame:
    rows = {
        "line_number": [number for number, _, _ in pieced],
        "line": [text for _, text, _ in pieced],
        "is_ragged": [fields is None for _, _, fields in pieced],
    } | {
        column: [None if fields is None else fields[place] for _, _, fields in pieced]
        for place, column in enumerate(columns)
    }
    return pl.concat([records, pl.DataFrame(rows, schema=_record_schema(columns))]).sort(
        "line_number"
    )
