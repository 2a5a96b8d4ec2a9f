"""Growth accounting: every window's edges, who counts where, and by which attribute."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.transforms.growth import (
    account_for_growth,
    count_active,
    count_active_days,
    count_segments,
)
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before, usage
from harvey_pipeline_tests.engagement.transforms.versions import firm_version, user_version

Rows = list[dict[str, Any]]

TOMORROW: Final = days_before(-1)
ENTITY_KEYS: Final = {"user": "user_id", "firm": "firm_id"}
COUNTS: Final = (
    "dau",
    "wau",
    "mau",
    "active",
    "previous_active",
    "new",
    "retained",
    "resurrected",
    "churned",
)


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=TABLES[name].polars_schema)


def first_days(activity: Iterable[Mapping[str, Any]]) -> Rows:
    """`core.first_activity` of this activity."""
    found: dict[tuple[str, str], date] = {}
    for row in activity:
        for grain, key in ENTITY_KEYS.items():
            entity = (grain, row[key])
            found[entity] = min(row["date"], found.get(entity, row["date"]))
    return [
        {"grain": grain, "entity_id": entity, "first_activity_date": first}
        for (grain, entity), first in found.items()
    ]


def segments(
    activity: Rows,
    days: Sequence[date] = (DAY,),
    *,
    users: Rows | None = None,
    firms: Rows | None = None,
    past: Rows | None = None,
) -> pl.DataFrame:
    """`marts.usage_by_segment` of the days, checked against its schema.

    `past` is activity of which only `core.first_activity` knows.
    """
    name = "marts.usage_by_segment"
    frames = count_segments(
        table("core.user_daily_activity", activity),
        table("core.first_activity", first_days([*(past or []), *activity])),
        {"user": table("core.dim_user", users or []), "firm": table("core.dim_firms", firms or [])},
        days,
    )
    rows = pl.concat(frames).collect()
    assert list(rows.schema.items()) == list(TABLES[name].polars_schema.items())
    TABLES[name].schema.validate(rows)
    assert not rows.select(TABLES[name].key).is_duplicated().any()
    return rows


Whole = Callable[[pl.LazyFrame, Sequence[date]], pl.LazyFrame]


def whole(sum_up: Whole, name: str, usage_by_segment: pl.DataFrame, days: Sequence[date]) -> Rows:
    rows = sum_up(usage_by_segment.lazy(), days).collect()
    assert list(rows.schema.items()) == list(TABLES[name].polars_schema.items())
    TABLES[name].schema.validate(rows)
    return rows.rows(named=True)


def growth(
    usage_by_segment: pl.DataFrame,
    days: Sequence[date] = (DAY,),
    first_covered: date | None = date(2020, 1, 1),
) -> Rows:
    """`marts.growth_accounting` of the days, checked against its schema."""
    sum_up = partial(account_for_growth, first_covered=first_covered)
    return whole(sum_up, "marts.growth_accounting", usage_by_segment, days)


def actives(usage_by_segment: pl.DataFrame, days: Sequence[date] = (DAY,)) -> Rows:
    """`marts.active_usage` of the days, checked against its schema."""
    return whole(count_active, "marts.active_usage", usage_by_segment, days)


def counted(
    activity: Rows, days: Sequence[date] = (DAY,), *, past: Rows | None = None
) -> dict[tuple[date, str], dict[str, int]]:
    """The counts that are not 0, of all users and of all firms on each of the days."""
    parts = segments(activity, days, past=past)
    pairs = zip(growth(parts, days), actives(parts, days), strict=True)
    return {
        (row["date"], row["grain"]): {
            name: count for name, count in {**active, **row}.items() if name in COUNTS and count
        }
        for row, active in pairs
        if (row["date"], row["grain"]) == (active["date"], active["grain"])
    }


def by_value(rows: pl.DataFrame, segment: str, day: date = DAY) -> dict[str | None, int]:
    """Entities active on the day, or in the 28 days that end on it, by the attribute's value."""
    of_day = rows.filter((pl.col("date") == day) & (pl.col("segment").cast(pl.String) == segment))
    return dict(of_day.select("segment_value", "active").iter_rows())


def points(activity: Rows, days: Sequence[date] = (DAY,)) -> dict[tuple[date, int, int], Any]:
    """`marts.power_curve` of the days, checked against its schema: users and their share."""
    name = "marts.power_curve"
    rows = pl.concat(count_active_days(table("core.user_daily_activity", activity), days)).collect()
    assert list(rows.schema.items()) == list(TABLES[name].polars_schema.items())
    TABLES[name].schema.validate(rows)
    return {row[:3]: row[3:] for row in rows.iter_rows()}


