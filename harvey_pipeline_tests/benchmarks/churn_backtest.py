"""How well the risk of churn foresees who leaves, where that is known; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.churn_backtest --seeds 10 --users 400

Makes histories in which it is known who leaves for good, some at once and some bit by bit, beside
people who only pause. Computes each with `harvey run`, and prints what `segments.churn_backtest`
says of all its Mondays, and the median lift of `high` over the seeds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.segments.tables.labels import CHURN_RISKS
from harvey_pipeline.synthetic import Dice
from harvey_pipeline.warehouse.warehouse import published_path

FIRST: Final = date(2024, 1, 1)
_FIRMS: Final = 4
_APPS: Final = ("assistant", "vault", "workflow", "docs", "research", "drive")
_PRODUCT_APPS: Final = 3

# (share, attendance): on how many of 1,000 weekdays people come while they are there.
_ATTENDANCE: Final = ((20, 900), (30, 650), (30, 350), (20, 120))
# (share, days): for how long people fade before they leave; 0 is at once.
_FADES: Final = ((50, 0), (50, 35))
# (share, days): how long a pause is of those who come back; 0 is none.
_PAUSES: Final = ((60, 0), (25, 14), (10, 28), (5, 42))
_LEAVERS_PERCENT: Final = 15
_WEEKEND_DIVISOR: Final = 5
_FIRST_TO_LEAVE, _LAST_TO_LEAVE = 95, 40
"""Days from the beginning, and before the end, between which people leave.

