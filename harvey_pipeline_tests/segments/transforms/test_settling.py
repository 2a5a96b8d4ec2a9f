"""From what a Monday alone says to what is published."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.segments.tables.labels import SEGMENTS
from harvey_pipeline.segments.transforms.settling import (
    SEGMENT,
    find_held,
    find_mass_changes,
    publish,
    settle,
)
from harvey_pipeline_tests.segments.transforms.weeks import (
    FIRST_DAY,
    MONDAY,
    OF_SEGMENT,
    WEEK,
    Row,
    segmented,
    silent,
)

C, R, P = SEGMENTS


# --- settled -------------------------------------------------------------------------------------


def raw_frame(histories: Mapping[str, Sequence[str | None]]) -> pl.LazyFrame:
    """Raw segments of users on successive Mondays, the last one MONDAY; None is no row."""
    rows = [
        (MONDAY - WEEK * back, user, segment)
        for user, segments in histories.items()
        for back, segment in enumerate(reversed(segments))
        if segment is not None
    ]
    schema: dict[str, Any] = {"date": pl.Date, "user_id": pl.String, "raw": SEGMENT}
    return pl.LazyFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([P], P, id="one-monday"),
        pytest.param([R, P], P, id="of-equals-the-latest"),
        pytest.param([P, C, R], R, id="of-three-equals-the-latest"),
        pytest.param([P, P, R], P, id="the-most-frequent"),
        pytest.param([R, R, R, P, P], R, id="two-are-no-change"),
        pytest.param([R, R, R, P, P, P], P, id="three-are-a-change"),
        pytest.param([R, R, R, P, C, P], R, id="three-others-are-no-change"),
        pytest.param([P, P, P, R, R, R, C, C], R, id="the-latest-three-that-repeat"),
        pytest.param([R, R, R, P, P, None, P], R, id="a-monday-without-a-row-repeats-nothing"),
        pytest.param([R, R, R, P, None, P, P, P], P, id="three-after-a-monday-without-a-row"),
        pytest.param([R, R, R, None, None, P], R, id="mondays-without-rows-keep-it"),
        pytest.param([C, C, C, *[R, P] * 4, R], C, id="three-of-the-first-of-twelve-mondays"),
        # Of the last twelve Mondays two are casual, five regular, five power.
        pytest.param([C, C, C, *[R, P] * 5], P, id="three-of-before-do-not-count"),
        # Six regular and six casual ones; the power ones before do not count.
        pytest.param([*[P, P, C] * 3, *[R, R, C] * 4], R, id="twelve-mondays-are-counted"),
        pytest.param([C, C, R, R, C, C, *[None] * 5, R], C, id="four-of-seven"),
    ],
)
def test_a_segment_settles(history: Sequence[str | None], expected: str) -> None:
    frame = settle(raw_frame({"u1": history, "u2": [P], "u0": [C]})).collect()
    found = frame.filter(pl.col("date") == MONDAY, pl.col("user_id") == "u1")
    assert found["settled"].to_list() == [expected]


def settled_by_reading(history: Mapping[date, str], monday: date) -> str:
    """The settled segment of a user, told Monday by Monday."""
    weeks = [monday - WEEK * back for back in range(12)]
    for third in weeks[:10]:
        three = [history.get(third - WEEK * back) for back in range(3)]
        if three[0] is not None and len(set(three)) == 1:
            return three[0]
    seen = [history[week] for week in weeks if week in history]
    return max(set(seen), key=lambda one: (seen.count(one), -seen.index(one)))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([C, R, P, P, None]), min_size=14, max_size=14),
        min_size=1,
        max_size=8,
    )
)
def test_segments_settle_as_they_are_read(histories: list[list[str | None]]) -> None:
    by_user = {f"u{number}": history for number, history in enumerate(histories)}
    found = settle(raw_frame(by_user)).filter(pl.col("date") >= MONDAY - 2 * WEEK).collect()
    expected = {}
    for user, segments in by_user.items():
        history = {
            MONDAY - WEEK * back: segment
            for back, segment in enumerate(reversed(segments))
            if segment is not None
        }
        for monday in (MONDAY - 2 * WEEK, MONDAY - WEEK, MONDAY):
            if monday in history:
                expected[monday, user] = settled_by_reading(history, monday)
    assert {
        row[:2]: row[2] for row in found.select("date", "user_id", "settled").rows()
    } == expected


# --- mass changes --------------------------------------------------------------------------------


def settled_rows(
    users: int, changed: int, monday: date = MONDAY, **changes: Any
) -> list[dict[str, Any]]:
    """So many users on a Monday and the one before, some of whom were regular and are power."""
    return [
        {
            "date": day,
            "user_id": f"u{number:02}",
            "tenant_id": "t1",
            "settled": P if number < changed and day == monday else R,
            "has_access": True,
        }
        | changes
        for day in (monday - WEEK, monday)
        for number in range(users)
    ]


def settled_frame(rows: Sequence[Mapping[str, Any]]) -> pl.LazyFrame:
    schema: dict[str, Any] = {
        "date": pl.Date,
        "user_id": pl.String,
        "tenant_id": pl.String,
        "settled": SEGMENT,
        "has_access": pl.Boolean,
    }
    return pl.LazyFrame([dict(row) for row in rows], schema=schema)


def mass_changes(
    rows: Sequence[Mapping[str, Any]], first_day: date = FIRST_DAY, accepted: Collection[date] = ()
) -> list[Row]:
    found = find_mass_changes(settled_frame(rows), first_day, accepted)
    return found.sort("date", "tenant_id").collect().to_dicts()


@pytest.mark.parametrize(
    ("users", "changed", "is_mass"),
    [
        pytest.param(20, 6, False, id="30-percent"),
        pytest.param(20, 7, True, id="more-than-30-percent"),
        pytest.param(100, 30, False, id="30-of-100"),
        pytest.param(100, 31, True, id="31-of-100"),
        pytest.param(19, 19, False, id="19-users-are-too-few"),
        pytest.param(20, 20, True, id="20-users-are-enough"),
        pytest.param(20, 0, False, id="nobody"),
    ],
)
def test_a_mass_change_needs_twenty_users_and_more_than_thirty_percent(
    users: int, changed: int, is_mass: bool
) -> None:
    expected = {"date": MONDAY, "tenant_id": "t1", "users": users, "changed_users": changed}
    assert mass_changes(settled_rows(users, changed)) == [expected] * is_mass


def test_users_of_one_of_the_two_mondays_do_not_count() -> None:
    rows = settled_rows(21, 21)
    came, left = rows[-1], rows[0]
    assert mass_changes([row for row in rows if row not in (came,)])[0]["users"] == 20
    assert mass_changes([row for row in rows if row not in (came, left)]) == []


def test_users_count_for_their_tenant_of_the_later_monday() -> None:
    rows = settled_rows(20, 20)
    moved = [row | {"tenant_id": "t0"} if row["date"] < MONDAY else row for row in rows]
    assert [row["tenant_id"] for row in mass_changes(moved)] == ["t1"]
    split = [row | {"tenant_id": "t2"} if row["user_id"] == "u00" else row for row in rows]
    assert mass_changes(split) == []


def test_half_filled_windows_are_no_mass_change() -> None:
    # The 90 days of the Monday before have to lie in the calendar: 7 + 89 days.
    rows = settled_rows(20, 20)
    whole = MONDAY - timedelta(days=96)
    assert len(mass_changes(rows, whole)) == 1
    assert mass_changes(rows, whole + timedelta(days=1)) == []


def test_an_accepted_monday_is_no_mass_change() -> None:
    rows = settled_rows(20, 20)
    assert mass_changes(rows, accepted={MONDAY}) == []
    assert len(mass_changes(rows, accepted={MONDAY - WEEK, MONDAY + WEEK})) == 1


def test_a_tenant_is_held_for_four_mondays_by_the_earliest_change() -> None:
    changes = pl.LazyFrame({"date": [MONDAY, MONDAY + 2 * WEEK], "tenant_id": ["t1", "t1"]})
    held = find_held(changes).sort("date").collect()
    since = [(day - MONDAY, first - MONDAY) for day, _, first in held.rows()]
    first, second = timedelta(0), 2 * WEEK
    expected = [first, first, first, first, second, second]
    assert since == [(WEEK * week, one) for week, one in enumerate(expected)]


# --- published -----------------------------------------------------------------------------------


def published(
    rows: Sequence[Mapping[str, Any]], mondays: Sequence[date], user: str = "u00"
) -> list[tuple[str, bool]]:
    """Segment of a user, and whether the tenant is held back, on some Mondays."""
    settled = settled_frame(rows)
    changes = find_mass_changes(settled, FIRST_DAY, ())
    found = publish(settled, changes, mondays).sort("date").collect()
    chosen = found.filter(pl.col("user_id") == user)
    return list(chosen.select("segment", "is_held_back").rows())


def test_a_mass_change_is_held_back_four_weeks_and_then_let_through() -> None:
    first = MONDAY - 4 * WEEK
    rows = settled_rows(20, 20, first)
    rows += [
        row | {"date": first + WEEK * week}
        for row in rows
        if row["date"] == first
        for week in range(1, 5)
    ]
    mondays = [first + WEEK * week for week in range(-1, 5)]
    assert published(rows, mondays) == [(R, False), *[(R, True)] * 4, (P, False)]


def test_a_mass_change_back_is_held_back_as_well() -> None:
    first = MONDAY - 6 * WEEK
    rows = settled_rows(20, 7, first)
    rows += [
        row | {"date": first + WEEK * week, "settled": row["settled"] if week < 2 else R}
        for row in rows
        if row["date"] == first
        for week in range(1, 7)
    ]
    mondays = [first + WEEK * week for week in range(7)]
    # Settled as power for two weeks, which are told two of the four weeks after the change back.
    assert published(rows, mondays) == [*[(R, True)] * 4, *[(P, True)] * 2, (R, False)]


def test_who_was_not_there_a_week_before_gets_the_segment_of_the_day() -> None:
    new = {"user_id": "new", "settled": P}
    rows = [*settled_rows(20, 20), settled_rows(1, 1)[1] | new]
    assert published(rows, [MONDAY], "new") == [(P, True)]
    # Of the Monday before the change, and of no other.
    earlier = settled_rows(1, 0)[0] | {"user_id": "new", "date": MONDAY - 2 * WEEK}
    assert published([*rows, earlier], [MONDAY], "new") == [(P, True)]


def test_users_of_other_tenants_are_not_held_back() -> None:
    other = [row | {"user_id": "other", "tenant_id": "t2"} for row in settled_rows(1, 1)]
    assert published([*settled_rows(20, 20), *other], [MONDAY], "other") == [(P, False)]


@pytest.mark.parametrize(
    ("settled", "has_access", "expected"),
    [(P, False, C), (R, False, R), (C, False, C), (P, True, P)],
)
def test_nobody_is_power_without_an_access(settled: str, has_access: bool, expected: str) -> None:
    row = settled_rows(1, 0)[1] | {"settled": settled, "has_access": has_access}
    assert published([row], [MONDAY]) == [(expected, False)]


def test_nobody_is_power_without_an_access_while_held_back() -> None:
    rows = settled_rows(20, 20, settled=P)
    changed = [row | {"settled": C} if row["date"] == MONDAY else row for row in rows]
    assert published(changed, [MONDAY]) == [(P, True)]
    silent_now = [row | {"has_access": row["date"] < MONDAY} for row in changed]
    assert published(silent_now, [MONDAY]) == [(C, True)]


# --- published, from raw histories ---------------------------------------------------------------


@dataclass(frozen=True)
class Week:
    """A user's row of a Monday."""

    tenant: str
    raw: str
    has_access: bool = True


