"""A person's records taken out of the raw layer: its Parquet files, quarantine and the ledger.

Of a day in pieces these are rewritten, and its file beside the warehouse says what is left in them.
A file keeps its name, and with it what it was parsed from: nothing is parsed again because of an
erasure. The exception is a drop in which a record of an erased person had displaced one of somebody
else: its file goes, so that the next run parses it without the erased.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.landing.day_files import ROW_GROUP_ROWS, STATISTICS, Parsed
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE, drops_of
from harvey_pipeline.landing.part_store import (
    is_parted,
    pieces_in,
    pieces_of,
    scan_files,
    stages_of,
    stem_of,
    sums_in,
    write_shared,
)
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.records.contract import BLANKS
from harvey_pipeline.landing.records.header import matched
from harvey_pipeline.landing.scratch import write_whole
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.warehouse.commits import record_commits
from harvey_pipeline.warehouse.days import consecutive_days
from harvey_pipeline.warehouse.erasing import without_persons

_APART: Final = re.compile(r"""[,;\t|"'\[\]{}\n\r]+""")
"""What stands between the fields of a line, whatever the form of its file."""

_DAY_LENGTH: Final = len("2024-04-01")

_COUNTED: Final = ("rows_read", "rows_accepted", "rows_repaired", "rows_rejected", "rows_erased")


@dataclass(frozen=True)
class RawCounts:
    """Of a source, how many accepted rows and quarantined records are a person's or name one."""

    rows: int
    records: int


def count_in_raw_files(
    root: Path, source: Source, persons: Sequence[str], store: LandingPath | None = None
) -> RawCounts:
    """What the raw files of a source hold of some people; `store` is where pieces lie, if any."""
    named = pl.any_horizontal(pl.col(name).is_in(list(persons)) for name in source.persons)
    rows = sum(
        int(scan.filter(named).select(pl.len()).collect(engine="streaming").item())
        for scan in scans_of(root, source, store)
    )
    records = sum(1 for _ in named_records(root, source, persons))
    return RawCounts(rows, records)


def rows_of_persons(
    root: Path,
    source: Source,
    persons: Sequence[str],
    *,
    in_any_column: bool = False,
    store: LandingPath | None = None,
) -> pl.DataFrame:
    """The rows of the raw files that are some people's, or that name one in any column."""
    columns = source.persons if in_any_column else source.persons[:1]
    named = pl.any_horizontal(pl.col(name).is_in(list(persons)) for name in columns)
    found = [
        scan.filter(named).collect(engine="streaming") for scan in scans_of(root, source, store)
    ]
    return pl.concat(found) if found else source.table.empty().collect()


def scans_of(root: Path, source: Source, store: LandingPath | None = None) -> list[pl.LazyFrame]:
    """The rows of a source's raw files, and those of its pieces."""
    held: list[Sequence[LandingPath]] = [_data_files(root, source)]
    held.append(pieces_in(root if store is None else store, source))
    return [scan_files(files) for files in held if files]


def named_records(root: Path, source: Source, persons: Sequence[str]) -> Iterator[str]:
    """The quarantined records, by the files, that are some people's or name one."""
    for path in _quarantine_files(root, source):
        yield from _named_records(pl.scan_parquet(path, glob=False), source, persons)["record"]


def erase_from_raw_files(
    root: Path,
    source: Source,
    persons: Sequence[str],
    can_parse: Callable[[date], bool],
    store: LandingPath | None = None,
) -> int:
    """Rewrite the raw files of a source that hold records of some people; return how many.

    What is staged of its bulk export and of parts is removed, and so are its sums; they are made
    again when they are needed. `can_parse` says of which days the landing folder still has the
    drop, `store` where pieces lie.

    May be repeated after a kill at any moment.
    """
    shared = root if store is None else store
    named = _files_naming(_data_files(root, source), source, persons)
    pieces = _files_naming(pieces_in(shared, source), source, persons)
    stems = {file.name for file in named} | {
        f"{stem_of(file.name)}.parquet" for file in pieces if _is_of_a_day(file)
    }
    quarantined = {
        path.name
        for path in _quarantine_files(root, source)
        if not _named_records(pl.scan_parquet(path, glob=False), source, persons).is_empty()
    }
    for name in sorted(stems | quarantined):
        data = root / source.table.own_name / name
        if data.exists():
            held = pieces_of(shared, source, name) if is_parted(name) else [data]
            _rewrite(
                _Day(data, held, root / "quarantine" / name, shared), source, persons, can_parse
            )
        else:
            _write_records(*_records_left(root / "quarantine" / name, source, persons))
    staged: list[LandingPath] = [
        path
        for part in ("sound", "found", "erased")
        for path in (root / "bulk").glob(f"{source.name}-*-{part}.parquet")
    ]
    staged += [*stages_of(root, source), *sums_in(root, source)]
    if shared != root:
        staged += [*stages_of(shared, source), *sums_in(shared, source)]
    # Pieces that no file of a day goes with are of a run that was killed.
    known = {stem_of(file.name) for file in _data_files(root, source)}
    staged += [file for file in pieces if _is_of_a_day(file) and stem_of(file.name) not in known]
    for file in staged:
        file.unlink(missing_ok=True)
    return len(stems | quarantined) + len(staged)


