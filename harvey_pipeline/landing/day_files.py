"""A day's data file and its quarantine file, and what they say of themselves."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Literal

import polars as pl
from polars.io.plugins import register_io_source

from harvey_pipeline.landing.judge import sighted_keys
from harvey_pipeline.landing.ledger import QUARANTINE
from harvey_pipeline.landing.scratch import write_whole
from harvey_pipeline.landing.source import EVENT_DATE, Source

ROW_GROUP_ROWS: Final = 1 << 15
"""Rows that a reader of a data file skips or reads together."""

STATISTICS: Final = "harvey_pipeline"
UNKNOWN_COLUMNS: Final = "harvey_pipeline_unknown_columns"

Form = Literal["drop", "bulk", "none"]


@dataclass(frozen=True)
class Parsed:
    """One day of one source, parsed: what its ledger row says, and its files."""

    day: date
    file: str | None = None
    form: Form = "none"
    bytes: int | None = None
    fingerprint: str | None = None
    rows_read: int = 0
    rows_accepted: int = 0
    rows_repaired: int = 0
    rows_rejected: int = 0
    rows_erased: int = 0
    distinct_ids: int = 0
    is_observed: bool = False
    data_file: str | None = None
    quarantine_file: str | None = None


def empty_file(source: Source) -> pl.DataFrame:
    """The columns of a data file, without rows."""
    frame = source.table.empty().collect()
    if source.is_snapshot:
        frame = frame.with_columns(is_sighting=pl.lit(False))
    return frame


def shaped(source: Source, day: date, rows: pl.DataFrame) -> pl.DataFrame:
    """Typed rows as a data file has them."""
    if source.is_snapshot:
        added = pl.lit(False).alias("is_sighting")
    else:
        assert source.at is not None
        added = pl.col(source.at).dt.date().alias(EVENT_DATE)
    columns = empty_file(source).columns
    return rows.with_columns(added, drop_date=pl.lit(day)).select(columns)


def unknown_columns_of(path: Path) -> list[str]:
    """The columns that nobody knows, as a file of the raw store names them."""
    columns: list[str] = json.loads(pl.read_parquet_metadata(path)[UNKNOWN_COLUMNS])
    return columns


class DayFiles:
    """The files of one source's days in the raw store's folder `root`."""

    def __init__(self, source: Source, root: Path) -> None:
        self.source = source
        self.root = root

    def data_file(self, stem: str) -> Path:
        """Where a day's rows are."""
        return self.root / self.source.table.own_name / f"{stem}.parquet"

    def quarantine_file(self, stem: str) -> Path:
        """Where the records are that something speaks against."""
        return self.root / "quarantine" / f"{stem}.parquet"

    def known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave, if its files are still there."""
        try:
            statistics = json.loads(pl.read_parquet_metadata(self.data_file(stem))[STATISTICS])
        except (FileNotFoundError, pl.exceptions.PolarsError, KeyError):
            return None
        parsed = Parsed(**(statistics | {"day": date.fromisoformat(statistics["day"])}))
        if parsed.quarantine_file and not self.quarantine_file(stem).exists():
            return None
        return parsed

    def write(
        self,
        described: Parsed,
        stem: str,
        rows: pl.DataFrame,
        findings: pl.DataFrame,
        unknown_columns: Sequence[str],
    ) -> Parsed:
        """Write the day's quarantine file and then its data file."""
        repaired = findings.filter(pl.col("action") == "repaired").height
        rejected = findings.height - repaired
        parsed = replace(
            described,
            rows_accepted=rows.height,
            rows_repaired=repaired,
            rows_rejected=rejected,
            distinct_ids=self._distinct(rows, findings),
        )
        quarantined = self.quarantined(str(parsed.file), parsed.day, findings)
        data = self._data(parsed.day, rows, findings)
        return self._put(
            parsed,
            stem,
            unknown_columns,
            quarantined.write_parquet,
            lambda path, metadata: data.write_parquet(
                path, metadata=metadata, compression_level=1, row_group_size=ROW_GROUP_ROWS
            ),
        )

    def write_pieces(
        self,
        described: Parsed,
        stem: str,
        quarantined: Callable[[], Iterator[pl.DataFrame]],
        data: Callable[[], Iterator[pl.DataFrame]],
        unknown_columns: Sequence[str],
    ) -> Parsed:
        """Write both files out of pieces, in order; `described` says what there is of each.

        A piece is made when it is asked for, so that few are in memory at a time.
        """
        return self._put(
            described,
            stem,
            unknown_columns,
            lambda path: _scan_pieces(quarantined, QUARANTINE.polars_schema).sink_parquet(
                path, engine="streaming"
            ),
            lambda path, metadata: _scan_pieces(data, empty_file(self.source).schema).sink_parquet(
                path,
                metadata=metadata,
                compression_level=1,
                row_group_size=ROW_GROUP_ROWS,
                engine="streaming",
            ),
        )

    def _put(
        self,
        described: Parsed,
        stem: str,
        unknown_columns: Sequence[str],
        write_quarantine: Callable[[Path], object],
        write_data: Callable[[Path, dict[str, str]], object],
    ) -> Parsed:
        has_findings = described.rows_repaired + described.rows_rejected > 0
        parsed = replace(
            described,
            rows_read=described.rows_accepted + described.rows_rejected + described.rows_erased,
            data_file=f"{stem}.parquet",
            quarantine_file=f"{stem}.parquet" if has_findings else None,
        )
        if has_findings:
            write_whole(self.quarantine_file(stem), write_quarantine)
        metadata = {
            STATISTICS: json.dumps(asdict(parsed), default=str),
            UNKNOWN_COLUMNS: json.dumps(list(unknown_columns)),
        }
        write_whole(self.data_file(stem), lambda path: write_data(path, metadata))
        return parsed

    def _distinct(self, rows: pl.DataFrame, findings: pl.DataFrame) -> int:
        if not self.source.is_snapshot:
            return 0
        return rows.height + sighted_keys(self.source, rows, findings).height

    def _data(self, day: date, rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
        found = shaped(self.source, day, rows)
        if self.source.is_snapshot:
            return pl.concat(
                [found, self.sightings(day, sighted_keys(self.source, rows, findings))]
            )
        # Late records come first, by their day, so that a reader of some days skips the rest.
        late = pl.col(EVENT_DATE) < day
        before = found.filter(late).sort(EVENT_DATE, maintain_order=True)
        return pl.concat([before, found.filter(~late)])

    def sightings(self, day: date, keys: pl.DataFrame) -> pl.DataFrame:
        """Keys that only rejected records show, as a data file has them."""
        sighted = keys.with_columns(drop_date=pl.lit(day), is_sighting=pl.lit(True))
        empty = empty_file(self.source)
        return pl.concat([empty, sighted], how="diagonal").select(empty.columns)

    def quarantined(self, file: str, day: date | None, findings: pl.DataFrame) -> pl.DataFrame:
        """Findings of a file as a quarantine file has them."""
        return findings.select(
            pl.lit(self.source.name).alias("source"),
            pl.lit(day, dtype=pl.Date).alias("drop_date"),
            pl.lit(file).alias("file"),
            "line_number",
            "action",
            "reasons",
            "record",
        ).sort("line_number")


def _scan_pieces(
    pieces: Callable[[], Iterator[pl.DataFrame]], schema: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """Frames of one schema, one after another, as a lazy frame that is to be read as a whole."""

    def scan(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,  # noqa: ARG001
    ) -> Iterator[pl.DataFrame]:
        assert with_columns is None
        assert predicate is None
        assert n_rows is None
        yield from pieces()

    return register_io_source(scan, schema=dict(schema))