History = Mapping[tuple[str, date], Week]


class Reading:
    """What is published, told user by user and Monday by Monday."""

    def __init__(self, history: History, first_day: date, accepted: Collection[date]) -> None:
        self.history = history
        self.first_day = first_day
        self.accepted = accepted
        self.raws: dict[str, dict[date, str]] = {}
        for (user, day), week in history.items():
            self.raws.setdefault(user, {})[day] = week.raw
        self.settled = {
            (user, day): settled_by_reading(self.raws[user], day) for user, day in history
        }
        self.mass_changes = {
            (tenant, MONDAY - WEEK * back): self.is_mass_change(tenant, MONDAY - WEEK * back)
            for tenant in {week.tenant for week in history.values()}
            for back in range(5)
        }

    def is_mass_change(self, tenant: str, day: date) -> bool:
        both = [
            user
            for user in self.raws
            if (user, day) in self.history
            and self.history[user, day].tenant == tenant
            and (user, day - WEEK) in self.history
        ]
        changed = [user for user in both if self.has_changed(user, day)]
        is_early = day - WEEK - timedelta(days=89) < self.first_day
        is_many = len(both) >= 20 and len(changed) * 10 > len(both) * 3
        return is_many and not is_early and day not in self.accepted

    def has_changed(self, user: str, day: date) -> bool:
        return self.settled[user, day] != self.settled[user, day - WEEK]

    def published(self, user: str, monday: date) -> tuple[str, bool]:
        """The segment, and whether it is held back."""
        week = self.history[user, monday]
        last_four = [monday - WEEK * back for back in (3, 2, 1, 0)]
        held = [day for day in last_four if self.mass_changes[week.tenant, day]]
        segment = self.settled[user, monday]
        if held:
            segment = self.settled.get((user, held[0] - WEEK), segment)
        if segment == P and not week.has_access:
            segment = C
        return segment, bool(held)


