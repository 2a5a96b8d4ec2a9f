"""History: hand-worked expectations, then any order and grouping against a day-by-day oracle.

Days are days of January 2024. A snapshot is what one observed day shows: its form, and per key
the attributes, or `SIGHTED` where only rejected rows showed the key.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline import history
from harvey_pipeline.engagement.dimensions import FIRMS, USERS
from harvey_pipeline.engagement.tables.core import DimFirms, DimUser
from harvey_pipeline.history import (
    OPEN_END,
    Dimension,
    attributes_as_of,
    derive_versions,
    take_in_snapshots,
)

CREATED: Final = date(2023, 5, 17)
SIGHTED: Final = ()
LAST_DAY: Final = 9

Showing = tuple[object, ...]
Version = tuple[object, ...]


class Snapshot(NamedTuple):
    form: str
    shows: Mapping[str, Showing]


class State(NamedTuple):
    dimension: Dimension
    intervals: pl.DataFrame
    snapshots: pl.DataFrame

    def versions(self) -> pl.DataFrame:
        return derive_versions(self.dimension, self.intervals, self.snapshots).collect()


Days = Mapping[int, Snapshot]


def january(day: int) -> date:
    return date(2024, 1, day)


def empty_states(dimension: Dimension) -> State:
    empty = (table.empty().collect() for table in (dimension.intervals, dimension.snapshots))
    return State(dimension, *empty)


def shown_rows(dimension: Dimension, days: Days) -> pl.LazyFrame:
    intervals = dimension.intervals.polars_schema
    schema = {
        "day": pl.Date(),
        **{name: intervals[name] for name in (*dimension.key, *dimension.attributes)},
        "is_sighting": pl.Boolean(),
    }
    unknown = (None,) * len(dimension.attributes)
    rows = [
        (january(day), key, *(showing or unknown), showing == SIGHTED)
        for day, snapshot in days.items()
        for key, showing in snapshot.shows.items()
    ]
    return pl.LazyFrame(rows, schema=schema, orient="row")


def observed_days(days: Days) -> pl.DataFrame:
    rows = [(january(day), snapshot.form) for day, snapshot in days.items()]
    return pl.DataFrame(rows, schema={"day": pl.Date, "form": pl.String}, orient="row")


def run(state: State, days: Days, first: int, last: int) -> State:
    """One run over first..last, of which `days` are observed."""
    return State(
        state.dimension,
        *take_in_snapshots(
            *state,
            shown_rows(state.dimension, days),
            observed_days(days),
            january(first),
            january(last),
        ),
    )


def run_all(days: Days, dimension: Dimension = USERS) -> State:
    return run(empty_states(dimension), days, 1, 31)


def users(form: str, roles: Mapping[str, str | None]) -> Snapshot:
    shows = {key: SIGHTED if role == "?" else (role, CREATED) for key, role in roles.items()}
    return Snapshot(form, shows)


def drops(**roles: str | None) -> Snapshot:
    """A full snapshot of users: `ann="Partner"`; `ann="?"` where ann is only sighted."""
    return users("drop", roles)


def bulks(**roles: str | None) -> Snapshot:
    return users("bulk", roles)


def spans(state: State) -> list[tuple[object, ...]]:
    """Versions as (user, role, start, end): days of January, dates elsewhere, None for open."""

    def place(day: date) -> int | date | None:
        if day == OPEN_END:
            return None
        return day.day if (day.year, day.month) == (2024, 1) else day

    versions = DimUser.validate(state.versions())
    return [
        (user, role, place(start), place(end))
        for user, role, start, end in versions.select(
            "user_id", "user_role", "effective_start_date", "effective_end_date"
        ).iter_rows()
    ]


# --- one guarantee at a time ---------------------------------------------------------------------


def test_change_of_role_closes_one_version_the_day_before_and_opens_the_next() -> None:
    state = run_all({1: drops(ann="Associate"), 2: drops(ann="Associate"), 3: drops(ann="Partner")})
    assert DimUser.validate(state.versions()).rows() == [
        ("ann_20230517", "ann", "Associate", CREATED, CREATED, january(2), False),
        ("ann_20240103", "ann", "Partner", CREATED, january(3), OPEN_END, True),
    ]


def test_change_of_creation_date_opens_a_version_too() -> None:
    moved = Snapshot("drop", {"ann": ("Partner", date(2023, 6, 1))})
    state = run_all({1: drops(ann="Partner"), 2: moved})
    assert spans(state) == [("ann", "Partner", CREATED, 1), ("ann", "Partner", 2, None)]


def test_firm_versions_follow_seats_and_contract_value() -> None:
    def firms(seats: int, arr_usd: float) -> Snapshot:
        return Snapshot("drop", {"acme": (seats, arr_usd, CREATED)})

    state = run_all({1: firms(10, 1e5), 2: firms(12, 1e5), 3: firms(12, 2e5)}, FIRMS)
    assert DimFirms.validate(state.versions()).rows() == [
        ("acme_20230517", "acme", 10, 1e5, CREATED, CREATED, january(1), False),
        ("acme_20240102", "acme", 12, 1e5, CREATED, january(2), january(2), False),
        ("acme_20240103", "acme", 12, 2e5, CREATED, january(3), OPEN_END, True),
    ]


def test_missing_role_is_a_role_like_another() -> None:
    state = run_all({1: drops(ann=None), 2: drops(ann=None), 3: drops(ann="Partner")})
    assert spans(state) == [("ann", None, CREATED, 2), ("ann", "Partner", 3, None)]


def test_departure_closes_the_version_the_day_before() -> None:
    state = run_all({1: drops(ann="Partner", bob="Partner"), 4: drops(bob="Partner")})
    assert spans(state) == [("ann", "Partner", CREATED, 3), ("bob", "Partner", CREATED, None)]


def test_version_never_continues_that_of_another_key() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(bob="Partner")})
    assert spans(state) == [("ann", "Partner", CREATED, 1), ("bob", "Partner", 2, None)]
    assert state.intervals["user_id"].to_list() == ["ann", "bob"]


def test_snapshot_without_any_row_departs_everyone() -> None:
    assert spans(run_all({1: drops(ann="Partner"), 2: drops()})) == [("ann", "Partner", CREATED, 1)]


def test_return_with_the_same_attributes_opens_a_version() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(), 3: drops(), 4: drops(ann="Partner")})
    assert spans(state) == [("ann", "Partner", CREATED, 1), ("ann", "Partner", 4, None)]


def test_return_with_other_attributes_opens_a_version() -> None:
    state = run_all({1: drops(ann="Associate"), 2: drops(), 4: drops(ann="Partner")})
    assert spans(state) == [("ann", "Associate", CREATED, 1), ("ann", "Partner", 4, None)]


def test_days_not_observed_change_nothing() -> None:
    state = run_all({1: drops(ann="Associate"), 5: drops(ann="Associate"), 9: drops(ann="Partner")})
    assert spans(state) == [("ann", "Associate", CREATED, 8), ("ann", "Partner", 9, None)]


def test_sighting_carries_the_attributes_on() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(ann="?"), 3: drops(ann="Partner")})
    assert spans(state) == [("ann", "Partner", CREATED, None)]


def test_attributes_change_only_on_the_acceptable_row_after_a_sighting() -> None:
    state = run_all({1: drops(ann="Associate"), 2: drops(ann="?"), 3: drops(ann="Partner")})
    assert spans(state) == [("ann", "Associate", CREATED, 2), ("ann", "Partner", 3, None)]


def test_sighting_carries_a_missing_role_on() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(ann=None), 3: drops(ann="?")})
    assert spans(state) == [("ann", "Partner", CREATED, 1), ("ann", None, 2, None)]


def test_sighting_after_a_departure_returns_with_the_attributes_held_before() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(), 3: drops(ann="?"), 4: drops(ann="?")})
    assert spans(state) == [("ann", "Partner", CREATED, 1), ("ann", "Partner", 3, None)]


def test_departure_after_a_sighting() -> None:
    state = run_all({1: drops(ann="Partner"), 2: drops(ann="?"), 3: drops()})
    assert spans(state) == [("ann", "Partner", CREATED, 2)]


def test_leading_sighting_waits_for_the_first_acceptable_row() -> None:
    state = run_all(
        {
            1: drops(ann="?", bob="?", cem="Partner"),
            2: drops(bob="?", cem="Partner"),
            3: drops(ann="Partner", bob="?", cem="?"),
        }
    )
    assert spans(state) == [("ann", "Partner", 3, None), ("cem", "Partner", CREATED, None)]


def test_sighting_never_takes_the_attributes_of_another_key() -> None:
    state = run_all({1: drops(ann="Partner", bob="?")})
    assert spans(state) == [("ann", "Partner", CREATED, None)]


def test_earliest_snapshot_reaches_back_to_creation_and_later_ones_do_not() -> None:
    state = run_all({2: drops(ann="Partner"), 3: drops(ann="Partner", bob="Partner")})
    assert spans(state) == [("ann", "Partner", CREATED, None), ("bob", "Partner", 3, None)]


def test_earliest_snapshot_starts_no_later_than_its_day() -> None:
    state = run_all({2: Snapshot("drop", {"ann": ("Partner", january(20))})})
    assert spans(state) == [("ann", "Partner", 2, None)]


def test_earlier_day_taken_in_later_undoes_the_reach_back() -> None:
    state = run_all({5: drops(ann="Partner", bob="Partner", cem="Partner", dan="Partner")})
    state = run(state, {3: drops(bob="Partner", cem="Associate", dan="?")}, 2, 4)
    assert spans(state) == [
        ("ann", "Partner", 5, None),
        ("bob", "Partner", CREATED, None),
        ("cem", "Associate", CREATED, 4),
        ("cem", "Partner", 5, None),
        ("dan", "Partner", 5, None),
    ]


def test_empty_earliest_snapshot_is_still_the_earliest() -> None:
    assert spans(run_all({1: drops(), 2: drops(ann="Partner")})) == [("ann", "Partner", 2, None)]


def test_nothing_departs_in_bulk_form() -> None:
    state = run_all({1: bulks(ann="Partner", bob="Partner"), 2: bulks(bob="Partner"), 3: bulks()})
    assert spans(state) == [("ann", "Partner", CREATED, None), ("bob", "Partner", CREATED, None)]


def test_bulk_day_between_drops_neither_departs_nor_hides_a_departure() -> None:
    state = run_all(
        {
            1: drops(ann="Partner", bob="Partner", cem="Associate"),
            2: bulks(),
            3: drops(ann="Partner", cem="Partner"),
            4: bulks(bob="Partner"),
        }
    )
    assert spans(state) == [
        ("ann", "Partner", CREATED, None),
        ("bob", "Partner", CREATED, 2),
        ("bob", "Partner", 4, None),
        ("cem", "Associate", CREATED, 2),
        ("cem", "Partner", 3, None),
    ]


def test_key_shown_only_in_bulk_departs_at_the_next_drop() -> None:
    state = run_all({1: drops(), 2: bulks(ann="Partner"), 3: bulks(), 5: drops()})
    assert spans(state) == [("ann", "Partner", 2, 4)]


def test_late_day_in_a_gap_splits_only_what_it_contradicts() -> None:
    days = {1: drops(ann="Partner", bob="Partner"), 3: drops(ann="Partner", bob="Partner")}
    state = run(run_all(days), {2: drops(ann="Partner", bob="Associate")}, 2, 2)
    assert spans(state) == [
        ("ann", "Partner", CREATED, None),
        ("bob", "Partner", CREATED, 1),
        ("bob", "Associate", 2, 2),
        ("bob", "Partner", 3, None),
    ]


def test_corrected_day_sent_again_replaces_what_it_showed() -> None:
    before = {day: drops(ann="Partner", bob="Partner") for day in (1, 3)}
    state = run_all({**before, 2: drops(ann="Associate")})
    assert spans(state) == [
        ("ann", "Partner", CREATED, 1),
        ("ann", "Associate", 2, 2),
        ("ann", "Partner", 3, None),
        ("bob", "Partner", CREATED, 1),
        ("bob", "Partner", 3, None),
    ]
    corrected = run(state, {2: drops(ann="Partner", bob="Partner")}, 2, 2)
    assert spans(corrected) == [
        ("ann", "Partner", CREATED, None),
        ("bob", "Partner", CREATED, None),
    ]
    assert corrected.intervals.rows() == [
        ("ann", january(1), january(3), False, "Partner", CREATED),
        ("bob", january(1), january(3), False, "Partner", CREATED),
    ]


def test_day_that_is_no_longer_observed_vanishes() -> None:
    state = run_all({day: drops(ann="Partner") for day in (1, 2, 4)})
    state = run(state, {3: drops()}, 3, 3)
    assert spans(state) == [("ann", "Partner", CREATED, 2), ("ann", "Partner", 4, None)]
    state = run(state, {}, 3, 3)
    assert spans(state) == [("ann", "Partner", CREATED, None)]
    assert state.intervals.rows() == [("ann", january(1), january(4), False, "Partner", CREATED)]
    assert state.snapshots["day"].to_list() == [january(1), january(2), january(4)]
    state = run(state, {}, 2, 5)
    assert state.intervals.rows() == [("ann", january(1), january(1), False, "Partner", CREATED)]
    state = run(state, {}, 1, 1)
    assert state.intervals.is_empty()
    assert state.snapshots.is_empty()
    assert spans(state) == []


def test_rows_of_days_that_are_not_observed_are_left_out() -> None:
    rows = shown_rows(USERS, {day: drops(ann="Partner") for day in (1, 2, 3, 4)})
    observed = observed_days({2: drops(), 4: drops()})
    state = State(
        USERS,
        *take_in_snapshots(*empty_states(USERS), rows, observed, january(2), january(4)),
    )
    assert state.intervals.rows() == [("ann", january(2), january(4), False, "Partner", CREATED)]


def test_what_a_sighting_says_of_attributes_is_not_kept() -> None:
    days = {1: drops(ann="Partner"), 2: drops(ann="Associate"), 3: drops(ann=None)}
    rows = shown_rows(USERS, days).with_columns(is_sighting=pl.col("day") > january(1))
    state = State(
        USERS,
        *take_in_snapshots(*empty_states(USERS), rows, observed_days(days), january(1), january(3)),
    )
    assert state.intervals.rows() == [
        ("ann", january(1), january(1), False, "Partner", CREATED),
        ("ann", january(2), january(3), True, None, None),
    ]
    assert spans(state) == [("ann", "Partner", CREATED, None)]


@pytest.mark.parametrize("dimension", [USERS, FIRMS], ids=["users", "firms"])
def test_tables_have_the_columns_and_types_of_their_schemas(dimension: Dimension) -> None:
    showing = {USERS: ("Partner", CREATED), FIRMS: (10, 1e5, CREATED)}[dimension]
    state = run_all({1: Snapshot("drop", {"a": showing, "b": SIGHTED})}, dimension)
    frames = (state.intervals, state.snapshots, state.versions())
    tables = (dimension.intervals, dimension.snapshots, dimension.table)
    for frame, table in zip(frames, tables, strict=True):
        assert dict(frame.schema) == table.polars_schema
    assert dict(empty_states(dimension).versions().schema) == dict(frames[2].schema)


def test_attributes_as_of_a_day_outlast_a_departure_and_never_precede_the_first_version() -> None:
    versions = run_all(
        {
            1: drops(ann="Associate", bob="Associate"),
            2: drops(ann="Partner"),
            4: drops(ann="Partner", bob="Partner", cem="Partner"),
        }
    ).versions()

    def as_of(day: int) -> list[tuple[object, ...]]:
        return attributes_as_of(USERS, versions, january(day)).rows()

    assert as_of(1) == [("ann", "Associate", CREATED, True), ("bob", "Associate", CREATED, True)]
    assert as_of(3) == [("ann", "Partner", CREATED, True), ("bob", "Associate", CREATED, False)]
    assert as_of(4) == [
        ("ann", "Partner", CREATED, True),
        ("bob", "Partner", CREATED, True),
        ("cem", "Partner", CREATED, True),
    ]
    assert attributes_as_of(USERS, versions, CREATED - timedelta(days=1)).is_empty()


def test_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        run(empty_states(USERS), {}, 2, 1)


def test_observed_day_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="2024-01-03 is not within"):
        run(empty_states(USERS), {3: drops()}, 1, 2)


def test_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="'none' of 2024-01-01"):
        run(empty_states(USERS), {1: Snapshot("none", {})}, 1, 1)


def test_day_observed_twice_is_refused() -> None:
    observed = pl.concat([observed_days({1: drops()})] * 2)
    rows = shown_rows(USERS, {})
    with pytest.raises(ValueError, match="observed twice"):
        take_in_snapshots(*empty_states(USERS), rows, observed, january(1), january(1))


@pytest.mark.parametrize("other", ["Associate", "Partner"])
def test_key_shown_twice_on_one_day_is_refused(other: str) -> None:
    rows = pl.concat(
        [shown_rows(USERS, {1: drops(ann=role), 2: drops(ann=role)}) for role in ("Partner", other)]
    )
    observed = observed_days({1: drops(), 2: drops()})
    with pytest.raises(ValueError, match="'ann' is shown twice on 2024-01-0"):
        take_in_snapshots(*empty_states(USERS), rows, observed, january(1), january(2))


# --- any order, any grouping, against the oracle -------------------------------------------------


def versions_by_walking(days: Days) -> list[Version]:
    """(key, attributes, start, end) of every version: one day after another, one key at a time."""
    held: dict[str, Showing] = {}
    opened: dict[str, date] = {}
    closed: list[Version] = []
    for number in sorted(days):
        day, snapshot = january(number), days[number]
        for key in sorted({*opened, *snapshot.shows}):
            is_shown = key in snapshot.shows
            now = snapshot.shows.get(key) or held.get(key)
            is_gone = not is_shown and snapshot.form == "drop"
            if key in opened and (is_gone or (is_shown and now != held[key])):
                closed.append((key, held[key], opened.pop(key), day - timedelta(days=1)))
            if is_shown and now is not None:
                held[key] = now
                if key not in opened:
                    created = now[-1]
                    assert isinstance(created, date)
                    opened[key] = min(created, day) if number == min(days) else day
    closed.extend((key, held[key], start, OPEN_END) for key, start in opened.items())
    return sorted(closed, key=lambda version: (version[0], version[2]))


def intervals_by_walking(days: Days) -> list[tuple[object, ...]]:
    """(key, showing, first, last) of every run of observed days with the same showing."""
    runs: list[tuple[object, ...]] = []
    for key in sorted({key for snapshot in days.values() for key in snapshot.shows}):
        current: list[int] = []
        for number in sorted(days):
            showing = days[number].shows.get(key)
            if current and days[current[0]].shows[key] != showing:
                runs.append((key, days[current[0]].shows[key], current[0], current[-1]))
                current = []
            if showing is not None:
                current.append(number)
        if current:
            runs.append((key, days[current[0]].shows[key], current[0], current[-1]))
    return runs


def versions_of(state: State) -> list[Version]:
    names = state.dimension.attributes
    return [
        (
            row[state.dimension.key[0]],
            tuple(row[name] for name in names),
            row["effective_start_date"],
            row["effective_end_date"],
        )
        for row in state.versions().iter_rows(named=True)
    ]


def intervals_of(state: State) -> list[tuple[object, ...]]:
    return [
        (
            row[state.dimension.key[0]],
            SIGHTED
            if row["is_sighting"]
            else tuple(row[name] for name in state.dimension.attributes),
            row["first_day"].day,
            row["last_day"].day,
        )
        for row in state.intervals.iter_rows(named=True)
    ]


def assert_sound(versions: pl.DataFrame, dimension: Dimension) -> None:
    """Versions of a key do not overlap, neighbours that touch differ, at most one is current."""
    rows = list(versions.iter_rows(named=True))
    [key] = dimension.key
    for before, after in pairwise(rows):
        if before[key] == after[key]:
            end, start = before["effective_end_date"], after["effective_start_date"]
            assert end < start
            if end + timedelta(days=1) == start:
                assert any(before[name] != after[name] for name in dimension.attributes)
    current = [row[key] for row in rows if row["is_current"]]
    assert len(current) == len(set(current))
    for row in rows:
        assert row["effective_start_date"] <= row["effective_end_date"]
        assert row["is_current"] == (row["effective_end_date"] == OPEN_END)
        start = row["effective_start_date"]
        assert row[dimension.surrogate_key] == f"{row[key]}_{start:%Y%m%d}"


POOLS: Final[Mapping[Dimension, list[Showing]]] = {
    USERS: [("Partner", CREATED), (None, CREATED), ("Partner", january(2))],
    FIRMS: [(10, 1e5, CREATED), (10, 2e5, CREATED), (20, 1e5, CREATED)],
}

dimensions = st.sampled_from([USERS, FIRMS])
block_rows = st.sampled_from([1, 3, 2_000_000])


def snapshots(dimension: Dimension) -> st.SearchStrategy[Snapshot]:
    showings = st.sampled_from([*POOLS[dimension], SIGHTED])
    return st.builds(
        Snapshot,
        st.sampled_from(["drop", "drop", "bulk"]),
        st.dictionaries(st.sampled_from("abc"), showings, max_size=3),
    )


def worlds(dimension: Dimension, first: int = 1, last: int = LAST_DAY) -> st.SearchStrategy[Days]:
    """What the landing folder shows of the days first..last; days left out are not observed."""
    return st.dictionaries(
        st.integers(first, last), snapshots(dimension), max_size=last - first + 1
    )


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(st.integers(1, LAST_DAY))
    return first, draw(st.integers(first, LAST_DAY))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Dimension, list[tuple[int, int, Days]]]:
    """Runs over ranges, each with what the landing folder shows of the range by then."""
    dimension = draw(dimensions)
    bounds = draw(st.lists(ranges(), min_size=1, max_size=5))
    return dimension, [(a, b, draw(worlds(dimension, a, b))) for a, b in bounds]


@st.composite
def groupings(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Contiguous ranges that together cover every day, in any order, some of them repeated."""
    cuts = sorted(draw(st.sets(st.integers(2, LAST_DAY), max_size=4)))
    parts = list(zip([1, *cuts], [*(cut - 1 for cut in cuts), LAST_DAY], strict=True))
    again = draw(st.lists(ranges(), max_size=2))
    return draw(st.permutations([*parts, *again]))


