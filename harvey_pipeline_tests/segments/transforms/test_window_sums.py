"""Windows from the warehouse's sums: that they are asked for where few days are wanted.

Wherever scores are computed by `accesses.scores`, they are asserted to say what carried ones say.
"""

from datetime import date

import polars as pl
import pytest

from harvey_pipeline.segments.transforms.scores import score_users
from harvey_pipeline.segments.transforms.window_sums import WindowSums
from harvey_pipeline_tests.segments.transforms.accesses import (
    ACCESS,
    DAY,
    EMPLOYEES,
    USERS,
    Rows,
    access,
    days_from,
    score_of,
    scores,
    sign_in,
    sums_of,
    user,
)


@pytest.mark.parametrize(("length", "asked"), [(1, 1), (2, 2), (3, 0)])
def test_a_few_days_are_summed_one_by_one(length: int, asked: int) -> None:
    rows = pl.LazyFrame([access(ago) for ago in range(-3, 3)], schema=ACCESS)
    summed: list[date] = []

    def sum_day(day: date) -> WindowSums:
        summed.append(day)
        return sums_of(rows)(day)

    days = days_from(DAY, length)
    users, employees = pl.LazyFrame([user()], schema=USERS), pl.LazyFrame(schema=EMPLOYEES)
    frames = score_users(rows, users, employees, [], days, sum_day)
    scored = pl.concat(frame.collect() for frame in frames)
    assert scored["total_accesses"].to_list() == [3, 4, 5][:length]
    assert summed == days[:asked]


@pytest.mark.parametrize(
    ("rows", "tenant"),
    [
        # More accesses win, then the later access, whatever row without one comes after it.
        ([access(5, 2, tenant_id="b"), access(0, 1, tenant_id="a")], "b"),
        ([access(5, tenant_id="b"), access(4, tenant_id="c"), sign_in(0, tenant_id="b")], "c"),
        ([access(4, tenant_id="c"), access(4, tenant_id="b")], "b"),
        # Without an access the latest row of a year, within the window or before it.
        ([sign_in(100, tenant_id="a"), sign_in(101, tenant_id="b")], "a"),
        ([sign_in(100, tenant_id="b"), sign_in(100, tenant_id="a")], "a"),
        ([sign_in(89, tenant_id="b"), sign_in(90, tenant_id="a")], "b"),
        ([sign_in(364, tenant_id="b")], "b"),
        ([sign_in(365, tenant_id="b")], "unknown"),
    ],
)
def test_tenant(rows: Rows, tenant: str) -> None:
    assert score_of(scores(rows, [user()]))["tenant_id"] == tenant


def test_texts_are_distinct_over_lists() -> None:
    """Three devices in three lists of which two overlap; the fourth is out of the window."""
    lists = [["d1", "d2"], ["d2"], ["d3", "d1"]]
    rows = [sign_in(ago, devices=devices) for ago, devices in enumerate(lists)]
    rows += [sign_in(90, devices=["d4"]), sign_in(89, locations=["l1"])]
    row = score_of(scores(rows, [user()]))
    assert (row["device_count"], row["location_diversity"]) == (3, 1)
