"""The subject `engagement` against a dbt project that computes the same tables.

    python -m harvey_pipeline_tests.benchmarks.against_dbt small big --dbt .dbt/bin/dbt --compare

For each size that is named, `harvey run` and `dbt build` in turn compute all days but two with
nothing there before, and then one more day; each in a fresh process, with nothing beside it. Prints
seconds, seconds of all processors, and the peak memory of each process as it ends, and all of them
as a table. The dbt project is `dbt_reference`, beside this file; dbt comes from an environment of
its own with `dbt-core` and `dbt-duckdb`. It reads daily drops only: an export is cut into them
before anything is timed.

`--compare` compares all tables cell by cell after each of the two, and ends with exit code 1 where
they differ. `--before` times another checkout of this repository too. `--folder` keeps the landing
folders for the next time.
"""

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.engagement import sample
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.benchmarks.benchmark import (
    FIRST,
    SIZES,
    Cost,
    apart,
    make_landing,
    run_to_end,
)

PROJECT: Final = Path(__file__).parent / "dbt_reference"
CHECKOUT: Final = Path(__file__).parents[2]

OURS: Final = "ours"
DBT: Final = "dbt"
BEFORE: Final = "before"

ALL: Final = "all days but two"
DAY: Final = "one more day"

_DAYS_LEFT: Final = 2
"""Days of a size that are not among all of them."""

_SHOWN_ROWS: Final = 5
"""Differing rows of a table that are shown."""

_TOLERANCE: Final = 1e-9

_NOT_COMPARED: Final[Mapping[str, tuple[str, ...]]] = {"export": ("marts.data_quality_daily",)}
"""Tables that tell of files, which are others where an export was cut into days."""