def curve(activity: Rows, window_days: int, day: date = DAY) -> dict[int, int]:
    """Users by number of active days, without the points at which there are none."""
    found = points(activity, [day])
    assert set(found) == {(day, 7, days) for days in range(1, 8)} | {
        (day, 28, days) for days in range(1, 29)
    }
    return {
        days: users
        for (_, length, days), (users, _) in sorted(found.items())
        if length == window_days and users
    }


def used(user_id: str, *back: int, firm_id: str = "a") -> Rows:
    """Activity of a user so many days before `DAY`."""
    return [usage(user_id, firm_id, days_before(days)) for days in back]


HAND_WORKED: Final = [
    *used("u1", 0, 40),  # retained
    *used("u2", 27),  # new
    *used("u3", 5, 28),  # retained
    *used("u4", 55, firm_id="b"),  # churned
    *used("u5", 6, 56),  # resurrected
    *used("u6", 28, firm_id="b"),  # churned, and still of the 30 days
    *used("u7", 0),  # new
]
"""Firm a is active throughout; firm b on two days of the previous window and never since."""

HAND_WORKED_USERS: Final = [
    user_version("u1", "Partner"),
    user_version("u2", "Partner"),
    user_version("u3", "Associate"),
    user_version("u4", "Associate"),
    user_version("u5", None),
    user_version("u7", "Partner"),
]
"""The role of u5 is not known, and u6 has no version at all."""


def figures(
    actives_of: tuple[int, int, int, float | None],
    growth_of: tuple[int, int, int, int, int, int, float | None, float | None],
) -> dict[str, float | None]:
    """Who is active on the day, and where the active of 28 days came from; by name."""
    names = [*COUNTS[:3], "stickiness", *COUNTS[3:], "quick_ratio", "growth_rate"]
    return dict(zip(names, (*actives_of, *growth_of), strict=True))


def test_every_column_of_the_whole_is_as_worked_out_by_hand() -> None:
    parts = segments(HAND_WORKED, users=HAND_WORKED_USERS, firms=[firm_version()])

    everyone = figures((2, 4, 6, 200 / 6), (5, 4, 2, 2, 1, 2, 1.5, 25.0))
    firms = figures((1, 1, 2, 50.0), (1, 2, 0, 1, 0, 1, 0.0, -50.0))
    rows = [
        {"date": DAY, "grain": "user", **everyone, "is_history_short": False},
        {"date": DAY, "grain": "firm", **firms, "is_history_short": False},
    ]
    growth_columns = TABLES["marts.growth_accounting"].polars_schema
    active_columns = TABLES["marts.active_usage"].polars_schema
    assert growth(parts) == [{name: row[name] for name in growth_columns} for row in rows]
    assert actives(parts) == [{name: row[name] for name in active_columns} for row in rows]


def test_every_column_of_a_segment_is_as_worked_out_by_hand() -> None:
    """u1, u2, u7 are Partners, u3 and u4 Associates; of u5 and u6 the role is not known."""
    firm = firm_version("a", 499, 1_000_000.0)
    rows = segments(HAND_WORKED, users=HAND_WORKED_USERS, firms=[firm])

    firm_a = figures((1, 1, 1, 100.0), (1, 1, 0, 1, 0, 0, None, 0.0))
    firm_b = figures((0, 0, 1, 0.0), (0, 1, 0, 0, 0, 1, 0.0, -100.0))
    expected = {
        ("user", "user_role", "Partner"): figures(
            (2, 2, 3, 200 / 3), (3, 1, 2, 1, 0, 0, None, 200.0)
        ),
        ("user", "user_role", "Associate"): figures((0, 1, 1, 0.0), (1, 2, 0, 1, 0, 1, 0.0, -50.0)),
        ("user", "user_role", None): figures((0, 1, 2, 0.0), (1, 1, 0, 0, 1, 1, 1.0, 0.0)),
        ("firm", "firm_size_category", "Medium Firm"): firm_a,
        ("firm", "firm_size_category", None): firm_b,
        ("firm", "arr_tier", "High Value"): firm_a,
        ("firm", "arr_tier", None): firm_b,
    }
    assert {
        (row.pop("grain"), row.pop("segment"), row.pop("segment_value")): row
        for row in rows.rows(named=True)
    } == {key: {"date": DAY, **row} for key, row in expected.items()}


