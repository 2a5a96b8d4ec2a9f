"""A drop that is a folder: its parts are staged one by one, and the day is made of the stages.

What holds for the records of one file holds for those of a folder as if its parts, in the order of
their names, were one file. A stage is a file of the raw store, named by what it was made of, so a
part that is as it was is not read again.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.day_files import DayFiles, Parsed
from harvey_pipeline.landing.judge import records_of_lines, settle_duplicates, sighted_keys
from harvey_pipeline.landing.parts import Staged, with_beaten
from harvey_pipeline.landing.records.contract import Delivery
from harvey_pipeline.landing.scratch import write_whole
from harvey_pipeline.landing.source import EVENT_DATE, Source

STAGES: Final = "parts"
"""The raw store's folder of stages."""

_COUNTS: Final = "harvey_pipeline_stage"


@dataclass(frozen=True)
class Counts:
    """What a stage says of itself; `late_dates` are those before its day, ascending, ISO."""

    rows: int
    repaired: int
    rejected: int
    erased: int
    lines: int
    late_dates: tuple[str, ...]
    unknown_columns: tuple[str, ...]


@dataclass(frozen=True)
class StageFiles:
    """The files of a part's stage, by its name in the landing folder and a name of what made it.

    `lost` holds the text of records that lost against one in another part, as far as it was asked
    for.
    """

    root: Path
    stem: str
    part: str

    @property
    def rows(self) -> Path:
        return self._file("rows")

    @property
    def findings(self) -> Path:
        return self._file("findings")

    @property
    def lost(self) -> Path:
        return self._file("lost")

    @property
    def all(self) -> tuple[Path, ...]:
        return self.rows, self.findings, self.lost

    def _file(self, what: str) -> Path:
        return self.root / STAGES / f"{self.stem}-{what}.parquet"

    def counts(self) -> Counts | None:
        """What the stage says of itself; None if it is not there."""
        try:
            told = json.loads(pl.read_parquet_metadata(self.rows)[_COUNTS])
        except (FileNotFoundError, pl.exceptions.PolarsError, KeyError):
            return None
        if not self.findings.exists():
            return None
        listed = {name: tuple(told[name]) for name in ("late_dates", "unknown_columns")}
        return Counts(**(told | listed))

    def write(self, source: Source, day: date, staged: Staged) -> None:
        """Write a stage; what its rows say of it comes last."""
        rows = staged.rows.sort("line_number")
        late: list[date] = []
        if not source.is_snapshot:
            dates = pl.col(str(source.at)).dt.date()
            late = rows.select(dates.filter(dates < day).unique().sort()).to_series().to_list()
            rows = rows.sort(pl.min_horizontal(dates, pl.lit(day)), maintain_order=True)
        repaired = staged.findings.filter(pl.col("action") == "repaired").height
        counts = Counts(
            rows.height,
            repaired,
            staged.findings.height - repaired,
            staged.rows_erased,
            staged.lines,
            tuple(map(str, late)),
            staged.unknown_columns,
        )
        write_whole(self.findings, staged.findings.sort("line_number").write_parquet)
        metadata = {_COUNTS: json.dumps(asdict(counts))}
        write_whole(
            self.rows,
            lambda path: rows.write_parquet(path, metadata=metadata, compression_level=1),
        )

    def lines_unread(self, lines: Sequence[int]) -> list[int]:
        """Those of some lines whose text is not known yet."""
        return sorted(set(lines).difference(self._known_lost()["line_number"]))

    def keep_lost(
        self, delivery: Delivery, lines: Sequence[int], check: Callable[[], None]
    ) -> None:
        """Keep the text of some lines, read from the opened part, beside what is known.

        `check` raises if the part is not what it was.

        Raises:
            LandingError: The part cannot be read.
        """
        found = records_of_lines(delivery, lines).collect(engine="streaming")
        check()
        kept = pl.concat([self._known_lost(), found])
        write_whole(self.lost, kept.write_parquet)

    def records(self, lines: pl.DataFrame) -> pl.DataFrame:
        """`line_number` and `record` of lines whose text is known."""
        return self._known_lost().join(lines, on="line_number", how="semi")

    def _known_lost(self) -> pl.DataFrame:
        if self.lost.exists():
            return pl.read_parquet(self.lost, glob=False)
        return pl.DataFrame(schema={"line_number": pl.Int64, "record": pl.String})


