"""Treatment against control."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import pytest

from harvey_pipeline.segments.tables.evaluation import AB_READOUT, METRICS
from harvey_pipeline.segments.transforms.experiments import read_out_experiments
from harvey_pipeline_tests.segments.verdicts import (
    Row,
    by_key,
    rows_of,
    scores,
    segments,
    starts,
)

MONTH = date(2024, 1, 1)
START = date(2024, 1, 10)  # a Wednesday
BEFORE = date(2024, 1, 8)
AFTER = date(2024, 4, 15)  # 90 days after START is Tuesday 9 April
Z: Final = 1.959963984540054


def start(
    user_id: str,
    group: str = "treatment",
    day: date = START,
    kind: str = "training",
    hours: float | None = None,
    satisfaction: float | None = None,
) -> Row:
    return {
        "date": day,
        "user_id": user_id,
        "kind": kind,
        "group": group,
        "reported_hours_saved": hours,
        "satisfaction": satisfaction,
    }


def on(user_id: str, day: date, segment: str = "regular", score: float = 0.5) -> Row:
    return {"date": day, "user_id": user_id, "segment": segment, "engagement_score": score}


def use(user_id: str, active_days: int, day: date = AFTER) -> Row:
    return {"date": day, "user_id": user_id, "active_days": active_days}


def read_out(
    started: Sequence[Row], found: Sequence[Row] = (), used: Sequence[Row] = ()
) -> dict[tuple[str, str, str], Row]:
    """The rows of January by kind, segment and metric."""
    frames = read_out_experiments(starts(started), segments(found), scores(used), [MONTH])
    return by_key(AB_READOUT, frames)


def of_training(
    started: Sequence[Row], found: Sequence[Row] = (), used: Sequence[Row] = ()
) -> dict[str, Row]:
    """The rows of trainings in all segments, by metric."""
    rows = read_out(started, found, used)
    return {metric: rows["training", "all", metric] for metric in METRICS}


def changed(user_id: str, before: float, after: float) -> list[Row]:
    return [on(user_id, BEFORE, score=before), on(user_id, AFTER, score=after)]


def told(row: Row, *names: str) -> list[Any]:
    return [row[name] for name in names]


SIZES = ("treatment_n", "control_n")
VALUES = ("treatment_value", "control_value")
COMPARED = ("difference", "relative_percent", "ci_low", "ci_high", "p_value")


def test_the_change_of_scores_by_hand() -> None:
    """Treatment changes by 0.1, 0.2, 0.3: mean 0.2, variance 0.01; control by 0 and 0.1: 0.05,
    0.005. The error is sqrt(0.01 / 3 + 0.005 / 2), the control's mean score before 0.4.
    """
    started = [start(name) for name in "abc"] + [start(name, "control") for name in "de"]
    found = [
        *changed("a", 0.5, 0.6),
        *changed("b", 0.3, 0.5),
        *changed("c", 0.2, 0.5),
        *changed("d", 0.3, 0.3),
        *changed("e", 0.5, 0.6),
    ]
    row = of_training(started, found)["engagement_change"]
    assert (row["activity_month"], row["contaminated_users"]) == (MONTH, 0)
    assert told(row, *SIZES) == [3, 2]
    assert told(row, *VALUES) == pytest.approx([0.2, 0.05], rel=1e-12)
    error = math.sqrt(0.01 / 3 + 0.005 / 2)
    p = math.erfc(0.15 / error / math.sqrt(2))
    expected = [0.15, 37.5, 0.15 - Z * error, 0.15 + Z * error, p]
    assert told(row, *COMPARED) == pytest.approx(expected, rel=1e-12)
    assert told(row, "target", "is_met", "is_reliable") == [10.0, True, False]


def test_conversions_by_hand() -> None:
    """Of casual users: 2 of 3 treated become regular or power, of 2 others none.

    The others are 0 of 2, so there is nothing to be relative to. Pooled: 2 of 5.
    """
    started = [start(name) for name in "abcx"] + [start(name, "control") for name in "dey"]
    found = [
        *(on(name, BEFORE, "casual") for name in "abcde"),
        *(on(name, BEFORE, "regular") for name in "xy"),
        *(on(name, AFTER, "power") for name in "axy"),
        on("b", AFTER, "regular"),
        *(on(name, AFTER, "casual") for name in "cde"),
    ]
    rows = read_out(started, found)
    row = rows["training", "all", "conversion"]
    assert told(row, *SIZES) == [3, 2]
    assert told(row, *VALUES) == [2 / 3, 0.0]
    assert row["relative_percent"] is None
    error = math.sqrt(0.4 * 0.6 * (1 / 3 + 1 / 2))
    assert row["p_value"] == pytest.approx(math.erfc(2 / 3 / error / math.sqrt(2)), rel=1e-12)
    # Wilson: 2 of 3 from 0.207660 to 0.938508, 0 of 2 from 0 to 0.657620.
    below = math.hypot(2 / 3 - 0.207660, 0.657620)
    above = math.hypot(0.938508 - 2 / 3, 0.0)
    interval = [2 / 3 - below, 2 / 3 + above]
    assert told(row, "ci_low", "ci_high") == pytest.approx(interval, abs=2e-6)
    assert told(row, "target", "is_met") == [0.2, True]
    # Only those who were casual count, so in other segments there is none.
    assert told(rows["training", "regular", "conversion"], *SIZES, *VALUES) == [0, 0, None, None]
    assert rows["training", "regular", "conversion"]["is_met"] is None


@pytest.mark.parametrize(("active_days", "share"), [(9, 0.0), (10, 1.0)])
def test_a_licence_is_used_from_ten_days_on(active_days: int, share: float) -> None:
    rows = of_training([start("a")], changed("a", 0.5, 0.5), [use("a", active_days)])
    assert told(rows["license_use"], *SIZES, *VALUES) == [1, 0, share, None]


def test_what_is_reported_needs_no_segments() -> None:
    """Means of what was delivered: 6 and 4 hours (one gave none) against 1 and 3."""
    started = [
        start("a", hours=6.0, satisfaction=4.0),
        start("b", hours=4.0),
        start("c"),
        start("d", "control", hours=1.0, satisfaction=2.5),
        start("e", "control", hours=3.0, satisfaction=3.5),
    ]
    rows = of_training(started)
    hours, satisfaction = rows["hours_saved"], rows["satisfaction"]
    assert told(hours, *SIZES, *VALUES) == [2, 2, 5.0, 2.0]
    error = math.sqrt(2 / 2 + 2 / 2)
    p = math.erfc(3 / error / math.sqrt(2))
    expected = [3.0, 150.0, 3 - Z * error, 3 + Z * error, p]
    assert told(hours, *COMPARED) == pytest.approx(expected, rel=1e-12)
    assert told(hours, "target", "is_met") == [5.0, True]
    assert told(satisfaction, *SIZES, *VALUES) == [1, 2, 4.0, 3.0]
    assert told(satisfaction, *COMPARED) == [None] * 5
    assert told(satisfaction, "target", "is_met") == [3.5, True]
    assert told(rows["engagement_change"], *SIZES) == [0, 0]


@pytest.mark.parametrize(
    ("treated", "controls", "are_compared"),
    [(0, 0, False), (0, 2, False), (1, 2, False), (2, 1, False), (2, 2, True)],
)
def test_groups_of_fewer_than_two_are_not_compared(
    treated: int, controls: int, are_compared: bool
) -> None:
    started = [start(f"t{number}", hours=4.0 + number) for number in range(treated)]
    started += [start(f"c{number}", "control", hours=2.0 + number) for number in range(controls)]
    # Somebody has to start for there to be a cell.
    row = of_training([*started, start("nobody")])["hours_saved"]
    assert told(row, *SIZES) == [treated, controls]
    assert [row[name] is not None for name in COMPARED] == [are_compared] * 5
    assert (row["treatment_value"] is not None) == (treated > 0)
    assert (row["control_value"] is not None) == (controls > 0)


def test_means_that_do_not_vary_have_no_interval() -> None:
    """Scores whose differences are equal in millionths, and sums of tenths that are not exact."""
    names = "abcdef"
    started = [
        start(name, "treatment" if name in "abc" else "control", hours=0.1) for name in names
    ]
    found = [
        row
        for name, (before, after) in zip(
            names,
            # 0.000511 x 1,000,000 is below 511 by the last bit.
            [(0.000511, 0.200511), (0.2, 0.4), (0.7, 0.9), (0.1, 0.2), (0.3, 0.4), (0.8, 0.9)],
            strict=True,
        )
        for row in changed(name, before, after)
    ]
    rows = of_training(started, found)
    for metric, difference in (("engagement_change", 0.1), ("hours_saved", 0.0)):
        row = rows[metric]
        assert row["difference"] == pytest.approx(difference, abs=1e-15)
        assert told(row, "ci_low", "ci_high", "p_value") == [None] * 3
        assert row["relative_percent"] is not None
    assert told(rows["hours_saved"], *VALUES) == [0.1, 0.1]


@pytest.mark.parametrize(("days", "share"), [(9, 0.0), (10, 1.0)])
def test_shares_of_nobody_or_all_have_an_interval_and_no_p(days: int, share: float) -> None:
    names = "abcd"
    started = [start(name, "treatment" if name in "ab" else "control") for name in names]
    found = [row for name in names for row in changed(name, 0.5, 0.5)]
    row = of_training(started, found, [use(name, days) for name in names])["license_use"]
    assert told(row, *VALUES, "difference", "p_value") == [share, share, 0.0, None]
    # Wilson: 0 of 2 from 0 to 0.65762, 2 of 2 the other way round.
    assert told(row, "ci_low", "ci_high") == pytest.approx([-0.657620, 0.657620], abs=2e-6)
    assert row["relative_percent"] == (0.0 if share else None)
    assert row["is_met"] == (False if share else None)


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        # A Monday: the one of the week before; Sunday 14 April is 90 days later.
        (date(2024, 1, 15), date(2024, 1, 8), date(2024, 4, 15)),
        (date(2024, 1, 14), date(2024, 1, 8), date(2024, 4, 15)),
        (date(2024, 1, 16), date(2024, 1, 15), date(2024, 4, 15)),  # 90 days later is the Monday
        (date(2024, 1, 17), date(2024, 1, 15), date(2024, 4, 22)),
        (date(2024, 1, 1), date(2023, 12, 25), date(2024, 4, 1)),
        (date(2024, 1, 31), date(2024, 1, 29), date(2024, 5, 6)),
    ],
)
def test_the_mondays_before_and_after(day: date, before: date, after: date) -> None:
    others = [one + timedelta(weeks=weeks) for one in (before, after) for weeks in (-2, -1, 1, 2)]
    found = [on("a", one, "power", 0.9) for one in others if one not in (before, after)]
    found += [on("a", before, "casual", 0.2), on("a", after, "regular", 0.5)]
    used = [use("a", 30, one) for one in others] + [use("a", 5, after)]
    rows = read_out([start("a", day=day)], found, used)
    assert set(rows) == {
        (kind, segment, metric)
        for kind in ("training", "all")
        for segment in ("casual", "all")
        for metric in METRICS
    }
    cell = {metric: rows["training", "casual", metric]["treatment_value"] for metric in METRICS}
    assert cell["engagement_change"] == pytest.approx(0.3, abs=1e-15)
    assert (cell["conversion"], cell["license_use"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        # The earliest Mondays of a month, and the latest one before a start.
        (date(2024, 10, 1), date(2024, 9, 30), date(2024, 12, 30)),
        (date(2024, 7, 1), date(2024, 6, 24), date(2024, 9, 30)),
        (date(2024, 4, 30), date(2024, 4, 29), date(2024, 7, 29)),
    ],
)
def test_mondays_at_the_ends_of_what_a_month_reads(day: date, before: date, after: date) -> None:
    found = [on("a", before, "casual", 0.2), on("a", after, "power", 0.5)]
    frames = read_out_experiments(
        starts([start("a", day=day)]),
        segments(found),
        scores([use("a", 12, after)]),
        [day.replace(day=1)],
    )
    rows = by_key(AB_READOUT, frames)
    cell = {metric: rows["training", "casual", metric]["treatment_value"] for metric in METRICS}
    assert cell["engagement_change"] == pytest.approx(0.3, abs=1e-15)
    assert (cell["conversion"], cell["license_use"]) == (1.0, 1.0)


@pytest.mark.parametrize("missing", [BEFORE, AFTER])
def test_a_user_without_a_row_on_either_monday_is_left_out(missing: date) -> None:
    """After: not yet run, or the user is gone. Before: in no segment but all."""
    found = [row for row in changed("a", 0.5, 0.7) if row["date"] != missing]
    rows = read_out([start("a", hours=6.0, satisfaction=4.0)], found, [use("a", 20)])
    sizes = {metric: rows["training", "all", metric]["treatment_n"] for metric in METRICS}
    assert sizes == {
        "engagement_change": 0,
        "conversion": 0,
        "license_use": 0,
        "hours_saved": 1,
        "satisfaction": 1,
    }
    segments_found = {segment for _, segment, _ in rows}
    assert segments_found == ({"all"} if missing == BEFORE else {"regular", "all"})


def test_every_cell_with_a_start_has_all_metrics() -> None:
    started = [start("a"), start("b", "control", kind="coaching")]
    rows = read_out(started, [on("a", BEFORE, "power")])
    cells = {(kind, segment) for kind, segment, _ in rows}
    assert cells == {
        ("training", "power"),
        ("training", "all"),
        ("coaching", "all"),
        ("all", "power"),
        ("all", "all"),
    }
    assert len(rows) == len(cells) * len(METRICS)
    assert {row["is_reliable"] for row in rows.values()} == {False}


def test_users_in_both_groups_are_left_out_and_counted() -> None:
    """a is in both groups of trainings; b in one group of each kind, so in both of all kinds."""
    later = START + timedelta(days=1)
    started = [
        start("a", "treatment", hours=9.0),
        start("a", "control", later, hours=1.0),
        start("b", "treatment", hours=5.0),
        start("b", "control", later, "coaching", hours=3.0),
        start("c", "treatment", hours=7.0),
    ]
    found = [on("a", BEFORE, "power"), on("b", BEFORE, "casual"), on("c", BEFORE, "casual")]
    rows = read_out(started, found)

    def of(kind: str, segment: str) -> list[Any]:
        row = rows[kind, segment, "hours_saved"]
        return told(row, "contaminated_users", "treatment_n", "treatment_value", "control_n")

    assert of("training", "all") == [1, 2, 6.0, 0]
    assert of("training", "power") == [1, 0, None, 0]
    assert of("training", "casual") == [0, 2, 6.0, 0]
    assert of("coaching", "all") == [0, 0, None, 1]
    assert of("all", "all") == [2, 1, 7.0, 0]
    assert of("all", "casual") == [1, 1, 7.0, 0]
    for metric in METRICS:
        assert rows["training", "all", metric]["contaminated_users"] == 1


def test_starts_in_both_groups_in_different_months_are_clean() -> None:
    started = [start("a", hours=4.0), start("a", "control", date(2024, 2, 1), hours=2.0)]
    row = of_training(started)["hours_saved"]
    assert told(row, "contaminated_users", *SIZES) == [0, 1, 0]


def test_the_first_start_counts() -> None:
    """Of a kind the earliest; of all kinds, on the same day, the smallest kind."""
    started = [
        start("a", day=START + timedelta(days=3), hours=9.0),
        start("a", hours=1.0),
        start("a", kind="Zeal", hours=2.0),  # before the others by code point
        start("a", kind="coaching", hours=3.0),
        start("a", kind="aid", day=START + timedelta(days=1), hours=4.0),
    ]
    rows = read_out(started)
    hours = {
        kind: rows[kind, "all", "hours_saved"]["treatment_value"]
        for kind in ("training", "Zeal", "coaching", "aid", "all")
    }
    assert hours == {"training": 1.0, "Zeal": 2.0, "coaching": 3.0, "aid": 4.0, "all": 2.0}


def test_a_kind_that_is_called_all_is_in_all_only() -> None:
    rows = read_out([start("a", kind="all", hours=4.0), start("b", hours=6.0)])
    assert rows["all", "all", "hours_saved"]["treatment_value"] == 5.0


@pytest.mark.parametrize(
    ("before", "is_met"),
    [
        # Treatment changes by 0.05 and control not at all, of a mean before of 0.5: 10 %.
        (0.5, False),
        (0.49, True),
    ],
)
def test_a_change_of_scores_is_to_be_above_a_tenth(before: float, is_met: bool) -> None:
    started = [start("a"), start("b"), start("c", "control"), start("d", "control")]
    found = [
        *(row for name in "ab" for row in changed(name, 0.3, 0.35)),
        *(row for name in "cd" for row in changed(name, before, before)),
    ]
    row = of_training(started, found)["engagement_change"]
    assert row["relative_percent"] == pytest.approx(5 / before, rel=1e-12)
    assert row["is_met"] is is_met


@pytest.mark.parametrize(("converted", "is_met"), [(2, False), (3, True)])
def test_conversion_is_to_be_above_a_fifth(converted: int, is_met: bool) -> None:
    names = [f"u{number}" for number in range(10)]
    found = [on(name, BEFORE, "casual") for name in names]
    found += [
        on(name, AFTER, "regular" if place < converted else "casual")
        for place, name in enumerate(names)
    ]
    row = of_training([start(name) for name in names], found)["conversion"]
    assert told(row, "treatment_value", "is_met") == [converted / 10, is_met]


@pytest.mark.parametrize(
    ("users", "is_met"),
    [
        (6, False),  # 6 of 10 against 5 of 10: exactly a fifth more
        (7, True),
    ],
)
def test_the_use_of_licences_is_to_be_more_by_above_a_fifth(users: int, is_met: bool) -> None:
    names = [f"{group}{number}" for group in ("treatment", "control") for number in range(10)]
    started = [start(name, name[:-1]) for name in names]
    found = [row for name in names for row in changed(name, 0.5, 0.5)]
    using = {"treatment": users, "control": 5}
    used = [use(name, 10 if int(name[-1]) < using[name[:-1]] else 0) for name in names]
    row = of_training(started, found, used)["license_use"]
    assert row["relative_percent"] == pytest.approx(100 * (users - 5) / 5, rel=1e-12)
    assert told(row, "target", "is_met") == [20.0, is_met]


@pytest.mark.parametrize(
    ("metric", "values", "is_met"),
    [
        # 3.3 + 5.1 + 6.6 is 15 but for the last bit.
        ("hours", (3.3, 5.1, 6.6), True),
        ("hours", (3.3, 5.1, 6.59), False),
        ("satisfaction", (3.4, 3.6), True),
        ("satisfaction", (3.4, 3.59), False),
    ],
)
def test_what_is_reported_is_to_reach_its_target(
    metric: str, values: tuple[float, ...], is_met: bool
) -> None:
    started = [start(f"u{place}") for place in range(len(values))]
    column = {"hours": "reported_hours_saved", "satisfaction": "satisfaction"}[metric]
    started = [one | {column: value} for one, value in zip(started, values, strict=True)]
    name = {"hours": "hours_saved", "satisfaction": "satisfaction"}[metric]
    assert of_training(started)[name]["is_met"] is is_met


@pytest.mark.parametrize(
    ("treated", "controls", "is_reliable"), [(30, 30, True), (29, 30, False), (30, 29, False)]
)
def test_thirty_in_each_group_are_reliable(treated: int, controls: int, is_reliable: bool) -> None:
    started = [start(f"t{number}", hours=1.0) for number in range(treated)]
    started += [start(f"c{number}", "control", hours=1.0) for number in range(controls)]
    rows = of_training(started)
    assert rows["hours_saved"]["is_reliable"] is is_reliable
    # Of satisfaction nothing was delivered.
    assert rows["satisfaction"]["is_reliable"] is False


def test_months_at_once_are_what_each_is_alone() -> None:
    months = [date(2024, month, 1) for month in (1, 2, 3)]
    started = [
        start(
            f"u{number % 9}",
            ("treatment", "control")[number % 2],
            MONTH + timedelta(days=4 * number),
            ("training", "coaching")[number % 3 % 2],
            hours=number / 3,
        )
        for number in range(15)  # to 26 February: none in March
    ]
    mondays = [MONTH + timedelta(weeks=week) for week in range(-1, 25)]
    found = [
        on(f"u{number}", day, ("casual", "power")[(number + place) % 2], number * place / 300)
        for place, day in enumerate(mondays)
        for number in range(8)
    ]
    used = [use(f"u{number}", number * 2, day) for day in mondays for number in range(8)]

    def read(some: Sequence[date]) -> list[Row]:
        frames = read_out_experiments(starts(started), segments(found), scores(used), some)
        return rows_of(AB_READOUT, frames)

    together = read(months)
    assert together == [row for month in months for row in read([month])]
    assert {row["activity_month"] for row in together} == set(months[:2])


def test_without_starts_there_is_no_row() -> None:
    assert read_out([]) == {}
    assert read_out([start("a", day=date(2024, 2, 1))]) == {}