@pytest.mark.parametrize(
    ("back", "names"),
    [
        pytest.param(-1, "", id="tomorrow-is-not-known-yet"),
        pytest.param(0, "dau wau mau active new", id="the-day-itself"),
        pytest.param(1, "wau mau active new", id="the-day-before"),
        pytest.param(6, "wau mau active new", id="first-of-7-days"),
        pytest.param(7, "mau active new", id="before-the-7-days"),
        pytest.param(27, "mau active new", id="first-of-28-days"),
        pytest.param(28, "mau previous_active churned", id="last-of-the-28-days-before"),
        pytest.param(29, "mau previous_active churned", id="first-of-30-days"),
        pytest.param(30, "previous_active churned", id="before-the-30-days"),
        pytest.param(55, "previous_active churned", id="first-of-the-28-days-before"),
        pytest.param(56, "", id="before-both-windows"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([DAY], id="asked-alone"),
        pytest.param([days_before(back) for back in range(33, -1, -1)], id="asked-last-of-34"),
        pytest.param([days_before(back) for back in range(4, -6, -1)], id="asked-in-the-middle"),
    ],
)
def test_a_day_with_a_query_counts_in_the_windows_that_hold_it(
    asked: list[date], back: int, names: str
) -> None:
    """Somebody else, of another firm, is active on every day and adds one to what he counts in."""
    others = used("u2", *range(-5, 90), firm_id="b")
    found = counted(used("u1", back) + others, asked)

    of_others = dict.fromkeys(["dau", "wau", "mau", "active", "previous_active", "retained"], 1)
    expected = dict(of_others)
    for name in names.split():
        expected[name] = expected.get(name, 0) + 1
    assert found[DAY, "user"] == expected
    assert found[DAY, "firm"] == expected


@pytest.mark.parametrize(
    ("back", "came_from"),
    [
        pytest.param((0,), "new", id="first-active-on-the-day-is-new"),
        pytest.param((27,), "new", id="first-active-on-the-window's-first-day-is-new"),
        pytest.param((0, 13, 27), "new", id="active-on-later-days-too-is-still-new"),
        pytest.param((0, 28), "retained", id="first-active-the-day-before-the-window-is-retained"),
        pytest.param((27, 28), "retained", id="active-on-either-side-of-the-edge-is-retained"),
        pytest.param((27, 55), "retained", id="active-on-either-window's-first-day-is-retained"),
        pytest.param((0, 30, 90), "retained", id="active-long-before-too-is-retained"),
        pytest.param((0, 56), "resurrected", id="away-for-the-whole-previous-window"),
        pytest.param((27, 56), "resurrected", id="away-for-28-days-and-no-longer"),
        pytest.param((0, 399), "resurrected", id="away-for-more-than-a-year"),
        pytest.param((28,), "churned", id="active-on-the-previous-window's-last-day-only"),
        pytest.param((55,), "churned", id="active-on-the-previous-window's-first-day-only"),
        pytest.param((30, 56), "churned", id="churned-after-having-been-retained"),
        pytest.param((56,), None, id="gone-before-the-previous-window"),
    ],
)
def test_where_an_active_user_or_firm_came_from(back: tuple[int, ...], came_from: str) -> None:
    kinds = ("new", "retained", "resurrected", "churned")
    found = counted(used("u1", *back))

    for grain in ENTITY_KEYS:
        row = found[DAY, grain]
        assert [name for name in kinds if name in row] == ([came_from] if came_from else [])


@pytest.mark.parametrize(
    ("past", "came_from"),
    [
        pytest.param([], "new", id="never-active-before"),
        pytest.param(used("u1", 57), "resurrected", id="active-before-the-days-at-hand"),
        pytest.param(used("u1", 400), "resurrected", id="active-long-before-the-days-at-hand"),
    ],
)
def test_who_was_active_before_the_days_at_hand_is_not_new(past: Rows, came_from: str) -> None:
    """The activity of 56 days says nothing of what was before; `core.first_activity` does."""
    found = counted(used("u1", 3), past=past)

    for grain in ENTITY_KEYS:
        assert found[DAY, grain] == {"wau": 1, "mau": 1, "active": 1, came_from: 1}


def test_a_first_activity_is_that_of_the_grain() -> None:
    """The ids are also those of a firm and of a user who were active long before these two."""
    found = counted(used("u1", 3, firm_id="x"), past=used("x", 100, firm_id="u1"))

    assert "new" in found[DAY, "user"]
    assert "new" in found[DAY, "firm"]


def test_a_firm_is_kept_while_its_users_come_and_go() -> None:
    found = counted(used("u1", 60) + used("u2", 35) + used("u3", 3))

    assert found[DAY, "user"] == {
        "wau": 1,
        "mau": 1,
        "active": 1,
        "previous_active": 1,
        "new": 1,
        "churned": 1,
    }
    assert found[DAY, "firm"] == {
        "wau": 1,
        "mau": 1,
        "active": 1,
        "previous_active": 1,
        "retained": 1,
    }


def test_one_active_day_is_followed_until_it_has_left_both_windows() -> None:
    """New for 28 days and churned for 28 more; then the day has zeros."""
    first = days_before(0)
    days = [first + timedelta(days=offset) for offset in range(-2, 60)]
    found = counted([usage(on=first)], days)

    new = {"mau": 1, "active": 1, "new": 1}
    gone = {"previous_active": 1, "churned": 1}
    expected: list[dict[str, int]] = (
        [{}] * 2
        + [{"dau": 1, "wau": 1, **new}]
        + [{"wau": 1, **new}] * 6
        + [new] * 21
        + [{"mau": 1, **gone}] * 2
        + [gone] * 26
        + [{}] * 4
    )
    for grain in ENTITY_KEYS:
        assert [found[day, grain] for day in days] == expected


def test_a_user_of_two_firms_on_one_day_counts_once() -> None:
    activity = used("u1", 0, 1, firm_id="a") + used("u1", 0, 30, firm_id="b")
    rows = segments(activity, users=[user_version(role="Partner")])

    user, firm = growth(rows)
    assert (user["active"], user["previous_active"], user["retained"]) == (1, 1, 1)
    assert (firm["active"], firm["previous_active"], firm["retained"], firm["new"]) == (2, 1, 1, 1)
    user, firm = actives(rows)
    assert (user["dau"], user["wau"], user["mau"]) == (1, 1, 1)
    assert (firm["dau"], firm["wau"], firm["mau"]) == (2, 2, 2)
    assert by_value(rows, "user_role") == {"Partner": 1}


def test_a_change_of_role_moves_the_user_from_the_day_on_which_it_begins() -> None:
    """All of the user's days lie before the change, and all of them move."""
    users = [
        user_version(role="Associate", end=days_before(1)),
        user_version(role="Partner", start=DAY, end=DAY),
        user_version(role="Senior Associate", start=TOMORROW),
    ]
    days = [days_before(2), days_before(1), DAY, TOMORROW]
    rows = segments(used("u1", 10, 40), days, users=users)

    assert [by_value(rows, "user_role", day) for day in days] == [
        {"Associate": 1},
        {"Associate": 1},
        {"Partner": 1},
        {"Senior Associate": 1},
    ]
    assert rows.filter(pl.col("grain") == "user")["retained"].to_list() == [1] * 4


def test_a_firm_changes_size_and_tier_each_on_its_day() -> None:
    firms = [
        firm_version(firm_size=24, arr_usd=99_999.0, end=days_before(1)),
        firm_version(firm_size=25, arr_usd=99_999.0, start=DAY, end=DAY),
        firm_version(firm_size=25, arr_usd=100_000.0, start=TOMORROW),
    ]
    days = [days_before(1), DAY, TOMORROW]
    rows = segments(used("u1", 3), days, firms=firms)

    assert [by_value(rows, "firm_size_category", day) for day in days] == [
        {"Boutique Firm": 1},
        {"Small Firm": 1},
        {"Small Firm": 1},
    ]
    assert [by_value(rows, "arr_tier", day) for day in days] == [
        {"Entry Level": 1},
        {"Entry Level": 1},
        {"Standard Value": 1},
    ]


def test_users_of_unknown_role_are_a_segment_of_their_own() -> None:
    """u1 has no role, u2 has no version, and that of u3 begins tomorrow."""
    users = [
        user_version("u1", None),
        user_version("u3", "Partner", start=TOMORROW),
        user_version("u4", "Associate"),
    ]
    activity = [row for user in ("u1", "u2", "u3", "u4") for row in used(user, 0)]
    rows = segments(activity, [DAY, TOMORROW], users=users)

    assert by_value(rows, "user_role", DAY) == {None: 3, "Associate": 1}
    assert by_value(rows, "user_role", TOMORROW) == {None: 2, "Associate": 1, "Partner": 1}
    assert [row["active"] for row in growth(rows, [DAY, TOMORROW])] == [4, 1, 4, 1]


def test_a_role_given_up_for_an_unknown_one_is_not_kept() -> None:
    users = [user_version(role="Partner", end=days_before(1)), user_version("u1", None)]
    users[1]["effective_start_date"] = DAY
    rows = segments(used("u1", 3), users=users)

    assert by_value(rows, "user_role") == {None: 1}


def test_who_departed_keeps_the_last_attributes() -> None:
    """The versions stand in no order; those that ended last are the ones of `days_before(5)`."""
    rows = segments(
        used("u1", 20),
        users=[
            user_version(role="Partner", start=days_before(99), end=days_before(5)),
            user_version(role="Associate", end=days_before(100)),
        ],
        firms=[
            firm_version(firm_size=500, arr_usd=1.0, start=days_before(99), end=days_before(5)),
            firm_version(firm_size=10, arr_usd=500_000.0, end=days_before(100)),
        ],
    )

    assert by_value(rows, "user_role") == {"Partner": 1}
    assert by_value(rows, "firm_size_category") == {"Large Firm": 1}
    assert by_value(rows, "arr_tier") == {"Entry Level": 1}


def test_values_of_an_attribute_come_in_order_and_the_unknown_last() -> None:
    sizes = {"a": 30, "b": 600, "c": 1, "d": 300}
    activity = [row for firm in "abcde" for row in used("u1", 0, firm_id=firm)]
    rows = segments(activity, firms=[firm_version(firm, size) for firm, size in sizes.items()])

    assert list(by_value(rows, "firm_size_category")) == [
        "Large Firm",
        "Medium Firm",
        "Small Firm",
        "Boutique Firm",
        None,
    ]


def test_a_version_of_somebody_who_is_not_active_gives_no_row() -> None:
    users = [user_version("u1", "Partner"), user_version("u2", "Associate")]
    rows = segments(used("u1", 0), users=users, firms=[firm_version("a"), firm_version("b", 5)])

    assert by_value(rows, "user_role") == {"Partner": 1}
    assert by_value(rows, "firm_size_category") == {"Medium Firm": 1}


@pytest.mark.parametrize(
    ("firm_size", "category"),
    [
        pytest.param(500, "Large Firm", id="500-seats-are-large"),
        pytest.param(499, "Medium Firm", id="499-seats-are-medium"),
        pytest.param(100, "Medium Firm", id="100-seats-are-medium"),
        pytest.param(99, "Small Firm", id="99-seats-are-small"),
        pytest.param(25, "Small Firm", id="25-seats-are-small"),
        pytest.param(24, "Boutique Firm", id="24-seats-are-a-boutique"),
        pytest.param(0, "Boutique Firm", id="no-seats-are-a-boutique"),
    ],
)
def test_a_firm_counts_in_the_category_of_its_seats(firm_size: int, category: str) -> None:
    rows = segments(used("u1", 0), firms=[firm_version(firm_size=firm_size)])

    assert by_value(rows, "firm_size_category") == {category: 1}


@pytest.mark.parametrize(
    ("arr_usd", "tier"),
    [
        pytest.param(1_000_000.0, "High Value", id="a-million-is-high"),
        pytest.param(999_999.99, "Medium Value", id="below-a-million-is-medium"),
        pytest.param(500_000.0, "Medium Value", id="half-a-million-is-medium"),
        pytest.param(499_999.99, "Standard Value", id="below-half-a-million-is-standard"),
        pytest.param(100_000.0, "Standard Value", id="a-hundred-thousand-is-standard"),
        pytest.param(99_999.99, "Entry Level", id="below-a-hundred-thousand-is-entry"),
        pytest.param(0.0, "Entry Level", id="nothing-is-entry"),
    ],
)
def test_a_firm_counts_in_the_tier_of_its_contract(arr_usd: float, tier: str) -> None:
    rows = segments(used("u1", 0), firms=[firm_version(arr_usd=arr_usd)])

    assert by_value(rows, "arr_tier") == {tier: 1}


ZEROS: Final[dict[str, Any]] = dict.fromkeys(COUNTS, 0) | dict.fromkeys(
    ["stickiness", "quick_ratio", "growth_rate"]
)
ZEROS["is_history_short"] = False


def zeros(name: str, days: Sequence[date]) -> Rows:
    """The rows of days on which nobody was active in any window."""
    columns = [column for column in TABLES[name].polars_schema if column in ZEROS]
    return [
        {"date": day, "grain": grain, **{column: ZEROS[column] for column in columns}}
        for day in days
        for grain in ("user", "firm")
    ]


@pytest.mark.parametrize(
    "activity",
    [
        pytest.param([], id="nobody-was-ever-active"),
        pytest.param(used("u1", 57, 100), id="all-activity-lies-before-both-windows"),
        pytest.param(used("u1", -2), id="all-activity-is-yet-to-come"),
    ],
)
def test_days_on_which_nobody_is_active_have_zeros(activity: Rows) -> None:
    days = [DAY, TOMORROW]
    rows = segments(activity, days, users=[user_version()], firms=[firm_version()])

    assert rows.is_empty()
    assert growth(rows, days) == zeros("marts.growth_accounting", days)
    assert actives(rows, days) == zeros("marts.active_usage", days)


def test_who_becomes_active_on_a_later_day_of_the_range_counts_from_then() -> None:
    """Nobody at all is active before; both have had their versions for long."""
    days = [days_before(back) for back in range(12, -1, -1)]
    rows = segments(
        used("u1", 1), days, users=[user_version(role="Partner")], firms=[firm_version()]
    )

    assert rows.select("date", "grain", "segment_value").rows() == [
        (day, *segment)
        for day in (days_before(1), DAY)
        for segment in (
            ("user", "Partner"),
            ("firm", "Medium Firm"),
            ("firm", "Standard Value"),
        )
    ]


def test_a_day_without_queries_keeps_what_is_in_its_windows() -> None:
    rows = segments(used("u1", 1) + used("u2", 9, firm_id="b"))

    user, firm = actives(rows)
    assert (user["dau"], user["wau"], user["mau"], user["stickiness"]) == (0, 1, 2, 0.0)
    assert (firm["dau"], firm["wau"], firm["mau"], firm["stickiness"]) == (0, 1, 2, 0.0)


def test_only_the_days_asked_for_are_summed_up() -> None:
    """`marts.usage_by_segment` holds a day before and a day after; of tomorrow it has nothing."""
    parts = segments(used("u1", 30), [days_before(1), DAY])

    assert [(row["date"], row["churned"]) for row in growth(parts, [DAY])] == [(DAY, 1)] * 2
    assert [row["date"] for row in actives(parts, [DAY, TOMORROW])] == [DAY] * 2 + [TOMORROW] * 2
    assert growth(parts, [TOMORROW]) == zeros("marts.growth_accounting", [TOMORROW])


@pytest.mark.parametrize(
    ("first_covered", "is_short"),
    [
        pytest.param(days_before(56), False, id="covered-before-the-56-days"),
        pytest.param(days_before(55), False, id="covered-from-their-first-on"),
        pytest.param(days_before(54), True, id="covered-from-their-second-on"),
        pytest.param(DAY, True, id="covered-from-the-day-on"),
        pytest.param(TOMORROW, True, id="not-covered-yet"),
        pytest.param(None, True, id="never-covered"),
    ],
)
def test_history_is_short_where_the_56_days_begin_before_it(
    first_covered: date | None, is_short: bool
) -> None:
    rows = growth(segments(used("u1", 1)), first_covered=first_covered)

    assert [row["is_history_short"] for row in rows] == [is_short, is_short]


def test_history_is_long_enough_from_one_day_of_a_range_on() -> None:
    days = [days_before(back) for back in (2, 1, 0)]
    rows = growth(segments(used("u1", 1), days), days, first_covered=days_before(56))

    short = [row["is_history_short"] for row in rows if row["grain"] == "firm"]
    assert short == [True, False, False]


def test_no_days_give_no_rows() -> None:
    activity = table("core.user_daily_activity", used("u1", 0))
    dimensions = {"user": TABLES["core.dim_user"].empty(), "firm": TABLES["core.dim_firms"].empty()}
    first_activity = TABLES["core.first_activity"].empty()

    assert list(count_segments(activity, first_activity, dimensions, [])) == []
    assert list(count_active_days(activity, [])) == []
    parts = segments(used("u1", 0))
    assert growth(parts, []) == []
    assert actives(parts, []) == []


# --- power curve ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("back", "of_7", "of_28"),
    [
        pytest.param(range(1), {1: 1}, {1: 1}, id="the-day-itself"),
        pytest.param(range(6, 7), {1: 1}, {1: 1}, id="first-of-7-days"),
        pytest.param(range(7, 8), {}, {1: 1}, id="before-the-7-days"),
        pytest.param(range(27, 28), {}, {1: 1}, id="first-of-28-days"),
        pytest.param(range(28, 29), {}, {}, id="before-the-28-days"),
        pytest.param(range(-1, 0), {}, {}, id="tomorrow-is-not-known-yet"),
        pytest.param(range(1, 7), {6: 1}, {6: 1}, id="every-day-but-the-last"),
        pytest.param(range(7), {7: 1}, {7: 1}, id="7-of-7"),
        pytest.param(range(1, 28), {6: 1}, {27: 1}, id="27-of-28"),
        pytest.param(range(28), {7: 1}, {28: 1}, id="28-of-28"),
        pytest.param(range(-9, 60), {7: 1}, {28: 1}, id="days-outside-the-windows-do-not-count"),
    ],
)
def test_active_days_are_those_of_the_window(
    back: range, of_7: dict[int, int], of_28: dict[int, int]
) -> None:
    activity = used("u1", *back)

    assert curve(activity, 7) == of_7
    assert curve(activity, 28) == of_28