@dataclass(frozen=True)
class Contender:
    """Something that computes a range of days, in a place of its own."""

    name: str
    command: Path
    landing: Path
    place: Path
    checkout: Path = CHECKOUT
    dbt_memory: str | None = None

    @property
    def database(self) -> Path:
        name = "dbt.duckdb" if self.name == DBT else "warehouse.published.duckdb"
        return self.place / name

    def run(self, first: date, last: date, *, is_fresh: bool) -> Cost:
        """Compute days; where they are the first ones, with nothing there before."""
        if is_fresh:
            shutil.rmtree(self.place, ignore_errors=True)
            self.place.mkdir(parents=True)
        if self.name == DBT:
            environment = self._dbt_environment(first, last)
            dbt = [str(self.command)]
            # A user's project was parsed before, whatever the days.
            self._measure([*dbt, "parse"], environment, allowed=(0,))
            build = [*dbt, "build", *(["--full-refresh"] if is_fresh else [])]
            return self._measure(build, environment, allowed=(0,))
        run = [str(self.command), "-m", "harvey_pipeline", "run"]
        run += ["--from", str(first), "--to", str(last)]
        # A check that failed is exit code 1, after all was computed.
        return self._measure(run, self._harvey_environment(), allowed=(0, 1))

    def _dbt_environment(self, first: date, last: date) -> dict[str, str]:
        limit = {} if self.dbt_memory is None else {"BENCH_MEMORY": self.dbt_memory}
        return limit | {
            "BENCH_DB": str(self.database),
            "BENCH_LANDING": str(self.landing),
            "BENCH_FROM": str(first),
            "BENCH_TO": str(last),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.place / "target"),
            "DBT_LOG_PATH": str(self.place / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        }

    def _harvey_environment(self) -> dict[str, str]:
        home = self.place / "dagster_home"
        home.mkdir(exist_ok=True)
        return {
            "PYTHONPATH": str(self.checkout),
            "HARVEY_SUBJECTS": "engagement",
            "HARVEY_START_DATE": str(FIRST),
            "HARVEY_LANDING_DIR": str(self.landing),
            "HARVEY_WAREHOUSE": str(self.place / "warehouse.duckdb"),
            "DAGSTER_HOME": str(home),
        }

    def _measure(
        self, command: Sequence[str], given: Mapping[str, str], allowed: Sequence[int]
    ) -> Cost:
        settings = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HARVEY_", "DAGSTER_", "DBT_", "BENCH_"))
        }
        told = self.place / "told.txt"
        # What was written before is not to be written out now.
        os.sync()
        with told.open("w") as output:
            code, cost = run_to_end(
                command,
                env={**settings, **given},
                cwd=self.place,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if code not in allowed:
            last_lines = "\n".join(told.read_text(errors="replace").splitlines()[-40:])
            raise SystemExit(f"{last_lines}\n{self.name} ended with {code}")
        return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    sizes = [name for name, spec in SIZES.items() if isinstance(spec, sample.SampleSpec)]
    parser.add_argument("sizes", nargs="+", choices=sizes, help="; ".join(sizes))
    parser.add_argument("--folder", type=Path, help="where landing folders are kept")
    parser.add_argument("--repeats", type=int, default=1, help="of each, in turn")
    parser.add_argument("--before", type=Path, help="another checkout, to be timed as well")
    parser.add_argument("--dbt", default="dbt", help="the command dbt, or the path to it")
    parser.add_argument("--compare", action="store_true", help="compare the tables cell by cell")
    parser.add_argument("--dbt-memory", metavar="LIMIT", help="of DuckDB under dbt, such as 2GB")
    options = parser.parse_args()
    dbt = shutil.which(options.dbt)
    if dbt is None:
        parser.error(f"there is no command {options.dbt}; `--dbt` tells where it is")
    measured: dict[tuple[str, str, str], list[Cost]] = {}
    with tempfile.TemporaryDirectory(prefix="harvey-against-dbt-") as scratch:
        folder = (options.folder or Path(scratch)).absolute()
        for size in options.sizes:
            landing = apart(make_landing, size, SIZES[size], folder)
            by_day = apart(_cut_into_days, landing, Path(scratch))
            place = Path(scratch) / size
            python = Path(sys.executable)
            contenders = [
                Contender(OURS, python, landing, place / OURS),
                Contender(
                    DBT,
                    Path(dbt).absolute(),
                    by_day,
                    place / DBT,
                    dbt_memory=options.dbt_memory,
                ),
            ]
            if options.before is not None:
                checkout = options.before.absolute()
                contenders.insert(0, Contender(BEFORE, python, landing, place / BEFORE, checkout))
            for step, contender, one in _time_in_turn(
                size, contenders, options.repeats, is_compared=options.compare
            ):
                print(f"{size}, {step}, {contender}: {one}", flush=True)
                measured.setdefault((size, step, contender), []).append(one)
    print(f"\n{_draw_table(measured)}")


def _cut_into_days(landing: Path, scratch: Path) -> Path:
    """The landing folder, or one of daily drops that say the same as its export."""
    if not (landing / "events.csv").exists():
        return landing
    cut = scratch / f"{landing.name}-by-day"
    exports = {
        source: pl.read_csv(landing / f"{source}.csv", infer_schema=False)
        for source in ("users", "firms", "events")
    }
    dated = {
        name: rows.with_columns(day=pl.col("created").str.head(10))
        for name, rows in exports.items()
    }
    for day in sorted(set(dated["events"]["day"])):
        for source, rows in dated.items():
            is_shown = pl.col("day") == day if source == "events" else pl.col("day") <= day
            (cut / source).mkdir(parents=True, exist_ok=True)
            rows.filter(is_shown).drop("day").write_csv(cut / source / f"{day}.csv")
    return cut


def _time_in_turn(
    size: str, contenders: Sequence[Contender], repeats: int, *, is_compared: bool
) -> Iterator[tuple[str, str, Cost]]:
    """What each step took each contender, as it ends."""
    spec = SIZES[size]
    last = FIRST + timedelta(days=spec.days - _DAYS_LEFT - 1)
    next_day = last + timedelta(days=1)
    for repeat in range(repeats):
        for step, first_run, last_run in ((ALL, FIRST, last), (DAY, next_day, next_day)):
            for contender in contenders:
                took = contender.run(first_run, last_run, is_fresh=step == ALL)
                yield step, contender.name, took
            if is_compared and repeat == 0:
                databases = {one.name: one.database for one in contenders}
                if not apart(_are_equal, size, step, databases):
                    raise SystemExit(1)
        for contender in contenders:
            shutil.rmtree(contender.place)


def _are_equal(size: str, step: str, databases: Mapping[str, Path]) -> bool:
    """Whether both computed the same tables; prints the first rows that differ."""
    tables = [table for table in TABLES.values() if table.name not in _NOT_COMPARED.get(size, ())]
    with duckdb.connect() as connection:
        for name in (OURS, DBT):
            connection.execute(f"attach '{databases[name]}' as {name} (read_only)")
        differing = [table for table in tables if not _is_equal(connection, table)]
    equal = len(tables) - len(differing)
    print(f"{size}, {step}: {equal} of {len(tables)} tables equal", flush=True)
    return not differing


def _is_equal(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether both have the same rows; prints the first ones that differ."""
    matched = " and ".join(f"ours.{name} is not distinct from dbt.{name}" for name in table.key)
    differs = " or ".join(
        ["ours.is_there is null", "dbt.is_there is null"]
        + [_differs(name, dtype) for name, dtype in table.polars_schema.items()]
    )
    connection.execute(
        f"select ours: ours, dbt: dbt "
        f"from (select *, is_there: true from {OURS}.{table}) as ours "
        f"full join (select *, is_there: true from {DBT}.{table}) as dbt on {matched} "
        f"where {differs} limit {_SHOWN_ROWS}"
    )
    rows = connection.fetchall()
    for ours, dbt in rows:
        row = ours if ours["is_there"] else dbt
        told = [f"{name} {row[name]}" for name in table.key]
        if ours["is_there"] and dbt["is_there"]:
            told += [
                f"{name}: {ours[name]} in ours, {dbt[name]} in dbt"
                for name in table.polars_schema
                if not _is_near(ours[name], dbt[name])
            ]
        else:
            told.append(f"only in {'ours' if ours['is_there'] else 'dbt'}")
        print(f"{table}: {', '.join(told)}", flush=True)
    return not rows


def _differs(name: str, dtype: pl.DataType) -> str:
    """An SQL condition: a cell is another one; numbers may differ by their last bits."""
    ours, dbt = f"ours.{name}", f"dbt.{name}"
    if not dtype.is_float():
        return f"{ours} is distinct from {dbt}"
    is_near = f"abs({ours} - {dbt}) <= {_TOLERANCE} * greatest(abs({ours}), abs({dbt}))"
    return f"not coalesce({is_near}, {ours} is null and {dbt} is null)"


def _is_near(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return one == other


def _draw_table(measured: Mapping[tuple[str, str, str], Sequence[Cost]]) -> str:
    """Medians, with every repeat, and what they are of dbt's, as Markdown."""
    lines = [
        "| size | step | by | seconds (median; each) | of processors | peak MB "
        "| of dbt's seconds | of its processors' | of its memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (size, step, name), repeats in measured.items():
        by_dbt = _medians(measured[size, step, DBT])
        medians = _medians(repeats)
        each = [
            [f"{one.seconds:.2f}" for one in repeats],
            [f"{one.processors:.2f}" for one in repeats],
            [f"{one.peak:.0f}" for one in repeats],
        ]
        figures = [
            f"{median:.{digits}f}; {', '.join(listed)}"
            for median, listed, digits in zip(medians, each, (2, 2, 0), strict=True)
        ]
        ratios = [f"{one / other:.2f}" for one, other in zip(medians, by_dbt, strict=True)]
        lines.append(f"| {' | '.join((size, step, name, *figures, *ratios))} |")
    return "\n".join(lines)


def _medians(repeats: Sequence[Cost]) -> tuple[float, float, float]:
    return (
        statistics.median(one.seconds for one in repeats),
        statistics.median(one.processors for one in repeats),
        statistics.median(one.peak for one in repeats),
    )


if __name__ == "__main__":
    main()
