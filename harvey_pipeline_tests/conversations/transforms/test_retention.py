"""Who comes back, by hand at the edges of every period."""

from collections.abc import Collection
from datetime import date

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.labels import PERIODS
from harvey_pipeline.conversations.tables.marts import RETENTION
from harvey_pipeline.conversations.transforms.retention import follow_cohorts, pool_cohorts
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    cells,
    days_to,
    figures,
    rows_of,
    steps,
    user_rows,
)

AFTER = [before(-ago) for ago in range(31)]


def cohorts(
    people: pl.LazyFrame,
    used: pl.LazyFrame,
    known: Collection[date] = AFTER,
    days: list[date] | None = None,
) -> dict[tuple[date, str], Row]:
    rows = rows_of(follow_cohorts(people, used, known, days or [DAY]), RETENTION)
    return {(row["date"], row["period"]): row for row in rows}


@pytest.mark.parametrize(
    ("offset", "periods"),
    [
        (0, set()),
        (1, {"day_1"}),
        (2, set()),
        (6, set()),
        (7, {"day_7", "week_1"}),
        (8, {"week_1"}),
        (13, {"week_1"}),
        (14, {"week_2"}),
        (20, {"week_2"}),
        (21, set()),
        (29, set()),
        (30, {"day_30"}),
        (31, set()),
    ],
)
def test_a_day_counts_for_its_periods(offset: int, periods: set[str]) -> None:
    rows = cohorts(steps({}), user_rows({}, {"date": before(-offset)}))
    assert {period for (_, period), row in rows.items() if row["retained"]} == periods
    assert {row["cohort_size"] for row in rows.values()} == {1}
    assert all(
        row["retention_rate"] == (100.0 if row["retained"] else 0.0) for row in rows.values()
    )


def test_users_are_counted_once_and_only_those_of_the_day() -> None:
    people = steps(
        {}, {"user_id": "v"}, {"user_id": "w"}, {"user_id": "x", "signed_up_date": AFTER[1]}
    )
    used = user_rows(
        *({"date": AFTER[offset]} for offset in (7, 8, 9)),
        {"date": AFTER[7], "user_id": "v"},
        {"date": AFTER[7], "user_id": "x"},
        {"date": AFTER[7], "user_id": "stranger"},
    )
    rows = cohorts(people, used)
    names = ("cohort_size", "retained", "retention_rate")
    assert figures(rows[DAY, "week_1"], *names) == [3, 2, 200 / 3]
    assert figures(rows[DAY, "day_7"], *names) == [3, 2, 200 / 3]
    assert figures(rows[DAY, "week_2"], *names) == [3, 0, 0.0]


@pytest.mark.parametrize("period", PERIODS)
def test_a_cell_is_told_only_once_all_its_days_are_known(period: str) -> None:
    first, last = PERIODS[period]
    used = user_rows({"date": AFTER[first]})
    own_days = AFTER[first : last + 1]
    assert cohorts(steps({}), used, own_days)[DAY, period]["retained"] == 1
    for missing in {first, last}:
        known = [day for day in AFTER if day != AFTER[missing]]
        row = cohorts(steps({}), used, known)[DAY, period]
        assert figures(row, "cohort_size", "retained", "retention_rate") == [1, None, None]


def test_a_day_on_which_nobody_signed_up() -> None:
    rows = cohorts(steps(), user_rows({"date": AFTER[1]}))
    assert len(rows) == 5
    assert all(
        figures(row, "cohort_size", "retained", "retention_rate") == [0, 0, None]
        for row in rows.values()
    )


def test_many_days_at_once_are_what_each_gives_alone() -> None:
    days = days_to(70)
    people = steps(
        *({"user_id": f"u{place}", "signed_up_date": day} for place, day in enumerate(days))
    )
    used = user_rows(
        *(
            {"user_id": f"u{place}", "date": before(-offset, day)}
            for place, day in enumerate(days)
            for offset in (0, 1 + place % 3, 7 + place % 5, 14 + place % 9)
        )
    )
    known = days_to(60)
    together = cohorts(people, used, known, days)
    alone: dict[tuple[date, str], Row] = {}
    for day in days:
        alone |= cohorts(people, used, known, [day])
    assert together == alone
    assert len(together) == 350


@pytest.mark.parametrize("period", PERIODS)
def test_cohorts_are_pooled_from_the_latest_that_is_over(period: str) -> None:
    """Each has 1 + its place of users, so that what is summed tells which cohorts they are."""
    last = PERIODS[period][1]
    agos = {last - 1: 1, last: 10, last + 29: 100, last + 30: 1000}
    rows = cells(
        *(
            {"date": before(ago), "period": period, "cohort_size": size, "retained": size // 10}
            for ago, size in agos.items()
        ),
        {"date": before(last + 1), "period": period, "cohort_size": 50, "retained": None},
    )
    pooled = pool_cohorts(rows, period, [DAY]).collect().rows()
    assert pooled == [(DAY, 110, 11)]
    other = next(one for one in PERIODS if one != period)
    assert pool_cohorts(rows, other, [DAY]).collect().rows() == [(DAY, 0, 0)]