def test_a_curve_is_as_worked_out_by_hand() -> None:
    """Of 7 days: u1 has 2, u2 and u3 have 1, u4 none; of 28 days: 3, 1, 2 and 2."""
    activity = [
        *used("u1", 0, 6, 20),
        *used("u2", 3),
        *used("u3", 0, 27),
        *used("u4", 7, 9),
    ]
    found = points(activity)

    of_7 = {1: (2, 200 / 3), 2: (1, 100 / 3)}
    of_28 = {1: (1, 25.0), 2: (2, 50.0), 3: (1, 25.0)}
    assert found == {(DAY, 7, days): of_7.get(days, (0, 0.0)) for days in range(1, 8)} | {
        (DAY, 28, days): of_28.get(days, (0, 0.0)) for days in range(1, 29)
    }


def test_a_day_with_two_firms_is_one_active_day() -> None:
    activity = used("u1", 0, 1, firm_id="a") + used("u1", 0, 2, firm_id="b")

    assert curve(activity, 7) == {3: 1}


def test_a_window_in_which_nobody_is_active_has_no_shares() -> None:
    found = points(used("u1", 7))

    assert {found[DAY, 7, days] for days in range(1, 8)} == {(0, None)}
    assert found[DAY, 28, 1] == (1, 100.0)
    assert {found[DAY, 28, days] for days in range(2, 29)} == {(0, 0.0)}