def random_history(rng: Random) -> dict[tuple[str, date], Week]:
    """Users of two tenants, many of whom change in the same weeks."""
    weeks = [MONDAY - WEEK * back for back in range(16, -1, -1)]
    turns = sorted(rng.sample(range(8, 17), 2))
    found: dict[tuple[str, date], Week] = {}
    for number in range(46):
        tenant = "t1" if number < 24 else "t2"
        kinds = rng.choices(SEGMENTS, k=3)
        for position, day in enumerate(weeks):
            kind = kinds[sum(position >= turn for turn in turns)]
            raw = rng.choice(SEGMENTS) if rng.random() < 0.1 else kind
            has_access = raw != C or rng.random() < 0.5
            if rng.random() < 0.03:
                tenant = rng.choice(("t1", "t2"))
            if rng.random() < 0.97:
                found[f"u{number:02}", day] = Week(tenant, raw, has_access)
    return found


def score_rows(history: History) -> list[Row]:
    """Rows of scores that say these raw segments."""
    return [
        (OF_SEGMENT[week.raw] if week.has_access else silent)(
            date=day, user_id=user, tenant_id=week.tenant
        )
        for (user, day), week in history.items()
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(0, 60))
def test_segments_are_published_as_they_are_read(
    seed: int, is_accepted: bool, days_later: int
) -> None:
    history = random_history(Random(seed))
    accepted = {MONDAY - WEEK} if is_accepted else set()
    first_day = MONDAY - timedelta(days=150 - days_later)
    rows = segmented(score_rows(history), first_day=first_day, accepted=accepted)
    reading = Reading(history, first_day, accepted)
    expected = {}
    for user, day in history:
        if day == MONDAY:
            has_before = (user, day - WEEK) in history
            before = reading.published(user, day - WEEK)[0] if has_before else None
            expected[user] = (*reading.published(user, day), before)
    found = {
        row["user_id"]: (row["segment"], row["is_held_back"], row["previous_segment"])
        for row in rows
    }
    assert found == expected