def _is_of_a_day(file: LandingPath) -> bool:
    return re.match(r"\d{4}-", file.name) is not None


def erase_scratch(root: Path) -> int:
    """Remove what killed processes have left half written; return how many files that are."""
    scratch = root / "scratch"
    left = [path for path in scratch.iterdir() if path.is_file()] if scratch.is_dir() else []
    left += root.rglob("*.unfinished")
    # A day's quarantine file without the data file that it goes with.
    named = {path.name for path in root.glob("raw_*/*.parquet")}
    found = (root / "quarantine").glob("????-??-??-*.parquet")
    left += (path for path in found if path.name not in named)
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def erase_from_ledger(
    connection: duckdb.DuckDBPyConnection, root: Path, source: Source, persons: Sequence[str]
) -> int:
    """Take people's records out of quarantine, and let the ledger say what the raw files do.

    Notes, within the transaction, which days changed; returns the number of records.
    """
    records = _erase_quarantined(connection, source, persons)
    days = []
    for day, row in _ledger(connection, source).items():
        parsed = _statistics(root / source.table.own_name / row["data_file"])
        if parsed is None:
            continue
        told = {name: value for name, value in asdict(parsed).items() if name in _COUNTED}
        if told != {name: row[name] for name in _COUNTED}:
            listed = ", ".join(f"{name} = ?" for name in told)
            connection.execute(
                f"update {DROPS} set {listed} where source = ? and drop_date = ?",
                [*told.values(), source.name, day],
            )
            days.append(day)
    for some in consecutive_days(days):
        touched = [source.table, DROPS, drops_of(source.name), QUARANTINE]
        record_commits(connection, touched, some)
    return records


def erased_record(source: Source, record: str, persons: Collection[str]) -> str | None:
    """A quarantined record without some people: blank where they are named, None if it is theirs.

    Its person is read from the source's first column of people; of a raw line, and of an object or
    array in the place of an id, whoever is named in it.
    """
    fields = _fields_of(record)
    if fields is None:
        return None if _names_any(record, persons) else record
    first, *_ = source.persons
    columns = {source.column(name).delivered: name for name in source.persons}
    blanked = dict(fields)
    for given, value in fields.items():
        name = columns.get(matched(given))
        if name is None or value is None:
            continue
        read = pl.select(source.column(name).reader(pl.lit(str(value)))).item()
        is_named = read in persons or (
            str(value).lstrip(BLANKS)[:1] in ("{", "[") and _names_any(str(value), persons)
        )
        if is_named and name == first:
            return None
        if is_named:
            blanked[given] = None
    if blanked == fields:
        return record
    return json.dumps(blanked, ensure_ascii=False, separators=(",", ":"))


def _fields_of(record: str) -> dict[str, Any] | None:
    """The fields of a record by name; None of a raw line."""
    try:
        found = json.loads(record)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _names_any(text: str, persons: Collection[str]) -> bool:
    fields = {one.strip(BLANKS) for one in _APART.split(text)}
    parts = fields | {word for one in fields for word in one.split()}
    return not (parts | {one.lower() for one in parts}).isdisjoint(persons)


def _data_files(root: Path, source: Source) -> list[Path]:
    return sorted((root / source.table.own_name).glob("????-??-??-*.parquet"))