@pytest.mark.parametrize(
    "activity",
    [
        pytest.param([], id="nobody-was-ever-active"),
        pytest.param(used("u1", 28, 29), id="all-activity-lies-before-the-window"),
        pytest.param(used("u1", -2), id="all-activity-is-yet-to-come"),
    ],
)
def test_days_on_which_nobody_is_active_have_every_point(activity: Rows) -> None:
    days = [DAY, TOMORROW]

    assert points(activity, days) == {
        (day, window_days, active_days): (0, None)
        for day in days
        for window_days in (7, 28)
        for active_days in range(1, window_days + 1)
    }


# --- any history ----------------------------------------------------------------------------------

FIRST: Final = date(2024, 1, 1)
SPAN: Final = 110
"""Days from `FIRST` on which somebody may be active: nearly two pairs of windows."""

few_examples = settings(max_examples=30, deadline=None)
"""Each example runs whole transforms."""


def on(offset: int) -> date:
    return FIRST + timedelta(days=offset)


histories = st.sets(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, SPAN - 1),
    ),
    max_size=25,
).map(lambda cells: [usage(user, firm, on(offset)) for user, firm, offset in sorted(cells)])

ranges = st.tuples(st.integers(0, SPAN), st.integers(1, 9)).map(
    lambda place: [on(place[0] + offset) for offset in range(place[1])]
)