class Folder:
    """The parts of a day's folder, all of them staged, in the order of their names."""

    def __init__(self, files: DayFiles, day: date, stages: Sequence[StageFiles]) -> None:
        self._files = files
        self._source = files.source
        self._day = day
        self._stages = stages
        counts = [stage.counts() for stage in stages]
        self._counts = [one for one in counts if one is not None]
        assert len(self._counts) == len(stages)
        # Lines count on from part to part, so that a number stands for one record of the day.
        self._before = [0, *accumulate(one.lines for one in self._counts)]

    @cached_property
    def beaten(self) -> dict[int, pl.DataFrame]:
        """`line_number` and `reason` of the rows that lost against one in another part, by part.

        Only hashes of keys are held of all rows, and keys of those alone whose hash comes twice.
        """
        repeated = self._repeated_hashes()
        if repeated.is_empty():
            return {}
        columns = [name for name in self._source.key_names if name != EVENT_DATE]
        if self._source.at is not None:
            columns.append(self._source.at)
        is_repeated = self._identity.hash().is_in(repeated.implode())
        candidates = [
            pl.scan_parquet(stage.rows, glob=False)
            .filter(self._has_key & is_repeated)
            .select(
                pl.col("line_number") + before,
                *[pl.col(name) for name in dict.fromkeys(columns)],
            )
            .collect(engine="streaming")
            for stage, before in zip(self._stages, self._before, strict=False)
        ]
        _, lost = settle_duplicates(self._source, pl.concat(candidates))
        found = {}
        for place, before in enumerate(self._before[:-1]):
            theirs = lost.filter(
                pl.col("line_number").is_between(before, self._before[place + 1], closed="right")
            )
            if not theirs.is_empty():
                found[place] = theirs.with_columns(pl.col("line_number") - before)
        return found

    def _repeated_hashes(self) -> pl.Series:
        if not self._stages:
            return pl.Series(dtype=pl.UInt64)
        hashes = (
            pl.scan_parquet([stage.rows for stage in self._stages], glob=False)
            .filter(self._has_key)
            .select(self._identity.hash())
            .collect(engine="streaming")
            .to_series()
            .sort()
        )
        return hashes.filter(hashes == hashes.shift(1)).unique()

    @property
    def _key(self) -> list[pl.Expr]:
        return [
            pl.col(str(self._source.at)).dt.date().alias(name)
            if name == EVENT_DATE
            else pl.col(name)
            for name in self._source.key
        ]

    @property
    def _identity(self) -> pl.Expr:
        return pl.struct(self._key)

    @property
    def _has_key(self) -> pl.Expr:
        return pl.all_horizontal(one.is_not_null() for one in self._key)

    def write(self, described: Parsed, stem: str) -> Parsed:
        """Write the day's files, once the text of all rows that lost is known to the stages."""
        lost = sum(one.height for one in self.beaten.values())
        repaired_lost = sum(
            pl.read_parquet(self._stages[place].findings, glob=False)
            .join(beaten, on="line_number", how="semi")
            .height
            for place, beaten in self.beaten.items()
        )
        accepted = sum(one.rows for one in self._counts) - lost
        counted = replace(
            described,
            rows_accepted=accepted,
            rows_repaired=sum(one.repaired for one in self._counts) - repaired_lost,
            rows_rejected=sum(one.rejected for one in self._counts) + lost,
            rows_erased=sum(one.erased for one in self._counts),
            distinct_ids=accepted + self._sighted.height if self._source.is_snapshot else 0,
        )
        return self._files.write_pieces(
            counted, stem, self._quarantined, self._data, self.unknown_columns
        )

    @property
    def unknown_columns(self) -> list[str]:
        """The columns of any part that nobody knows."""
        return list(dict.fromkeys(name for one in self._counts for name in one.unknown_columns))

    def _quarantined(self) -> Iterator[pl.DataFrame]:
        for place, stage in enumerate(self._stages):
            findings = pl.read_parquet(stage.findings, glob=False)
            beaten = self.beaten.get(place)
            if beaten is not None:
                findings = with_beaten(findings, beaten, stage.records(beaten))
            if not findings.is_empty():
                yield self._files.quarantined(stage.part, self._day, findings)

    def _data(self) -> Iterator[pl.DataFrame]:
        """Late rows by their date, each in the order of the parts, the others, and sightings."""
        late = sorted({one for counts in self._counts for one in counts.late_dates})
        for day in (*map(date.fromisoformat, late), self._day):
            for place, counts in enumerate(self._counts):
                if day == self._day or str(day) in counts.late_dates:
                    yield self._rows(place, day)
        if self._source.is_snapshot:
            yield self._files.sightings(self._day, self._sighted)

    def _rows(self, place: int, day: date) -> pl.DataFrame:
        """The rows of a part that stand, of a late date or all that are not late."""
        rows = pl.scan_parquet(self._stages[place].rows, glob=False)
        if self._source.at is not None and not self._source.is_snapshot:
            begin = pl.lit(day).cast(pl.Datetime("us"))
            rows = rows.filter(pl.col(self._source.at) >= begin)
            if day < self._day:
                end = pl.lit(day + timedelta(days=1)).cast(pl.Datetime("us"))
                rows = rows.filter(pl.col(self._source.at) < end)
        frame = rows.collect(engine="streaming")
        beaten = self.beaten.get(place)
        if beaten is not None:
            frame = frame.join(beaten, on="line_number", how="anti", maintain_order="left")
        numbered = frame.with_columns(pl.col("line_number") + self._before[place])
        return self._files.shaped(self._day, numbered)

    @cached_property
    def _sighted(self) -> pl.DataFrame:
        """Keys of a snapshot that only rejected records show, whatever the part of either."""
        key = list(self._source.key)
        rejected = pl.concat(
            [
                *(
                    pl.read_parquet(stage.findings, columns=["action", *key], glob=False)
                    .filter((pl.col("action") == "rejected") & self._has_key)
                    .unique(maintain_order=True)
                    for stage in self._stages
                ),
                self._source.table.empty().collect().select(pl.lit("").alias("action"), *key),
            ],
        )
        shown = pl.concat(
            [
                self._source.table.empty().select(key),
                *(
                    pl.scan_parquet(stage.rows, glob=False)
                    .select(key)
                    .join(rejected.lazy(), on=key, how="semi")
                    for stage in self._stages
                ),
            ]
        ).collect(engine="streaming")
        return sighted_keys(self._source, shown, rejected)


def stages_of(root: Path, source: Source) -> list[Path]:
    """The files of all stages of a source."""
    return sorted((root / STAGES).glob(f"{source.name}-????-??-??-*.parquet"))


def stage_stem(source: Source, day: date, made_of: str) -> str:
    """The name of a stage of a day by what it is made of."""
    return f"{source.name}-{day}-{made_of}"


def day_of_stage(source: Source, path: Path) -> str:
    """The day of a stage's file, ISO."""
    return path.name.removeprefix(f"{source.name}-")[: len("2024-04-01")]
