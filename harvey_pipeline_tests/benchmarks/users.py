"""How far one machine carries as users grow; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.users 1000000 5000000 20000000

Makes a synthetic landing folder for each number of users: on every day a full snapshot of them, of
which one in a thousand has another title than the day before, and one event for every second user,
made by six in ten of them. Computes the first days with `harvey run` in a fresh process, and then
the last day by itself. Prints what `benchmark` prints, and for each table of the last state its
rows and megabytes in DuckDB. `--folder` keeps the landing folders for the next time.
"""

import argparse
import os
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline_tests.benchmarks.benchmark import FIRST, apart, report, run_harvey

_USERS_OF_A_FIRM: Final = 250
_TITLES: Final = ("Associate", "Junior Associate", "Senior Associate", "Partner")
_TYPES: Final = ("ASSISTANT", "VAULT", "WORKFLOW")
_TABLES: Final = 12
"""So many tables are shown, the largest first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("users", nargs="+", type=int)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where landing folders are kept")
    given = parser.parse_args()
    os.environ["HARVEY_SUBJECTS"] = "engagement"
    with tempfile.TemporaryDirectory(prefix="harvey-users-") as scratch:
        for users in given.users:
            landing = apart(make_landing, given.folder or Path(scratch), users, given.days)
            place = Path(scratch) / f"place-{users}"
            last = FIRST + timedelta(days=given.days - 1)
            for day, title in (
                (last - timedelta(days=1), f"{given.days - 1} days"),
                (last, "one more day"),
            ):
                measured = run_harvey(landing, place, FIRST, day)
                report(f"{users:,} users: {title}", measured, place)
            apart(show_tables, place / "warehouse.duckdb")
            shutil.rmtree(place)


def make_landing(folder: Path, users: int, days: int) -> Path:
    """The landing folder of so many users, made unless it is there."""
    landing = folder / f"users-{users}-{days}"
    if landing.exists():
        return landing
    print(f"making {landing}", flush=True)
    partial = landing.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for source in ("users", "firms", "events"):
        (partial / source).mkdir(parents=True)
    firms = max(1, users // _USERS_OF_A_FIRM)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        for source, rows in (
            ("users", _users(users, number)),
            ("firms", _firms(firms)),
            ("events", _events(users, firms, day, number)),
        ):
            rows.sink_csv(partial / source / f"{day}.csv")
    partial.rename(landing)
    return landing


def _rows(count: int) -> pl.LazyFrame:
    return pl.LazyFrame({"row": pl.int_range(count, eager=True)})


def _drawn(seed: int, least: int, most: int) -> pl.Expr:
    """A whole number for each row, the same whenever it is drawn."""
    return least + (pl.col("row").hash(seed) % (most - least + 1)).cast(pl.Int64)


def _one_of(number: pl.Expr, values: tuple[str, ...]) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(number % len(values))


def _id(kind: str, number: pl.Expr) -> pl.Expr:
    return pl.format("{}-{}", pl.lit(kind), number.cast(pl.String).str.zfill(9))


def _users(users: int, number: int) -> pl.LazyFrame:
    # Each has a day of a thousand from which on it has its next title.
    moved = (_drawn(1, 0, 999) <= number).cast(pl.Int64)
    return _rows(users).select(
        id=_id("user", pl.col("row")),
        created=pl.lit(date(2022, 1, 1)) + pl.duration(days=_drawn(2, 0, 800)),
        title=_one_of(_drawn(3, 0, 3) + moved, _TITLES),
    )


def _firms(firms: int) -> pl.LazyFrame:
    return _rows(firms).select(
        id=_id("firm", pl.col("row")),
        created=pl.lit(date(2021, 1, 1)) + pl.duration(days=_drawn(4, 0, 300)),
        firm_size=_drawn(5, 20, 2 * _USERS_OF_A_FIRM),
        arr_in_thousands=_drawn(6, 20, 2_000),
    )


def _events(users: int, firms: int, day: date, number: int) -> pl.LazyFrame:
    seeds = range(100 * (number + 1), 100 * (number + 2))
    user = _drawn(seeds[0], 0, users * 6 // 10)
    return _rows(users // 2).select(
        created=pl.lit(day).cast(pl.Datetime("us"))
        + pl.duration(seconds=_drawn(seeds[1], 0, 86_399)),
        firm_id=_id("firm", user % firms),
        user_id=_id("user", user),
        event_type=_one_of(_drawn(seeds[2], 0, 2), _TYPES),
        num_docs=_drawn(seeds[3], 0, 9),
        feedback_score=_drawn(seeds[4], 1, 5),
        event_id=pl.format("{}-{}", pl.lit(f"{day:%y%m%d}"), pl.col("row")),
    )


def show_tables(warehouse: Path) -> None:
    """Rows and megabytes of the largest tables."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name, estimated_size from duckdb_tables() "
            "where not temporary"
        ).fetchall()
        blocks = [
            (
                connection.execute(
                    "select count(distinct block_id) * 0.262144 from pragma_storage_info(?) "
                    "where persistent",
                    [name],
                ).fetchall()[0][0],
                name,
                rows,
            )
            for name, rows in tables
        ]
    for megabytes, name, rows in sorted(blocks, reverse=True)[:_TABLES]:
        print(f"  {name:40} {rows:12,} rows {megabytes:8.0f} MB", flush=True)


if __name__ == "__main__":
    main()