def versions_of(entity_ids: Sequence[str], labels: Sequence[Any]) -> st.SearchStrategy[Rows]:
    """Per entity any number of days, from before `FIRST`, on which its label changes."""
    starts = st.dictionaries(st.integers(-20, SPAN), st.sampled_from(labels), max_size=4)
    return st.fixed_dictionaries(dict.fromkeys(entity_ids, starts)).map(
        lambda drawn: [
            {"entity_id": entity, "start": on(offset), "label": label}
            for entity, labels_from in drawn.items()
            for offset, label in labels_from.items()
        ]
    )


roles = versions_of(["u1", "u2", "u3", "u4", "u9"], ["Partner", "Associate", None])
contracts = versions_of(["a", "b"], [(10, 5e5), (600, 5e5), (600, 1e5)])
SIZES: Final = {10: "Boutique Firm", 600: "Large Firm"}
TIERS: Final = {5e5: "Medium Value", 1e5: "Standard Value"}


def as_users(drawn: Rows) -> Rows:
    return [user_version(row["entity_id"], row["label"], start=row["start"]) for row in drawn]


def as_firms(drawn: Rows) -> Rows:
    return [firm_version(row["entity_id"], *row["label"], start=row["start"]) for row in drawn]


def label_as_of(drawn: Rows, entity_id: str, day: date) -> Any:
    """The label that began last by the day; null before the first."""
    begun = [row for row in drawn if row["entity_id"] == entity_id and row["start"] <= day]
    return max(begun, key=lambda row: row["start"])["label"] if begun else None


