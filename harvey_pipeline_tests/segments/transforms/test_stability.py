"""Where the users of a segment are later."""

from collections.abc import Collection, Sequence
from datetime import date

import pytest

from harvey_pipeline.segments.tables.evaluation import STABILITY
from harvey_pipeline.segments.transforms.stability import follow_segments, last_monday
from harvey_pipeline_tests.segments.verdicts import (
    Row,
    accesses,
    by_key,
    days_from,
    rows_of,
    segments,
)

MONTH = date(2024, 1, 1)
ON = date(2024, 1, 29)
THEN = {1: date(2024, 2, 26), 2: date(2024, 3, 25), 3: date(2024, 4, 29)}
DAYS = days_from(date(2023, 12, 1), 244)  # to 31 July
MARCH = days_from(date(2024, 3, 1), 31)
COUNTS = ("same_segment", "in_top_quartile", "inactive")
RATES = ("same_segment_rate", "top_quartile_rate", "inactive_rate")


def user(
    user_id: str,
    segment: str = "power",
    day: date = ON,
    percentile: float | None = 50.0,
    tenant_id: str = "t",
) -> Row:
    return {
        "date": day,
        "user_id": user_id,
        "segment": segment,
        "percentile": percentile,
        "tenant_id": tenant_id,
    }


def followed(
    users: Sequence[Row],
    used: Sequence[tuple[str, date]] = (),
    run_days: Collection[date] = DAYS,
    covered: Collection[date] = DAYS,
) -> dict[tuple[str, str, int], Row]:
    """The rows of January by tenant, segment and months."""
    rows = [{"user_id": user_id, "date": day} for user_id, day in used]
    frames = follow_segments(segments(users), accesses(rows), run_days, covered, [MONTH])
    return by_key(STABILITY, frames)


def test_last_mondays() -> None:
    assert last_monday(date(2024, 1, 1)) == ON
    assert last_monday(date(2024, 9, 1)) == date(2024, 9, 30)  # the month's last day
    assert last_monday(date(2024, 3, 1)) == date(2024, 3, 25)  # which ends on a Sunday


def test_three_months_of_a_cohort() -> None:
    users = [
        *(user(name) for name in "abc"),
        # One month later a is where it was, b fell, c has no row.
        user("a", "power", THEN[1], 90.0),
        user("b", "regular", THEN[1], 76.0),
        # Two months later nobody is in the top quartile, three months later all are.
        *(user(name, "power", THEN[2], 75.0) for name in "abc"),
        *(user(name, "casual", THEN[3], 75.1) for name in "abc"),
    ]
    used = [
        *(("a", day) for day in (date(2024, 2, 1), date(2024, 3, 31))),
        *(("b", day) for day in (date(2024, 2, 29), date(2024, 5, 1))),
        ("c", date(2024, 1, 31)),
        ("stranger", date(2024, 2, 2)),
    ]
    rows = followed(users, used)
    assert len(rows) == 6
    expected = {1: [1, 2, 1], 2: [3, 0, 2], 3: [0, 3, 3]}
    for months, counts in expected.items():
        row = rows["t", "power", months]
        assert (row["activity_month"], row["cohort_size"]) == (MONTH, 3)
        assert [row[name] for name in COUNTS] == counts
        assert [row[name] for name in RATES] == [100 * count / 3 for count in counts]
        assert rows["all", "power", months] == row | {"tenant_id": "all"}


def test_tenants_and_segments_of_the_first_monday() -> None:
    """A user who changes tenant stays in the cohort where it began."""
    users = [
        user("a", "power", tenant_id="one"),
        user("b", "power", tenant_id="two"),
        user("c", "casual", tenant_id="two"),
        user("a", "power", THEN[1], 80.0, "two"),
        user("c", "regular", THEN[1]),
        user("d", "power", THEN[1]),
        user("e", "power", date(2024, 1, 22)),  # a Monday that is not the last
    ]
    rows = followed(users, [("a", date(2024, 2, 5))])
    sizes = {key: row["cohort_size"] for key, row in rows.items() if key[2] == 1}
    assert sizes == {
        ("one", "power", 1): 1,
        ("two", "power", 1): 1,
        ("two", "casual", 1): 1,
        ("all", "power", 1): 2,
        ("all", "casual", 1): 1,
    }
    told = {key: [rows[key][name] for name in COUNTS] for key in sizes}
    assert told["one", "power", 1] == [1, 1, 0]
    assert told["two", "power", 1] == [0, 0, 1]
    assert told["all", "power", 1] == [1, 1, 1]
    assert told["two", "casual", 1] == [0, 0, 1]