def _files_naming(
    files: Sequence[LandingPath], source: Source, persons: Sequence[str]
) -> list[LandingPath]:
    """Those of some files of rows in which some people stand."""
    if not files:
        return []
    named = pl.any_horizontal(pl.col(name).is_in(list(persons)) for name in source.persons)
    found = (
        scan_files(files, include_file_paths="file_of_row")
        .filter(named)
        .select(pl.col("file_of_row").unique())
        .collect(engine="streaming")
    )
    by_name = {str(file): file for file in files}
    return [by_name[one] for one in found.to_series()]


def _quarantine_files(root: Path, source: Source) -> Iterator[Path]:
    """The quarantine files of a source's days, and that of its export's records without a day."""
    for path in _data_files(root, source):
        if (found := root / "quarantine" / path.name).exists():
            yield found
    yield from sorted((root / "quarantine").glob(f"{source.name}-*.parquet"))


def _named_records(rows: pl.LazyFrame, source: Source, persons: Sequence[str]) -> pl.DataFrame:
    """The quarantined records that are to change: those that some people stand in."""
    written = [*persons, *(json.dumps(one, ensure_ascii=False)[1:-1] for one in persons)]
    lowered = [one.lower() for one in written]
    found = rows.filter(pl.col("record").str.to_lowercase().str.contains_any(lowered)).collect()
    changes = [erased_record(source, one, persons) != one for one in found["record"]]
    return found.filter(pl.Series(changes, dtype=pl.Boolean))


def _without_records(rows: pl.DataFrame, source: Source, persons: Sequence[str]) -> pl.DataFrame:
    """Quarantined rows with the records of some people left out, and others blanked."""
    texts = [erased_record(source, one, persons) for one in rows["record"]]
    return rows.with_columns(record=pl.Series(texts, dtype=pl.String)).drop_nulls("record")


def _records_left(
    path: Path, source: Source, persons: Sequence[str]
) -> tuple[Path, pl.DataFrame | None]:
    """A quarantine file, and the rows that are to be left in it; None without any."""
    if not path.exists():
        return path, None
    left = _without_records(pl.read_parquet(path, glob=False), source, persons)
    return path, None if left.is_empty() else left


def _write_records(path: Path, left: pl.DataFrame | None) -> None:
    """Rewrite a quarantine file; without any rows it goes."""
    if left is None:
        path.unlink(missing_ok=True)
    else:
        write_whole(path, left.write_parquet)


@dataclass(frozen=True)
class _Day:
    """The file of a day, those in which its rows lie, its quarantine, and the store of pieces."""

    data: Path
    held: Sequence[LandingPath]
    quarantine: Path
    store: LandingPath

    @property
    def root(self) -> Path:
        return self.data.parent.parent

    @property
    def day(self) -> date:
        return date.fromisoformat(self.data.name[:_DAY_LENGTH])


def _rewrite(
    day: _Day, source: Source, persons: Sequence[str], can_parse: Callable[[date], bool]
) -> None:
    """Rewrite a day's file, with what it says of itself, its pieces and its quarantine."""
    metadata = pl.read_parquet_metadata(day.data)
    changed = _files_naming(day.held, source, persons)
    gone = []
    for file in changed:
        before = _rows(file)
        after = without_persons(before, source.table, persons)
        gone.append(before.join(after, on="line_number", how="anti"))
    _, records = _records_left(day.quarantine, source, persons)
    if can_parse(day.day) and _has_displaced(source, gone, records):
        # Its quarantine holds what the erased one had displaced, and is made again too.
        day.data.unlink()
        for file in day.held:
            file.unlink(missing_ok=True)
        day.quarantine.unlink(missing_ok=True)
        return
    rows, sightings = _counted(scan_files(day.held)) if day.held else (0, 0)
    for frame in gone:
        fewer, unseen = _counted(frame.lazy())
        rows, sightings = rows - fewer, sightings - unseen
    parsed = Parsed(**json.loads(metadata[STATISTICS]))
    told = asdict(_recounted(parsed, source, rows, sightings, records)) | {"day": str(parsed.day)}
    kept = {
        **{name: text for name, text in metadata.items() if name != "ARROW:schema"},
        STATISTICS: json.dumps(told, default=str),
    }
    # A file of which the rows lie in pieces says first what will be left: until the last piece is
    # written, whoever repeats it after a kill finds the person named in it.
    _write_rows(day.root, day.data, without_persons(_rows(day.data), source.table, persons), kept)
    for file in changed:
        if file != day.data:
            _write_rows(day.store, file, without_persons(_rows(file), source.table, persons), {})
    # Last, for the same reason.
    _write_records(day.quarantine, records)


