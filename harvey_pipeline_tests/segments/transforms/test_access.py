"""The use of apps: what is an access, how long it takes, and which events count."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.landing.sums import SumsOfRows
from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.segments.transforms.access import SSO_SUMS, active_seconds, sum_access
from harvey_pipeline_tests.landing.division import assert_merges
from harvey_pipeline_tests.segments.signins import DAY, Row, at, queries, sign_in, signed_in

ACTIVITY = TABLES["core.user_daily_activity"]
NEXT = DAY + timedelta(days=1)


def access(
    sso: Sequence[Row] = (), activity: Sequence[Row] = (), days: Sequence[date] = (DAY,)
) -> pl.DataFrame:
    """The table of some days, ordered by its key."""
    used = pl.LazyFrame(activity, schema=ACTIVITY.polars_schema)
    pieces = [piece.collect() for piece in sum_access(used, summed(*sso), days)]
    found = pl.concat(pieces)
    assert dict(found.schema) == USER_DAILY_ACCESS.polars_schema
    USER_DAILY_ACCESS.schema.validate(found)
    return found.sort(USER_DAILY_ACCESS.key)


def summed(*sso: Row) -> SumsOfRows:
    return SumsOfRows(SSO_SUMS, signed_in(*sso))


def values(found: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return found.select(columns).rows()


# --- active time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accesses", "span", "expected"),
    [
        pytest.param(0, None, 0, id="none"),
        pytest.param(1, 0, 120, id="one"),
        pytest.param(2, 0, 240, id="two at once"),
        pytest.param(2, 240, 240, id="as far apart as two count"),
        pytest.param(2, 241, 241, id="just farther"),
        pytest.param(2, 900, 900, id="a longest gap"),
        pytest.param(2, 901, 900, id="more than a longest gap"),
        pytest.param(3, 1801, 1800, id="more than two longest gaps"),
        pytest.param(800, 86_399, 96_000, id="more than the day has"),
    ],
)
def test_active_time_of_accesses(accesses: int, span: int | None, expected: int) -> None:
    moments = pl.DataFrame(
        {"n": [accesses], "first": [at(0)], "last": [None if span is None else at(span)]},
        schema={"n": pl.Int64, "first": pl.Datetime("us"), "last": pl.Datetime("us")},
    )
    seconds = active_seconds(pl.col("n"), pl.col("first"), pl.col("last"))
    assert moments.select(seconds).item() == expected


def test_parts_of_a_second_are_cut() -> None:
    # 300.9 s from first to last are 300 whole ones, more than 2 x 120.
    found = access([sign_in(0.5), sign_in(301.4)])
    assert values(found, "accesses", "active_seconds") == [(2, 300)]


# --- the product ---------------------------------------------------------------------------------


def test_the_seconds_of_a_day_are_split_over_the_apps_in_their_order() -> None:
    # 7 queries within 1,000 s count max(840, min(1000, 5400)) = 1,000 s: floor(1000 x 2 / 7) = 285,
    # floor(1000 x 5 / 7) - 285 = 714 - 285 = 429, 1000 - 714 = 286.
    found = access(activity=[queries(2, 3, 2, seconds=1000)])
    assert values(found, "tenant_id", "user_id", "app", "accesses", "active_seconds") == [
        ("f1", "u1", "assistant", 2, 285),
        ("f1", "u1", "vault", 3, 429),
        ("f1", "u1", "workflow", 2, 286),
    ]
    assert (
        values(found, "auth_successes", "auth_failures", "devices", "locations")
        == [(0, 0, [], [])] * 3
    )


def test_an_app_without_a_query_has_no_row() -> None:
    found = access(activity=[queries(0, 1, 0), queries(1, 0, 2, user="u2", seconds=60)])
    # 3 queries within 60 s count 360 s: floor(360 / 3) = 120, and 240.
    assert values(found, "user_id", "app", "accesses", "active_seconds") == [
        ("u1", "vault", 1, 120),
        ("u2", "assistant", 1, 120),
        ("u2", "workflow", 2, 240),
    ]


def test_a_user_of_two_firms_has_a_row_for_each() -> None:
    found = access(activity=[queries(1), queries(2, firm="f2", seconds=500)])
    assert values(found, "tenant_id", "accesses", "active_seconds") == [
        ("f1", 1, 120),
        ("f2", 2, 500),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any),
    st.integers(0, 80_000),
)
def test_the_shares_add_up_and_none_is_off_by_a_second(counts: list[int], span: int) -> None:
    total = sum(counts)
    seconds = max(120 * total, min(span, 900 * (total - 1)))
    found = access(activity=[queries(*counts, seconds=span)])
    assert found["active_seconds"].sum() == seconds
    exact = [seconds * count / total for count in counts if count]
    for share, of_app in zip(found["active_seconds"], exact, strict=True):
        assert abs(share - of_app) < 1


# --- single sign-on ------------------------------------------------------------------------------


def test_each_successful_event_with_an_app_is_an_access_of_it() -> None:
    found = access([sign_in(0), sign_in(60), sign_in(90, "chat"), sign_in(0, "chat", "u2")])
    assert values(found, "user_id", "app", "accesses", "active_seconds", "auth_successes") == [
        ("u1", "chat", 1, 120, 1),
        ("u1", "mail", 2, 240, 2),
        ("u2", "chat", 1, 120, 1),
    ]


@pytest.mark.parametrize("target", [None, "assistant", "vault", "workflow", "sign_in"])
def test_a_sign_in_is_no_access(target: str | None) -> None:
    found = access([sign_in(0, target, minutes=10), sign_in(9, target, is_success=False)])
    columns = ("app", "accesses", "active_seconds", "auth_successes", "auth_failures")
    assert values(found, *columns) == [("sign_in", 0, 0, 1, 1)]


def test_a_failed_event_with_an_app_is_on_the_app_and_no_access() -> None:
    found = access([sign_in(0, minutes=45, is_success=False, device="Phone")])
    columns = ("app", "accesses", "active_seconds", "auth_successes", "auth_failures", "devices")
    assert values(found, *columns) == [("mail", 0, 0, 0, 1, ["Phone"])]


def test_timed_sessions_count_as_long_as_they_were_and_the_others_by_the_rule() -> None:
    # Timed: 60 x (30 + 0) = 1,800 s. Untimed: two, 700 s apart, count 700 s; neither the timed
    # ones nor the failed one at the end belong to their span.
    found = access(
        [
            sign_in(0, minutes=30),
            sign_in(100),
            sign_in(800),
            sign_in(5000, minutes=0),
            sign_in(9000, is_success=False),
        ]
    )
    assert values(found, "accesses", "active_seconds") == [(4, 2500)]


def test_a_timed_session_of_no_minutes_takes_no_time() -> None:
    assert values(access([sign_in(0, minutes=0)]), "accesses", "active_seconds") == [(1, 0)]


def test_devices_and_locations_are_distinct_ordered_and_of_every_event() -> None:
    found = access(
        [
            sign_in(0, device="b", location="Rome"),
            sign_in(1, device="a", is_success=False),
            sign_in(2, device="b", location="Oslo"),
            sign_in(3, device="B"),
            sign_in(4, device="é"),
            sign_in(5),
        ]
    )
    assert values(found, "devices", "locations") == [(["B", "a", "b", "é"], ["Oslo", "Rome"])]


@pytest.mark.parametrize("count", [19, 20, 21])
def test_the_first_twenty_devices_are_kept(count: int) -> None:
    names = [f"d{number:02}" for number in range(count)]
    found = access([sign_in(place, device=name) for place, name in enumerate(reversed(names))])
    assert values(found, "devices", "locations") == [(names[:20], [])]


def test_tenants_of_one_user_are_apart() -> None:
    found = access([sign_in(0), sign_in(1, tenant="f2"), sign_in(2, tenant="f2")])
    assert values(found, "tenant_id", "accesses") == [("f1", 1), ("f2", 2)]


# --- which events, of which days -----------------------------------------------------------------


def test_an_event_counts_on_its_own_day_whichever_drop_has_it() -> None:
    rows = [sign_in(0), sign_in(50, day=DAY, drop=NEXT), sign_in(0, day=NEXT)]
    assert values(access(rows), "date", "accesses") == [(DAY, 2)]
    assert values(access(rows, days=[DAY, NEXT]), "date", "accesses") == [(DAY, 2), (NEXT, 1)]


def test_of_an_event_in_two_drops_the_earlier_counts() -> None:
    first = sign_in(0, event="e1", is_success=False)
    again = sign_in(70, event="e1", drop=NEXT)
    found = access([first, again, sign_in(80, event="e2", drop=NEXT)])
    assert values(found, "accesses", "auth_successes", "auth_failures") == [(1, 1, 1)]


def test_the_same_id_on_another_day_is_another_event() -> None:
    rows = [sign_in(0, event="e1"), sign_in(0, event="e1", day=NEXT)]
    assert values(access(rows, days=[DAY, NEXT]), "date", "accesses") == [(DAY, 1), (NEXT, 1)]


def test_a_drop_that_comes_too_late_is_not_read() -> None:
    late = sign_in(0, drop=DAY + timedelta(days=2))
    assert access([late]).is_empty()


def test_days_without_events_have_no_rows() -> None:
    assert access(days=[DAY, NEXT]).is_empty()
    assert access([sign_in(0)], [queries(1)], days=[NEXT]).is_empty()
    assert list(sum_access(ACTIVITY.empty(), summed(), [])) == []


def test_any_cut_of_the_days_gives_the_same_rows() -> None:
    days = [DAY + timedelta(days=offset) for offset in range(9)]
    sso = [
        sign_in(60 * hour, "mail", f"u{hour % 3}", day=day, drop=min(day + late, days[-1]))
        for day in days
        for hour in range(4)
        for late in (timedelta(days=hour % 2),)
    ]
    activity = [queries(1, 2, 3, day=day, seconds=day.day) for day in days]
    whole = access(sso, activity, days)
    one_by_one = pl.concat(access(sso, activity, [day]) for day in days)
    assert whole.height == 9 * (3 + 3)
    assert whole.equals(one_by_one)
    # Rows come in the order of their days.
    used = pl.LazyFrame(activity, schema=ACTIVITY.polars_schema)
    found = pl.concat(piece.collect() for piece in sum_access(used, summed(*sso), days))
    assert found["date"].is_sorted()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            sign_in,
            st.integers(0, 86_399),
            st.sampled_from([None, "mail", "vault", "files"]),
            st.sampled_from(["u1", "u2"]),
            day=st.sampled_from([DAY, NEXT]),
            minutes=st.one_of(st.none(), st.integers(0, 1440)),
            is_success=st.booleans(),
            device=st.one_of(st.none(), st.integers(0, 30).map(str)),
            location=st.one_of(st.none(), st.sampled_from(["Rome", "Oslo", "oslo"])),
        ),
        max_size=40,
    ),
    st.data(),
)
def test_sums_of_parts_merge_to_those_of_all(rows: list[Row], draw: st.DataObject) -> None:
    """Of more devices than are kept the same ones are kept."""
    key = ["date", "tenant_id", "user_id", "app"]
    assert_merges(SSO_SUMS, key, signed_in(*rows).collect(), draw)