def test_a_user_without_a_percentile_is_not_in_the_top_quartile() -> None:
    rows = followed([user("a"), user("a", day=THEN[1], percentile=None)])
    assert rows["t", "power", 1]["in_top_quartile"] == 0


def test_a_sign_in_is_no_activity() -> None:
    rows = accesses([{"user_id": "a", "date": date(2024, 2, 5), "accesses": 0}])
    frames = follow_segments(segments([user("a")]), rows, DAYS, DAYS, [MONTH])
    assert by_key(STABILITY, frames)["t", "power", 1]["inactive"] == 1


def top(count: int, of: int, months: int = 3) -> bool | None:
    """The verdict on a power cohort of which so many are in the top quartile then."""
    names = [f"u{number}" for number in range(of)]
    users = [
        *(user(name) for name in names),
        *(user(name, "power", THEN[months], 80.0) for name in names[:count]),
    ]
    verdict: bool | None = followed(users)["t", "power", months]["is_met"]
    return verdict


def silent(count: int, of: int, months: int = 3, segment: str = "casual") -> bool | None:
    """The verdict on a cohort of which so many have no access then."""
    names = [f"u{number}" for number in range(of)]
    used = [(name, THEN[months]) for name in names[count:]]
    users = [user(name, segment) for name in names]
    verdict: bool | None = followed(users, used)["t", segment, months]["is_met"]
    return verdict


def test_power_users_are_to_stay_in_the_top_quartile() -> None:
    assert [top(count, 10) for count in (7, 8, 9, 10)] == [False, False, True, True]
    assert [top(10, 10, months) for months in (1, 2)] == [None, None]


def test_of_casual_users_some_are_to_fall_silent() -> None:
    """Of 10, 3 and 4; of 7, 2 are too few (28.6 %) and 3 too many (42.9 %)."""
    verdicts = [silent(count, 10) for count in (2, 3, 4, 5)]
    assert verdicts == [False, True, True, False]
    assert [silent(count, 7) for count in (2, 3)] == [False, False]
    assert [silent(3, 10, months) for months in (1, 2)] == [None, None]


def test_nothing_is_aimed_at_for_regular_users() -> None:
    assert silent(3, 10, segment="regular") is None


@pytest.mark.parametrize(
    ("run_days", "covered", "is_known"),
    [
        (MARCH, MARCH[:25], True),  # 80.6 %
        (MARCH, MARCH[:24], False),  # 77.4 %
        (MARCH[:-1], MARCH, False),
        (MARCH[1:], MARCH, False),
        ([*MARCH[:10], *MARCH[11:]], MARCH, False),
        (MARCH, [], False),
    ],
)
def test_figures_wait_for_every_day_and_for_coverage(
    run_days: list[date], covered: list[date], is_known: bool
) -> None:
    users = [user("a", "casual"), user("a", "casual", THEN[2], 80.0)]
    row = followed(users, [], run_days, covered)["t", "casual", 2]
    assert row["cohort_size"] == 1
    told = [row[name] for name in (*COUNTS, *RATES)]
    assert told == ([1, 1, 1, 100.0, 100.0, 100.0] if is_known else [None] * 6)


@pytest.mark.parametrize(("covered", "is_known"), [(24, True), (23, False)])
def test_four_fifths_of_thirty_days_are_enough(covered: int, is_known: bool) -> None:
    row = followed([user("a", "casual")], [], DAYS, days_from(date(2024, 4, 1), covered))
    assert (row["t", "casual", 3]["inactive"] is not None) == is_known
    assert (row["t", "casual", 3]["is_met"] is not None) == is_known


def test_months_at_once_are_what_each_is_alone() -> None:
    months = [date(2024, month, 1) for month in (1, 2, 3, 4)]
    users = [
        user(f"u{number}", ("casual", "power")[(number + place) % 2], day, 20.0 * number)
        for place, day in enumerate(day for day in DAYS if day.weekday() == 0)
        for number in range(5)
    ]
    used = accesses(
        {"user_id": f"u{place % 5}", "date": day} for place, day in enumerate(DAYS[::13])
    )
    run_days = [day for day in DAYS if day <= date(2024, 6, 15)]

    def follow(some: Sequence[date]) -> list[Row]:
        return rows_of(STABILITY, follow_segments(segments(users), used, run_days, run_days, some))

    together = follow(months)
    assert together == [row for month in months for row in follow([month])]
    unknown = {
        (row["activity_month"].month, row["months_after"])
        for row in together
        if row["inactive"] is None
    }
    # June is not over, and July not begun.
    assert unknown == {(3, 3), (4, 2), (4, 3)}


def test_without_a_cohort_there_is_no_row() -> None:
    assert followed([user("a", day=THEN[1])]) == {}
    assert followed([]) == {}
