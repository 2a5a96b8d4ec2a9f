"""The stage of a part: what it says by itself, in files named by what made them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.landing.judge import records_of_lines
from harvey_pipeline.landing.part_store import is_file, scan_files, write_shared
from harvey_pipeline.landing.parts import Staged
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.records.contract import Delivery
from harvey_pipeline.landing.source import Source

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
    """The files of a part's stage: their folder in the store, a name of what made them, the part's
    name in the landing folder.

    `lost` holds the text of records that lost against one in another part, as far as it was asked
    for.
    """

    store: LandingPath
    folder: LandingPath
    made_of: str
    part: str

    @property
    def rows(self) -> LandingPath:
        return self._file("rows")

    @property
    def findings(self) -> LandingPath:
        return self._file("findings")

    @property
    def lost(self) -> LandingPath:
        return self._file("lost")

    @property
    def all(self) -> tuple[LandingPath, ...]:
        return self.rows, self.findings, self.lost

    def _file(self, what: str) -> LandingPath:
        return self.folder / f"{self.made_of}-{what}.parquet"

    def counts(self) -> Counts | None:
        """What the stage says of itself; None if it is not there."""
        try:
            told = json.loads(pl.read_parquet_metadata(str(self.rows))[_COUNTS])
        except (FileNotFoundError, pl.exceptions.PolarsError, KeyError):
            return None
        if not is_file(self.findings):
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
        write_shared(self.store, self.findings, staged.findings.sort("line_number").write_parquet)
        metadata = {_COUNTS: json.dumps(asdict(counts))}
        write_shared(
            self.store,
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
        # Whoever reads them a second time keeps them once.
        kept = pl.concat([self._known_lost(), found]).unique("line_number", maintain_order=True)
        write_shared(self.store, self.lost, kept.write_parquet)

    def records(self, lines: pl.DataFrame) -> pl.DataFrame:
        """`line_number` and `record` of lines whose text is known."""
        return self._known_lost().join(lines, on="line_number", how="semi")

    def _known_lost(self) -> pl.DataFrame:
        if is_file(self.lost):
            return scan_files([self.lost]).collect()
        return pl.DataFrame(schema={"line_number": pl.Int64, "record": pl.String})