Before, windows are half filled; after, it is not known yet whether they come again.
"""


@dataclass(frozen=True)
class History:
    """What to make: people, days and chance."""

    seed: int
    users: int
    days: int

    def __post_init__(self) -> None:
        """Refuse a history in which nobody could leave."""
        least = _FIRST_TO_LEAVE + _LAST_TO_LEAVE + 1
        if self.days < least:
            raise ValueError(f"days must be at least {least}, not {self.days}")

    @property
    def last(self) -> date:
        return FIRST + timedelta(days=self.days - 1)


@dataclass(frozen=True)
class Band:
    """The users of a risk over all Mondays that can be judged, and those of them who left."""

    users: int
    churned: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="histories, each with its own seed")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--days", type=int, default=210)
    options = parser.parse_args()
    print(f"{'seed':>4} {'high':>7} {'left':>7} {'precision':>10} {'recall':>8} {'lift':>6}")
    lifts = []
    for seed in range(1, options.seeds + 1):
        with tempfile.TemporaryDirectory(prefix="harvey-backtest-") as scratch:
            bands = measure(History(seed, options.users, options.days), Path(scratch))
        lift = lift_of(bands, "high")
        print(f"{seed:>4} {described(bands)}", flush=True)
        if lift is not None:
            lifts.append(lift)
    if lifts:
        print(f"median lift of high: {statistics.median(lifts):.2f} over {len(lifts)} seeds")


def measure(history: History, place: Path) -> dict[str, Band]:
    """Compute a history in a fresh process, and read what became of each risk."""
    write_history(place / "landing", history)
    environment = os.environ | {
        "HARVEY_LANDING_DIR": str(place / "landing"),
        "HARVEY_WAREHOUSE": str(place / "warehouse.duckdb"),
        "DAGSTER_HOME": str(place / "dagster_home"),
    }
    command = [sys.executable, "-m", "harvey_pipeline", "run"]
    finished = subprocess.run(
        [*command, "--from", str(FIRST), "--to", str(history.last)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    if finished.returncode not in (0, 1):
        raise SystemExit(f"`harvey run` ended with exit code {finished.returncode}")
    with duckdb.connect(str(published_path(place / "warehouse.duckdb")), read_only=True) as copy:
        return read_bands(copy)


def read_bands(copy: duckdb.DuckDBPyConnection) -> dict[str, Band]:
    """Of each risk, users and churned ones over all Mondays of which the month after is known."""
    rows = copy.execute(
        "select churn_risk, sum(users)::bigint, sum(churned)::bigint from segments.churn_backtest "
        "where tenant_id = 'all' and churned is not null group by 1"
    ).fetchall()
    found = {risk: Band(users, churned) for risk, users, churned in rows}
    return {risk: found.get(risk, Band(0, 0)) for risk in CHURN_RISKS}


def lift_of(bands: dict[str, Band], risk: str) -> float | None:
    """How many times as often those of a risk leave as all; None where nobody is or leaves."""
    users = sum(band.users for band in bands.values())
    churned = sum(band.churned for band in bands.values())
    band = bands[risk]
    if not band.users or not churned:
        return None
    return (band.churned / band.users) / (churned / users)


def described(bands: dict[str, Band]) -> str:
    """The columns that are printed of a seed."""
    high, churned = bands["high"], sum(band.churned for band in bands.values())
    precision = f"{100 * high.churned / high.users:.1f} %" if high.users else "-"
    recall = f"{100 * high.churned / churned:.1f} %" if churned else "-"
    lift = lift_of(bands, "high")
    told = "-" if lift is None else f"{lift:.2f}"
    return f"{high.users:>7,} {high.churned:>7,} {precision:>10} {recall:>8} {told:>6}"


# --- the history ---------------------------------------------------------------------------------


def people(history: History) -> pl.DataFrame:
    """One row per user: habits, `leaves` (day number; null: stays), `fade` and pauses in days."""
    dice = Dice(history.seed, history.users)
    span = history.days - _LAST_TO_LEAVE - _FIRST_TO_LEAVE
    is_leaver = dice.roll("is leaver", 100) < _LEAVERS_PERCENT
    return pl.DataFrame(
        {
            "user": pl.int_range(history.users, eager=True),
            "attendance": dice.pick("attendance", _ATTENDANCE),
            "accesses": 2 + dice.roll("accesses", 7),
            "apps": 1 + dice.roll("apps", len(_APPS)),
            "pause": dice.pick("pause", _PAUSES),
            "pauses_on": dice.roll("pauses on", history.days),
            "fade": dice.pick("fade", _FADES),
            "leaves": _FIRST_TO_LEAVE + dice.roll("leaves", span),
        }
    ).with_columns(
        leaves=pl.when(is_leaver).then("leaves"),
        user_id=pl.format("user-{}", pl.col("user")),
        firm_id=pl.format("firm-{}", pl.col("user") % _FIRMS),
    )


def write_history(landing: Path, history: History) -> None:
    """Write bulk exports of users, firms, events and sign-ins."""
    landing.mkdir(parents=True)
    who = people(history)
    created = (FIRST - timedelta(days=200)).isoformat()
    who.select(id="user_id", created=pl.lit(created), title=pl.lit("Associate")).write_csv(
        landing / "users.csv"
    )
    firms = pl.DataFrame({"id": [f"firm-{number}" for number in range(_FIRMS)]})
    firms.with_columns(
        created=pl.lit(created),
        firm_size=pl.lit(str(history.users)),
        arr_in_thousands=pl.lit("100"),
    ).write_csv(landing / "firms.csv")
    accesses = pl.concat(accesses_of(history, who)).with_row_index("serial")
    is_product = pl.col("app") < _PRODUCT_APPS
    name = pl.lit(pl.Series(_APPS)).gather("app")
    moment = pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S")
    accesses.filter(is_product).select(
        "firm_id",
        "user_id",
        created=moment,
        event_type=name.str.to_uppercase(),
        num_docs=pl.lit("1"),
        feedback_score=pl.lit("4"),
        event_id=pl.format("e{}", "serial"),
    ).write_csv(landing / "events.csv")
    accesses.filter(~is_product).select(
        event_id=pl.format("s{}", "serial"),
        published=moment,
        tenant_id="firm_id",
        actor_id="user_id",
        outcome=pl.lit("SUCCESS"),
        target_id=name,
        session_minutes=pl.lit("12"),
    ).write_csv(landing / "sso_events.csv")


def accesses_of(history: History, who: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Day by day, one row per access: `user_id`, `firm_id`, `app` (its number), `at`."""
    left = pl.col("leaves") - pl.col("day")
    # Those who fade come ever more seldom in their last weeks.
    presence = (
        pl.when(left <= 0)
        .then(0)
        .when((pl.col("fade") > 0) & (left < pl.col("fade")))
        .then(1000 * left // pl.col("fade"))
        .otherwise(1000)
    )
    is_pausing = pl.col("day").is_between(
        "pauses_on", pl.col("pauses_on") + pl.col("pause"), closed="left"
    )
    for number in range(history.days):
        day = FIRST + timedelta(days=number)
        comes = Dice(history.seed, who.height, number).roll("comes", 1_000_000)
        chance = pl.col("attendance") * presence // (_WEEKEND_DIVISOR if day.weekday() > 4 else 1)
        present = who.with_columns(day=pl.lit(number)).filter(~is_pausing, pl.lit(comes) < chance)
        rows = present.select("user_id", "firm_id", "apps", turn=pl.int_ranges("accesses")).explode(
            "turn"
        )
        dice = Dice(history.seed, rows.height, number)
        midnight = pl.lit(day).cast(pl.Datetime("us"))
        yield rows.with_columns(
            second=8 * 3600 + dice.roll("second", 9 * 3600), number=dice.roll("app", 1 << 16)
        ).select(
            "user_id",
            "firm_id",
            app=pl.col("number") % pl.col("apps"),
            at=midnight + pl.duration(seconds="second"),
        )


if __name__ == "__main__":
    main()
