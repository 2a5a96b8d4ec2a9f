"""Segments against labels."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from harvey_pipeline.segments.tables.evaluation import EVALUATION
from harvey_pipeline.segments.transforms.judging import judge_segments
from harvey_pipeline_tests.segments.verdicts import (
    Row,
    by_key,
    days_from,
    labels,
    rows_of,
    segments,
)

MONDAY = date(2024, 6, 3)
SUNDAY = date(2024, 6, 2)
WEEK_BEFORE = date(2024, 5, 27)
CELLS = [
    f"{label}_as_{segment}"
    for label in ("casual", "regular", "power")
    for segment in ("casual", "regular", "power")
]


def judged(given: Sequence[Row], found: Sequence[Row], day: date = MONDAY) -> dict[str, Row]:
    """The rows of a Monday by tenant."""
    return by_key(EVALUATION, judge_segments(labels(given), segments(found), [day]))


def label(user_id: str, given: str, day: date = MONDAY, labelled_by: str = "m") -> Row:
    return {"date": day, "user_id": user_id, "label": given, "labelled_by": labelled_by}


def found(user_id: str, segment: str, day: date = MONDAY, tenant_id: str = "t") -> Row:
    return {"date": day, "user_id": user_id, "segment": segment, "tenant_id": tenant_id}


def cells(row: Row) -> dict[str, int]:
    """The cells that are not 0."""
    return {cell: row[cell] for cell in CELLS if row[cell]}


def test_nine_cells_and_what_follows_from_them() -> None:
    """So many users per label (rows) and segment (columns): 1 2 0, 0 4 1, 3 0 5.

    Correct are 1 + 4 + 5 = 10 of 16. Of those found casual (4), regular (6), power (6) so many are
    labelled so; of those labelled casual (3), regular (5), power (8) so many are found.
    """
    numbers = {
        ("casual", "casual"): 1,
        ("casual", "regular"): 2,
        ("regular", "regular"): 4,
        ("regular", "power"): 1,
        ("power", "casual"): 3,
        ("power", "power"): 5,
    }
    pairs = [
        (f"{truth}{segment}{number}", truth, segment)
        for (truth, segment), count in numbers.items()
        for number in range(count)
    ]
    rows = judged(
        [label(user, truth) for user, truth, _ in pairs],
        [found(user, segment) for user, _, segment in pairs],
    )
    assert set(rows) == {"t", "all"}
    row = rows["t"]
    assert row | {"tenant_id": "all"} == rows["all"]
    assert row["date"] == MONDAY
    assert (row["labelled_users"], row["correct"], row["unmatched_labels"]) == (16, 10, 0)
    assert cells(row) == {f"{one}_as_{other}": n for (one, other), n in numbers.items()}
    assert row["accuracy"] == 62.5
    precisions = [row[f"{one}_precision"] for one in ("casual", "regular", "power")]
    assert precisions == [25.0, 100 * 4 / 6, 100 * 5 / 6]
    recalls = [row[f"{one}_recall"] for one in ("casual", "regular", "power")]
    assert recalls == [100 * 1 / 3, 80.0, 62.5]
    assert (row["is_reliable"], row["is_met"]) == (False, False)


def test_a_segment_that_nobody_has_has_no_precision_and_a_label_no_recall() -> None:
    row = judged([label("u", "power")], [found("u", "regular")])["t"]
    assert [row[f"{one}_precision"] for one in ("casual", "regular", "power")] == [None, 0.0, None]
    assert [row[f"{one}_recall"] for one in ("casual", "regular", "power")] == [None, None, 0.0]


@pytest.mark.parametrize(
    ("day", "cell"),
    [
        (SUNDAY, "power_as_casual"),  # the Monday before its week's end
        (MONDAY, "power_as_power"),  # the Monday itself
        (WEEK_BEFORE, "power_as_casual"),
    ],
)
def test_a_label_meets_the_segment_of_the_latest_monday(day: date, cell: str) -> None:
    rows = judged(
        [label("u", "power", day)],
        [found("u", "casual", WEEK_BEFORE, "old"), found("u", "power", MONDAY, "new")],
    )
    tenant = "new" if day == MONDAY else "old"
    assert set(rows) == {tenant, "all"}
    assert cells(rows[tenant]) == {cell: 1}


@pytest.mark.parametrize(
    ("given", "cell"),
    [
        ([label("u", "casual", SUNDAY), label("u", "power", MONDAY)], "power_as_power"),
        (
            [label("u", "casual", MONDAY, "z"), label("u", "power", MONDAY, "Z")],
            "power_as_power",  # Z is before z
        ),
        ([label("u", "casual", MONDAY, ""), label("u", "power", MONDAY, "a")], "casual_as_power"),
        ([label("u", "casual", SUNDAY), label("u", "review", MONDAY)], "casual_as_power"),
        # A label of tomorrow is not known.
        ([label("u", "regular"), label("u", "power", MONDAY + timedelta(1))], "regular_as_power"),
    ],
)
def test_the_latest_label_counts(given: list[Row], cell: str) -> None:
    both = [found("u", "power", day) for day in (WEEK_BEFORE, MONDAY)]
    assert cells(judged(given, both)["t"]) == {cell: 1}


def test_labels_count_for_a_year() -> None:
    """364 days before a Monday is a Monday, whose row is the last that is read."""
    first = MONDAY - timedelta(days=364)
    given = [label("u", "casual", first), label("v", "casual", first - timedelta(days=1))]
    rows = judged(given, [found("u", "casual", first), found("v", "casual", first - timedelta(7))])
    assert rows["all"]["labelled_users"] == rows["t"]["casual_as_casual"] == 1
    assert rows["all"]["unmatched_labels"] == 0


def test_a_label_that_is_a_year_old_counts_on_no_later_monday() -> None:
    first = MONDAY - timedelta(days=364)
    days = days_from(MONDAY, 8)
    frames = judge_segments(
        # 365 and 364 days before the second Monday.
        labels(
            [label("u", "casual", first + timedelta(6)), label("v", "casual", first + timedelta(7))]
        ),
        segments([found("u", "casual", first), found("v", "casual", first + timedelta(7))]),
        days,
    )
    told = {
        (row["date"], row["tenant_id"]): row["labelled_users"]
        for row in rows_of(EVALUATION, frames)
    }
    assert told == {
        (MONDAY, "t"): 2,
        (MONDAY, "all"): 2,
        (days[-1], "t"): 1,
        (days[-1], "all"): 1,
    }


def test_labels_without_a_segment_are_counted_in_all_only() -> None:
    rows = judged(
        [label("u", "casual"), label("v", "power"), label("w", "power", SUNDAY)],
        # w has a row on the Monday after the label, and none on the one before it.
        [found("u", "casual"), found("w", "power")],
    )
    assert (rows["t"]["labelled_users"], rows["t"]["unmatched_labels"]) == (1, 0)
    assert (rows["all"]["labelled_users"], rows["all"]["unmatched_labels"]) == (1, 2)


def test_labels_of_which_none_has_a_segment_make_a_row_of_all() -> None:
    rows = judged([label("u", "casual")], [])
    assert set(rows) == {"all"}
    row = rows["all"]
    assert (row["labelled_users"], row["unmatched_labels"], row["correct"]) == (0, 1, 0)
    figures = ("accuracy", "is_met", "casual_precision", "casual_recall")
    assert [row[name] for name in figures] == [None] * 4
    assert row["is_reliable"] is False


@pytest.mark.parametrize("given", [[], [label("u", "review")]])
def test_without_a_label_there_is_no_row(given: list[Row]) -> None:
    assert judged(given, [found("u", "casual")]) == {}


@pytest.mark.parametrize(
    ("users", "correct", "is_reliable", "is_met"),
    [
        (199, 199, False, True),
        (200, 170, True, False),  # 85 %
        (200, 171, True, True),
        (20, 17, False, False),
        (20, 18, False, True),
    ],
)
def test_verdicts_at_their_edges(users: int, correct: int, is_reliable: bool, is_met: bool) -> None:
    names = [f"u{number}" for number in range(users)]
    rows = judged(
        [label(name, "casual") for name in names],
        [found(name, "casual" if place < correct else "power") for place, name in enumerate(names)],
    )
    assert (rows["t"]["is_reliable"], rows["t"]["is_met"]) == (is_reliable, is_met)


def test_a_range_of_days_is_judged_monday_by_monday() -> None:
    """Twenty weeks at once are what each of their Mondays is by itself."""
    days = days_from(MONDAY - timedelta(weeks=20), 141)
    given = [
        label(f"u{place % 7}", ("casual", "power")[place % 2], day)
        for place, day in enumerate(days[::9])
    ]
    rows: list[Row] = [
        found(f"u{user}", "casual", day, f"t{user % 2}")
        for day in days
        if day.weekday() == 0
        for user in range(6)
    ]
    together = rows_of(EVALUATION, judge_segments(labels(given), segments(rows), days))
    apart: list[dict[str, Any]] = []
    for day in days:
        apart += rows_of(EVALUATION, judge_segments(labels(given), segments(rows), [day]))
    assert together == apart
    assert {row["date"].weekday() for row in together} == {0}
    assert len({row["date"] for row in together}) == 21


def test_no_days_give_nothing() -> None:
    assert rows_of(EVALUATION, judge_segments(labels([]), segments([]), [])) == []
