"""Licences and seats: which lie idle, which are hardly used, and what that costs."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.segments.tables.outcomes import LICENSE_OPPORTUNITIES
from harvey_pipeline.segments.transforms.licenses import find_license_opportunities
from harvey_pipeline_tests.segments.outcome_rows import (
    MONDAY,
    Row,
    accesses,
    before,
    firms,
    licenses,
    rows_of,
    segments,
    used,
)


def found(
    held: pl.LazyFrame | None = None,
    accessed: pl.LazyFrame | None = None,
    users: pl.LazyFrame | None = None,
    seats: pl.LazyFrame | None = None,
    days: Any = (MONDAY,),
) -> list[Row]:
    tables = (
        licenses() if held is None else held,
        firms() if seats is None else seats,
        accesses() if accessed is None else accessed,
        segments() if users is None else users,
    )
    return rows_of(find_license_opportunities(*tables, days), LICENSE_OPPORTUNITIES)


def the_one(*tables: pl.LazyFrame | None, **named: Any) -> Row:
    [row] = found(*tables, **named)
    return row


SOMEBODY = {"user_id": "other", "tenant_id": "elsewhere"}
"""Whose access shows that an app is measured."""


@pytest.mark.parametrize(
    ("days", "unused", "underused"),
    [
        ([], 1, 0),
        ([5], 0, 1),
        ([5, 40], 0, 1),
        ([5, 40, 70], 0, 0),
        ([0, 89], 0, 1),
        ([90, 91, -1], 1, 0),
        ([0, 89, 90], 0, 1),
        ([0, 1, 89], 0, 0),
    ],
)
def test_days_of_use_in_90(days: list[int], unused: int, underused: int) -> None:
    """Day 0 is the Monday itself, 89 days before it the first of the window."""
    row = the_one(licenses({}), accesses(SOMEBODY, *used(days)), segments({}))
    assert (row["unused"], row["underused"]) == (unused, underused)
    assert (row["reclaimable_usd"], row["underused_usd"]) == (unused * 100.0, underused * 100.0)
    assert row["is_measured"]


def test_a_row_of_a_licence_in_full() -> None:
    users = segments(
        {"user_id": "idle", "segment": "casual"},
        {"user_id": "rare", "segment": "casual"},
        {"user_id": "keen", "segment": "power"},
        {"user_id": "new", "segment": "casual"},
    )
    held = licenses(
        {"user_id": "idle", "annual_cost_usd": 100.1},
        {"user_id": "rare", "annual_cost_usd": 100.2},
        {"user_id": "keen", "annual_cost_usd": 100.4},
        {"user_id": "new", "annual_cost_usd": 100.8, "effective_start_date": before(10)},
    )
    accessed = accesses(*used([3], user_id="rare"), *used([1, 2, 3], user_id="keen"))
    assert found(held, accessed, users) == [
        {
            "date": MONDAY,
            "tenant_id": "t",
            "app": "crm",
            "tier": "standard",
            "licenses": 4,
            "unused": 1,
            "underused": 1,
            "new_licenses": 1,
            "casual_holders": 2,
            "annual_cost_usd": 401.5,
            "reclaimable_usd": 100.1,
            "underused_usd": 100.2,
            "casual_usd": 200.3,
            "is_measured": True,
        }
    ]


@pytest.mark.parametrize(("began", "is_new"), [(91, False), (90, False), (89, True), (0, True)])
def test_a_licence_is_new_if_it_began_after_90_days_before(began: int, is_new: bool) -> None:
    held = licenses({"effective_start_date": before(began)})
    row = the_one(held, accesses(SOMEBODY), segments({"segment": "casual"}))
    assert row["new_licenses"] == int(is_new)
    assert row["unused"] == int(not is_new)
    assert row["casual_holders"] == int(not is_new)


def test_a_new_version_is_no_new_licence_and_has_its_own_tier_and_cost() -> None:
    held = licenses(
        {"effective_end_date": before(11)},
        {"effective_start_date": before(10), "tier": "gold", "annual_cost_usd": 300.0},
    )
    row = the_one(held, accesses(SOMEBODY), segments({}))
    assert (row["tier"], row["annual_cost_usd"], row["new_licenses"]) == ("gold", 300.0, 0)


@pytest.mark.parametrize(
    ("starts", "ends", "is_there"),
    [(0, -5, True), (-1, -5, False), (300, 0, True), (300, 1, False)],
)
def test_licences_valid_on_the_day_count(starts: int, ends: int, is_there: bool) -> None:
    held = licenses({"effective_start_date": before(starts), "effective_end_date": before(ends)})
    assert len(found(held, users=segments({}))) == int(is_there)


def test_a_day_in_two_tenants_is_one_day_and_any_tenant_counts() -> None:
    accessed = accesses(*used([3, 4], tenant_id="t"), *used([3, 4], tenant_id="other"))
    assert the_one(licenses({}), accessed, segments({}))["underused"] == 1
    accessed = accesses(*used([3, 4], tenant_id="t"), *used([3, 5], tenant_id="other"))
    assert the_one(licenses({}), accessed, segments({}))["underused"] == 0


def test_sign_ins_without_access_and_other_apps_are_no_use() -> None:
    accessed = accesses(SOMEBODY, {"accesses": 0}, {"app": "wiki"})
    assert the_one(licenses({}), accessed, segments({}))["unused"] == 1


@pytest.mark.parametrize(
    "nobody",
    [[], [{"accesses": 0}], used([90]), used([-1]), [{"app": "wiki"}]],
)
def test_an_app_that_nobody_used_is_not_measured_and_no_waste(nobody: list[Row]) -> None:
    row = the_one(licenses({}), accesses(*nobody), segments({"segment": "casual"}))
    assert not row["is_measured"]
    idle = ("unused", "underused", "reclaimable_usd", "underused_usd")
    assert [row[name] for name in idle] == [None] * 4
    assert (row["licenses"], row["casual_holders"], row["casual_usd"]) == (1, 1, 100.0)
    assert row["annual_cost_usd"] == 100.0


def test_the_first_day_of_the_window_measures_an_app() -> None:
    assert the_one(licenses({}), accesses(*used([89])), segments({}))["is_measured"]


def test_holders_without_a_score_are_of_an_unknown_tenant() -> None:
    row = the_one(licenses({"user_id": "stranger"}), accesses(SOMEBODY), segments({}))
    assert (row["tenant_id"], row["unused"], row["casual_holders"]) == ("unknown", 1, 0)


def test_the_tenant_is_that_of_the_day() -> None:
    later = MONDAY + timedelta(days=7)
    users = segments({}, {"date": later, "tenant_id": "t2"})
    rows = found(licenses({}), accesses(SOMEBODY), users, days=[MONDAY, later])
    assert [(row["date"], row["tenant_id"]) for row in rows] == [(MONDAY, "t"), (later, "t2")]


def test_sums_are_of_decimals() -> None:
    """0.1 + 0.2 of doubles is more than 0.3; ten times 0.1 is less than 1."""
    held = licenses(*({"user_id": f"u{one}", "annual_cost_usd": 0.1} for one in range(10)))
    row = the_one(held, accesses(SOMEBODY))
    assert (row["annual_cost_usd"], row["reclaimable_usd"]) == (1.0, 1.0)


def test_an_absurd_cost_fails_nothing() -> None:
    row = the_one(licenses({"annual_cost_usd": 1e300}), accesses(SOMEBODY))
    assert row["annual_cost_usd"] == 1e18


PRODUCT = {"app": "assistant"}


def test_seats_of_a_firm_in_full() -> None:
    """10 seats for 1,000 USD, 100 each; of three users one is keen, and one not of the tenant."""
    users = segments(
        {"user_id": "keen", "segment": "power"},
        {"user_id": "rare", "segment": "casual"},
        {"user_id": "guest", "tenant_id": "home", "segment": "casual"},
        {"user_id": "absent", "segment": "casual"},
    )
    accessed = accesses(
        *used([1, 2, 3], user_id="keen", app="assistant"),
        *used([1], user_id="rare", app="vault"),
        *used([5], user_id="rare", app="workflow"),
        *used([5], user_id="guest", app="workflow"),
        *used([5], user_id="absent", app="crm"),
        *used([5], user_id="absent", app="assistant", accesses=0),
    )
    assert found(accessed=accessed, users=users, seats=firms({})) == [
        {
            "date": MONDAY,
            "tenant_id": "t",
            "app": "product",
            "tier": "seat",
            "licenses": 10,
            "unused": 7,
            "underused": 2,
            "new_licenses": 0,
            "casual_holders": 1,
            "annual_cost_usd": 1000.0,
            "reclaimable_usd": 700.0,
            "underused_usd": 200.0,
            "casual_usd": 100.0,
            "is_measured": True,
        }
    ]


@pytest.mark.parametrize(
    ("by_app", "underused"),
    [
        ({"assistant": [1, 2], "vault": [1, 2]}, 1),
        ({"assistant": [1, 2], "vault": [3]}, 0),
        ({"assistant": [0], "workflow": [89]}, 1),
        ({"assistant": [0], "workflow": [89, 90], "crm": [4]}, 1),
    ],
)
def test_days_of_the_product_are_those_of_its_apps_together(
    by_app: dict[str, list[int]], underused: int
) -> None:
    accessed = accesses(*(row for app, days in by_app.items() for row in used(days, app=app)))
    assert the_one(accessed=accessed, seats=firms({}))["underused"] == underused


def test_use_in_another_firm_is_none_of_these_seats() -> None:
    rows = found(
        accessed=accesses(PRODUCT | {"tenant_id": "t2"}),
        seats=firms({}, {"firm_id": "t2", "firm_size": 1}),
    )
    assert [(row["tenant_id"], row["unused"]) for row in rows] == [("t", 10), ("t2", 0)]


def test_more_users_than_seats_leave_none_unused() -> None:
    accessed = accesses(*(PRODUCT | {"user_id": f"u{one}"} for one in range(3)))
    row = the_one(accessed=accessed, seats=firms({"firm_size": 2, "arr_usd": 100.0}))
    assert (row["licenses"], row["unused"], row["underused"]) == (2, 0, 3)
    assert (row["reclaimable_usd"], row["underused_usd"]) == (0.0, 150.0)


def test_a_firm_without_seats_has_no_cost_of_one() -> None:
    row = the_one(accessed=accesses(PRODUCT), seats=firms({"firm_size": 0}))
    assert (row["licenses"], row["unused"], row["underused"]) == (0, 0, 1)
    costs = ("annual_cost_usd", "reclaimable_usd", "underused_usd", "casual_usd")
    assert [row[name] for name in costs] == [None] * 4


def test_a_third_of_a_dollar_is_rounded_once() -> None:
    """2 of 3 seats of 1 USD: 0.666667, and not twice 0.333333."""
    row = the_one(accessed=accesses(PRODUCT), seats=firms({"firm_size": 3, "arr_usd": 1.0}))
    assert (row["unused"], row["reclaimable_usd"], row["underused_usd"]) == (2, 0.666667, 0.333333)


def test_without_any_access_of_the_product_seats_are_not_measured() -> None:
    row = the_one(accessed=accesses({}), seats=firms({}))
    assert (row["is_measured"], row["unused"], row["reclaimable_usd"]) == (False, None, None)
    assert (row["licenses"], row["annual_cost_usd"], row["casual_usd"]) == (10, 1000.0, 0.0)


def test_an_app_with_the_name_of_the_product_does_not_measure_seats() -> None:
    """Sign-ins to something called `product` are of delivered licences called so."""
    held = licenses({"app": "product"})
    accessed = accesses(*used([1, 2, 3], app="product"))
    rows = found(held, accessed, segments({}), firms({}))
    assert [(row["tier"], row["is_measured"]) for row in rows] == [
        ("seat", False),
        ("standard", True),
    ]
    rows = found(held, accesses(PRODUCT), segments({}), firms({}))
    assert [(row["tier"], row["is_measured"]) for row in rows] == [
        ("seat", True),
        ("standard", False),
    ]


def test_delivered_seats_of_the_product_stand_beside_those_of_the_contract() -> None:
    held = licenses({"app": "product", "tier": "seat"}, {"app": "crm", "tier": "seat"})
    rows = found(held, accesses(PRODUCT), segments({}), firms({}))
    assert [(row["app"], row["tier"], row["licenses"]) for row in rows] == [
        ("crm", "seat", 1),
        ("product", "seat", 10),
        ("product", "seat (delivered)", 1),
    ]


def test_firms_valid_on_the_day_have_seats() -> None:
    seats = firms(
        {"firm_id": "gone", "effective_end_date": before(1)},
        {"firm_id": "last", "effective_end_date": before(0)},
        {"firm_id": "soon", "effective_start_date": before(-1)},
        {"firm_id": "first", "effective_start_date": before(0)},
    )
    assert [row["tenant_id"] for row in found(seats=seats)] == ["first", "last"]


def test_other_days_and_nothing_at_all() -> None:
    days = [MONDAY + timedelta(days=number) for number in range(1, 7)]
    assert found(licenses({}), accesses({}), segments({}), firms({}), days) == []
    assert found() == []


@settings(max_examples=8, deadline=None)
@given(
    days=st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["t", "s"]),
            st.sampled_from(["crm", "vault", "assistant"]),
            st.integers(-80, 100),
        ),
        max_size=25,
        unique=True,
    )
)
def test_many_mondays_at_once_are_what_each_gives_alone(
    days: list[tuple[str, str, str, int]],
) -> None:
    """Nine Mondays, one more than are read together, against each with a count by hand."""
    mondays = [MONDAY + timedelta(days=7 * week) for week in range(9)]
    held = licenses({"user_id": "a"}, {"user_id": "b"})
    accessed = accesses(
        *(
            {"user_id": user, "tenant_id": tenant, "app": app, "date": before(day)}
            for user, tenant, app, day in days
        )
    )
    users = segments(*({"user_id": user, "date": day} for user in "ab" for day in mondays))
    every_day = [MONDAY + timedelta(days=number) for number in range(57)]
    rows = found(held, accessed, users, firms({}), every_day)
    assert rows == [
        row for day in mondays for row in found(held, accessed, users, firms({}), [day])
    ]
    for row in rows:
        back = (row["date"] - MONDAY).days
        of_window = [one for one in days if 0 <= one[3] + back <= 89]
        if row["app"] == "crm":
            used_on = [
                {day for u, _, app, day in of_window if (u, app) == (u_, "crm")} for u_ in "ab"
            ]
            is_measured = any(app == "crm" for _, _, app, _ in of_window)
        else:
            used_on = [
                {
                    day
                    for u, tenant, app, day in of_window
                    if (u, tenant) == (u_, "t") and app != "crm"
                }
                for u_ in "ab"
            ]
            is_measured = any(app != "crm" for _, _, app, _ in of_window)
        users_of = [len(one) for one in used_on if one]
        assert row["is_measured"] == is_measured
        if is_measured:
            assert row["unused"] == row["licenses"] - len(users_of)
            assert row["underused"] == sum(one < 3 for one in users_of)
