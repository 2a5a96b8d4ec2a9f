"""First activity: the earliest day of all taken in, whatever the order and how often."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.core import FirstActivity
from harvey_pipeline.engagement.transforms.first_activity import take_in_activity
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before, usage

Rows = list[dict[str, Any]]
FirstDays = dict[tuple[str, str], date]

NOBODY: Final[FirstDays] = {}


def taken_in(
    known: FirstDays,
    activity: Rows,
    first: date,
    last: date | None = None,
    later: Rows | None = None,
) -> FirstDays:
    """The table once a day, or the days from first to last, are taken in; checked by its schema."""
    types = TABLES["core.first_activity"].polars_schema
    activity_types = TABLES["core.user_daily_activity"].polars_schema
    rows = take_in_activity(
        pl.DataFrame(
            [(*entity, first_day) for entity, first_day in known.items()],
            schema=types,
            orient="row",
        ),
        pl.LazyFrame(activity, schema=activity_types),
        pl.LazyFrame(later or [], schema=activity_types),
        first,
        last or first,
    ).collect()
    assert list(rows.schema.items()) == list(types.items())
    FirstActivity.validate(rows)
    return {(grain, entity_id): first_day for grain, entity_id, first_day in rows.iter_rows()}


def firsts(activity: Iterable[dict[str, Any]]) -> FirstDays:
    """The earliest date of every user and every firm, row by row."""
    found: FirstDays = {}
    for row in activity:
        for entity in (("user", row["user_id"]), ("firm", row["firm_id"])):
            found[entity] = min(row["date"], found.get(entity, row["date"]))
    return found


def test_users_and_firms_have_the_first_of_their_days() -> None:
    activity = [
        usage("u1", "a", days_before(2)),
        usage("u1", "b", days_before(1)),
        usage("u2", "b", DAY),
        usage("u2", "a", DAY),
    ]

    assert taken_in(NOBODY, activity, days_before(2), DAY) == {
        ("user", "u1"): days_before(2),
        ("user", "u2"): DAY,
        ("firm", "a"): days_before(2),
        ("firm", "b"): days_before(1),
    }


def test_an_id_of_a_user_and_of_a_firm_is_two_entities() -> None:
    activity = [usage("x", "a", days_before(1)), usage("u1", "x", DAY)]
    found = taken_in(NOBODY, activity, days_before(1), DAY)

    assert (found["user", "x"], found["firm", "x"]) == (days_before(1), DAY)


@pytest.mark.parametrize(
    ("on", "is_taken_in"),
    [
        pytest.param(days_before(3), False, id="the-day-before-the-first"),
        pytest.param(days_before(2), True, id="the-first-day"),
        pytest.param(DAY, True, id="the-last-day"),
        pytest.param(days_before(-1), False, id="the-day-after-the-last"),
    ],
)
def test_only_days_of_the_range_are_taken_in(on: date, is_taken_in: bool) -> None:
    found = taken_in(NOBODY, [usage(on=on)], days_before(2), DAY)

    assert found == ({("user", "u1"): on, ("firm", "a"): on} if is_taken_in else {})


@pytest.mark.parametrize(
    ("known_on", "active_on", "first"),
    [
        pytest.param(days_before(9), DAY, days_before(9), id="known-earlier-stays"),
        pytest.param(days_before(-9), DAY, DAY, id="known-later-gives-way"),
        pytest.param(DAY, DAY, DAY, id="the-same-day-again"),
    ],
)
def test_the_earlier_of_the_day_known_and_the_day_taken_in(
    known_on: date, active_on: date, first: date
) -> None:
    known = {("user", "u1"): known_on, ("firm", "a"): known_on}

    assert taken_in(known, [usage(on=active_on)], DAY) == {
        ("user", "u1"): first,
        ("firm", "a"): first,
    }


def test_who_is_not_active_on_the_days_taken_in_stays_as_known() -> None:
    known = {
        ("user", "before"): days_before(1),
        ("user", "after"): days_before(-1),
        ("firm", "z"): days_before(300),
    }

    assert taken_in(known, [usage()], DAY) == {**known, ("user", "u1"): DAY, ("firm", "a"): DAY}


@pytest.mark.parametrize(
    ("later", "first"),
    [
        pytest.param([], None, id="never-active-again-is-forgotten"),
        pytest.param([1], days_before(-1), id="active-the-day-after"),
        pytest.param([9, 4, 300], days_before(-4), id="the-earliest-of-several-later-days"),
    ],
)
def test_who_is_gone_from_a_day_taken_in_anew_has_the_next_activity(
    later: list[int], first: date | None
) -> None:
    known = {("user", "u1"): DAY, ("firm", "a"): DAY}
    rows = [usage(on=days_before(-days)) for days in later]

    expected = {} if first is None else {("user", "u1"): first, ("firm", "a"): first}
    assert taken_in(known, [], DAY, later=rows) == expected


def test_a_firm_stays_where_only_its_user_is_gone() -> None:
    """u1 turns up again tomorrow, for firm b, which has been known for long."""
    known = {
        ("user", "u1"): DAY,
        ("user", "u2"): DAY,
        ("firm", "a"): DAY,
        ("firm", "b"): days_before(50),
    }
    later = [usage("u1", "b", days_before(-1)), usage("u2", "a", days_before(-1))]

    assert taken_in(known, [usage("u2", "a", DAY)], DAY, later=later) == {
        **known,
        ("user", "u1"): days_before(-1),
    }


def test_a_user_stays_where_only_the_firm_is_gone() -> None:
    known = {("user", "u1"): DAY, ("firm", "a"): DAY, ("firm", "b"): days_before(50)}
    later = [usage("u2", "a", days_before(-3))]

    assert taken_in(known, [usage("u1", "b", DAY)], DAY, later=later) == {
        **known,
        ("firm", "a"): days_before(-3),
    }


def test_a_firm_is_gone_though_a_user_of_the_same_id_is_not() -> None:
    known = {("user", "x"): DAY, ("firm", "x"): DAY}
    later = [usage("x", "x", days_before(-2))]

    assert taken_in(known, [usage("x", "a", DAY)], DAY, later=later) == {
        ("user", "x"): DAY,
        ("firm", "x"): days_before(-2),
        ("firm", "a"): DAY,
    }


def test_a_user_who_moved_within_the_range_has_the_new_day() -> None:
    known = {("user", "u1"): days_before(5), ("firm", "a"): days_before(5)}
    later = [usage(on=days_before(-1))]

    assert taken_in(known, [usage(on=days_before(2))], days_before(5), DAY, later) == {
        ("user", "u1"): days_before(2),
        ("firm", "a"): days_before(2),
    }


def test_nothing_known_and_nothing_active_is_an_empty_table() -> None:
    assert taken_in(NOBODY, [], DAY) == {}


SPAN: Final = 100
START: Final = days_before(SPAN)

contents = st.lists(
    st.builds(
        usage,
        user_id=st.sampled_from(["u1", "u2", "u3"]),
        firm_id=st.sampled_from(["a", "b"]),
        on=st.integers(0, SPAN - 1).map(lambda offset: START + timedelta(days=offset)),
    ),
    max_size=12,
    unique_by=lambda row: (row["date"], row["user_id"], row["firm_id"]),
)
"""What all days say at one time."""

takings = st.lists(
    st.tuples(st.integers(0, SPAN - 1), st.integers(1, SPAN), contents), min_size=1, max_size=8
)
"""Days taken in together, from the first on, and what they say at that time."""


@settings(max_examples=60, deadline=None)
@given(takings=takings)
def test_the_table_is_the_minimum_of_what_the_days_said_last(
    takings: Sequence[tuple[int, int, Rows]],
) -> None:
    """Days overlap, come in any order, and say something else each time they are taken in."""
    found: FirstDays = {}
    held: Rows = []
    for offset, length, rows in takings:
        first = START + timedelta(days=offset)
        last = first + timedelta(days=length - 1)
        later = [row for row in held if row["date"] > last]
        found = taken_in(found, rows, first, last, later)
        held = [row for row in held if not first <= row["date"] <= last]
        held += [row for row in rows if first <= row["date"] <= last]
        assert found == firsts(held)


@settings(max_examples=40, deadline=None)
@given(
    activity=contents,
    blocks=st.sets(st.integers(1, SPAN - 1), max_size=5).flatmap(
        lambda cuts: st.permutations(
            list(zip([0, *sorted(cuts)], [*sorted(cuts), SPAN], strict=True))
        )
    ),
    repeated=st.integers(0, 5),
)
def test_any_order_and_grouping_of_days_gives_the_same(
    activity: Rows, blocks: list[tuple[int, int]], repeated: int
) -> None:
    found: FirstDays = {}
    held: list[tuple[date, date]] = []
    for start, end in [*blocks, blocks[repeated % len(blocks)]]:
        first, last = START + timedelta(days=start), START + timedelta(days=end - 1)
        later = [
            row
            for row in activity
            if row["date"] > last and any(low <= row["date"] <= high for low, high in held)
        ]
        found = taken_in(found, activity, first, last, later)
        held.append((first, last))
    assert found == firsts(activity)