def part_of(days: Days, first: int, last: int) -> Days:
    return {day: snapshot for day, snapshot in days.items() if first <= day <= last}


def run_each(
    dimension: Dimension, runs: Iterable[tuple[int, int, Days]], rows_held: int
) -> Iterable[State]:
    state = empty_states(dimension)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "_BLOCK_ROWS", rows_held)
        for first, last, days in runs:
            state = run(state, days, first, last)
            yield state


@pytest.mark.long
@settings(max_examples=130, deadline=None, database=None)
@given(deliveries(), block_rows)
@pytest.mark.long
def test_after_each_run_the_history_is_that_of_the_days_as_last_delivered(
    delivered: tuple[Dimension, list[tuple[int, int, Days]]], rows_held: int
) -> None:
    dimension, runs = delivered
    known: dict[int, Snapshot] = {}
    states = run_each(dimension, runs, rows_held)
    for (first, last, days), state in zip(runs, states, strict=True):
        known = {day: known[day] for day in known if not first <= day <= last} | dict(days)
        assert intervals_of(state) == intervals_by_walking(known)
        assert state.snapshots.rows() == [(january(day), known[day].form) for day in sorted(known)]
        assert versions_of(state) == versions_by_walking(known)
        assert_sound(state.versions(), dimension)


@settings(max_examples=100, deadline=None, database=None)
@given(st.data(), dimensions, groupings(), block_rows)
@pytest.mark.long
def test_order_and_grouping_of_runs_do_not_matter(
    data: st.DataObject, dimension: Dimension, grouping: list[tuple[int, int]], rows_held: int
) -> None:
    days = data.draw(worlds(dimension))
    runs = [(first, last, part_of(days, first, last)) for first, last in grouping]
    *_, state = run_each(dimension, runs, rows_held)
    at_once = run(empty_states(dimension), days, 1, LAST_DAY)
    assert state.intervals.equals(at_once.intervals)
    assert state.snapshots.equals(at_once.snapshots)
    assert state.versions().equals(at_once.versions())
    assert versions_of(state) == versions_by_walking(days)