def test_the_random_histories_hold_segments_back_and_let_them_through() -> None:
    held = set()
    for seed in range(6):
        rows = segmented(score_rows(random_history(Random(seed))))
        held |= {row["is_held_back"] for row in rows}
    assert held == {True, False}


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SEGMENTS), st.lists(st.sampled_from(SEGMENTS), min_size=9)),
        min_size=1,
        max_size=8,
    )
)
def test_nobody_changes_twice_within_three_mondays(
    histories: list[tuple[str, list[str]]],
) -> None:
    """Where nothing is held back, and some three Mondays in a row agree.

    A change takes three Mondays that say the same, and they begin after the one before.
    """
    week_of = [MONDAY - WEEK * back for back in range(11, -1, -1)]
    rows = [
        OF_SEGMENT[segment](date=day, user_id=f"u{number}", tenant_id=f"t{number}")
        for number, (first, others) in enumerate(histories)
        for day, segment in zip(week_of, [first] * 3 + others[:9], strict=True)
    ]
    changes: dict[str, list[date]] = {}
    for row in segmented(rows, days=week_of[3:]):
        if row["is_changed"]:
            changes.setdefault(row["user_id"], []).append(row["date"])
    for days in changes.values():
        assert all(later - earlier >= 3 * WEEK for earlier, later in pairwise(days))