def naive_flags(dates: set[date], day: date) -> dict[str, bool]:
    """In what one user, or firm, counts, by the dates on which it was ever active."""

    def active_within(first: int, last: int) -> bool:
        return any(day - timedelta(days=back) in dates for back in range(first, last + 1))

    now, before = active_within(0, 27), active_within(28, 55)
    ever_before = any(past < day - timedelta(days=27) for past in dates)
    return {
        "dau": day in dates,
        "wau": active_within(0, 6),
        "mau": active_within(0, 29),
        "active": now,
        "previous_active": before,
        "new": now and not ever_before,
        "retained": now and before,
        "resurrected": now and not before and ever_before,
        "churned": before and not now,
    }


def dates_by(key: str, activity: Rows) -> dict[str, set[date]]:
    found: dict[str, set[date]] = {}
    for row in activity:
        found.setdefault(row[key], set()).add(row["date"])
    return found


Counts = dict[tuple[Any, ...], tuple[int, ...]]


def naive_segments(
    activity: Rows, drawn_roles: Rows, drawn_contracts: Rows, days: Sequence[date]
) -> Counts:
    """Counts by day, grain, segment and value: every user and firm looked at on every day."""
    found: dict[tuple[Any, ...], list[dict[str, bool]]] = {}
    for day in days:
        for user_id, dates in dates_by("user_id", activity).items():
            role = label_as_of(drawn_roles, user_id, day)
            found.setdefault((day, "user", "user_role", role), []).append(naive_flags(dates, day))
        for firm_id, dates in dates_by("firm_id", activity).items():
            size, arr = label_as_of(drawn_contracts, firm_id, day) or (-1, -1.0)
            for segment, value in (
                ("firm_size_category", SIZES.get(size)),
                ("arr_tier", TIERS.get(arr)),
            ):
                found.setdefault((day, "firm", segment, value), []).append(naive_flags(dates, day))
    sums = {
        key: tuple(sum(flags[name] for flags in of_key) for name in COUNTS)
        for key, of_key in found.items()
    }
    return {key: counts for key, counts in sums.items() if any(counts)}