def _rows(file: LandingPath) -> pl.DataFrame:
    return scan_files([file]).collect()


def _counted(rows: pl.LazyFrame) -> tuple[int, int]:
    """How many rows there are, and how many sightings."""
    if "is_sighting" not in rows.collect_schema().names():
        return int(rows.select(pl.len()).collect(engine="streaming").item()), 0
    found = rows.select(pl.len(), sightings=pl.col("is_sighting").sum()).collect()
    every, sightings = found.row(0)
    return every - sightings, sightings


def _write_rows(
    store: LandingPath, file: LandingPath, rows: pl.DataFrame, metadata: dict[str, str]
) -> None:
    def write(path: Path) -> None:
        rows.write_parquet(
            path, metadata=metadata, compression_level=1, row_group_size=ROW_GROUP_ROWS
        )

    write_shared(store, file, write)


def _recounted(
    parsed: Parsed,
    source: Source,
    accepted: int,
    sightings: int,
    records: pl.DataFrame | None,
) -> Parsed:
    """What a file says of itself once records were taken out of it."""
    found = 0 if records is None else records.height
    repaired = 0 if records is None else records.filter(pl.col("action") == "repaired").height
    rejected = found - repaired
    return replace(
        parsed,
        rows_accepted=accepted,
        rows_repaired=repaired,
        rows_rejected=rejected,
        rows_erased=parsed.rows_read - accepted - rejected,
        distinct_ids=accepted + sightings if source.is_snapshot else 0,
        quarantine_file=parsed.data_file if found else None,
    )


def _has_displaced(
    source: Source, gone: Sequence[pl.DataFrame], records: pl.DataFrame | None
) -> bool:
    """Whether a record that stays in quarantine may have lost against one that was taken out."""
    if records is None or not any(frame.height for frame in gone):
        return False
    lost = records.filter(pl.col("reasons").list.contains(source.repeat_reason))
    names = [name for name in source.key_names if name != EVENT_DATE]
    keys = {key for frame in gone for key in frame.select(names).iter_rows()}
    for record in lost["record"]:
        given = {matched(name): value for name, value in (_fields_of(record) or {}).items()}
        key = tuple(
            pl.select(column.reader(pl.lit(str(given.get(column.delivered, ""))))).item()
            for column in map(source.column, names)
        )
        if key in keys:
            return True
    return False


def _statistics(path: Path) -> Parsed | None:
    try:
        return Parsed(**json.loads(pl.read_parquet_metadata(path)[STATISTICS]))
    except (FileNotFoundError, pl.exceptions.PolarsError, KeyError):
        return None


def _ledger(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> Mapping[date, Mapping[str, Any]]:
    columns = ("drop_date", "data_file", *_COUNTED)
    rows = connection.execute(
        f"select {', '.join(columns)} from {DROPS} where source = ? and data_file is not null",
        [source.name],
    ).fetchall()
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def _erase_quarantined(
    connection: duckdb.DuckDBPyConnection, source: Source, persons: Sequence[str]
) -> int:
    """Take people's records out of the quarantine table; return how many were."""
    rows = connection.sql(f"select * from {QUARANTINE} where source = ?", params=[source.name])
    changed = _named_records(rows.pl().lazy(), source, persons)
    if changed.is_empty():
        return 0
    gone = changed.to_arrow()  # noqa: F841  (DuckDB finds it by its name)
    connection.execute(
        f"delete from {QUARANTINE} where source = ? and (coalesce(drop_date, date '0001-01-01'), "
        "line_number, record) in "
        "(select coalesce(drop_date, date '0001-01-01'), line_number, record from gone)",
        [source.name],
    )
    kept = _without_records(changed, source, persons).to_arrow()  # noqa: F841
    connection.execute(f"insert into {QUARANTINE} by name select * from kept")
    days = {day for day in changed["drop_date"] if day is not None}
    for some in consecutive_days(days):
        record_commits(connection, [QUARANTINE, drops_of(source.name)], some)
    return changed.height


def sources_of_persons(sources: Iterable[Source]) -> list[Source]:
    """The sources whose records are those of people."""
    return [source for source in sources if source.persons]