def naive_wholes(activity: Rows, days: Sequence[date]) -> Counts:
    return {
        (day, grain): tuple(
            sum(naive_flags(dates, day)[name] for dates in dates_by(key, activity).values())
            for name in COUNTS
        )
        for day in days
        for grain, key in ENTITY_KEYS.items()
    }


@few_examples
@given(activity=histories, drawn_roles=roles, drawn_contracts=contracts, days=ranges)
def test_counts_are_those_of_everybody_looked_at_on_every_day(
    activity: Rows, drawn_roles: Rows, drawn_contracts: Rows, days: list[date]
) -> None:
    rows = segments(activity, days, users=as_users(drawn_roles), firms=as_firms(drawn_contracts))

    key = TABLES["marts.usage_by_segment"].key
    assert {row[:4]: row[4:] for row in rows.select(*key, *COUNTS).iter_rows()} == naive_segments(
        activity, drawn_roles, drawn_contracts, days
    )
    pairs = zip(growth(rows, days), actives(rows, days), strict=True)
    assert {
        (row["date"], row["grain"]): tuple({**active, **row}[name] for name in COUNTS)
        for row, active in pairs
    } == naive_wholes(activity, days)


@few_examples
@given(activity=histories, drawn_roles=roles, drawn_contracts=contracts, day=st.integers(0, SPAN))
def test_gains_and_losses_add_up_in_every_part_and_parts_to_the_whole(
    activity: Rows, drawn_roles: Rows, drawn_contracts: Rows, day: int
) -> None:
    """Who was active in the previous window was active in the window of 28 days ago."""
    days = [on(day)]
    users, firms = as_users(drawn_roles), as_firms(drawn_contracts)
    rows = segments(activity, days, users=users, firms=firms)
    wholes = growth(rows, days)
    for row in [*rows.iter_rows(named=True), *wholes]:
        assert row["active"] == row["new"] + row["retained"] + row["resurrected"]
        assert row["previous_active"] == row["retained"] + row["churned"]
        gained = row["new"] + row["resurrected"]
        assert row["active"] - row["previous_active"] == gained - row["churned"]

    user, firm = ({**one, **other} for one, other in zip(wholes, actives(rows, days), strict=True))
    for segment, total in (("user_role", user), ("firm_size_category", firm), ("arr_tier", firm)):
        parts = rows.filter(pl.col("segment").cast(pl.String) == segment)
        assert {name: parts[name].sum() for name in COUNTS} == {
            name: total[name] for name in COUNTS
        }

    earlier = [on(day - 28)]
    at_that_time = growth(segments(activity, earlier, users=users, firms=firms), earlier)
    assert [row["active"] for row in at_that_time] == [row["previous_active"] for row in wholes]


@few_examples
@given(activity=histories, days=ranges)
def test_a_curve_is_that_of_every_user_looked_at_on_every_day(
    activity: Rows, days: list[date]
) -> None:
    expected = {}
    for day in days:
        for length in (7, 28):
            window = {day - timedelta(days=back) for back in range(length)}
            active_days = [len(dates & window) for dates in dates_by("user_id", activity).values()]
            users = sum(count > 0 for count in active_days)
            for count in range(1, length + 1):
                exactly = active_days.count(count)
                expected[day, length, count] = (
                    exactly,
                    pytest.approx(100 * exactly / users) if users else None,
                )
    assert points(activity, days) == expected


@settings(max_examples=6, deadline=None)
@given(
    activity=histories,
    drawn_roles=roles,
    drawn_contracts=contracts,
    start=st.integers(0, SPAN),
    cuts=st.lists(st.integers(1, 32), min_size=1, max_size=2, unique=True).map(sorted),
)
def test_days_in_any_blocks_are_the_same_as_all_at_once(
    activity: Rows, drawn_roles: Rows, drawn_contracts: Rows, start: int, cuts: list[int]
) -> None:
    """Of 33 days at once the first 28 are handed on together, and then the rest."""
    days = [on(start + offset) for offset in range(33)]
    bounds = [0, *cuts, len(days)]
    blocks = [days[first:last] for first, last in pairwise(bounds)]
    users, firms = as_users(drawn_roles), as_firms(drawn_contracts)
    parts = [segments(activity, block, users=users, firms=firms) for block in blocks]
    at_once = segments(activity, days, users=users, firms=firms)

    assert at_once.equals(pl.concat(parts))
    by_block = zip(parts, blocks, strict=True)
    assert growth(at_once, days) == [row for part, block in by_block for row in growth(part, block)]
    in_blocks: dict[tuple[date, int, int], Any] = {}
    for block in blocks:
        in_blocks |= points(activity, block)
    assert points(activity, days) == in_blocks
