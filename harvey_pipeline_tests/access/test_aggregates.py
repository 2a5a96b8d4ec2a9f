"""What the aggregates show of few people, by hand."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.access.aggregates import anonymise
from harvey_pipeline.access.anonymity import Cell, Split
from harvey_pipeline.access.roles import DASHBOARD, LICENSES, READOUT, ROI, STABILITY
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline_tests.access.working_out import is_told

Row = dict[str, Any]

MONDAY, WEEKS_BEFORE, YEAR_BEFORE = date(2024, 6, 24), date(2024, 5, 27), date(2023, 6, 26)


def frame(table: str, *rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=TABLES[table].polars_schema)


def board(**values: Any) -> Row:
    """43 users: nothing of them is a count of few."""
    return {
        **{"date": MONDAY, "tenant_id": "t", "users": 43, "active_users": 33},
        **{"power_users": 13, "regular_users": 10, "casual_users": 20},
        **{"power_percent": 30.2, "regular_percent": 23.3, "casual_percent": 46.5},
        **{"dormant_users": 12, "sign_in_only_users": 0, "new_users": 5},
        **{"churn_high": 6, "churn_medium": 7, "churn_low": 12, "churn_very_low": 8},
        **{"churn_suppressed": 6, "changed_users": 8, "changed_percent": 100 * 8 / 38},
        **{"moved_up_28d": 6, "moved_down_28d": 12, "power_to_casual_28d": 5},
        **{"casual_percent_change_28d": 1.5, "needs_review_users": 5, "mean_confidence": 0.7},
        **{"mean_score": 0.4, "mean_score_change_28d_percent": 2.0},
        **{"mean_score_change_364d_percent": 3.0, "is_held_back": False},
        **{"reclaimable_usd_year": 700.0, "total_usd_year": 9000.0, "net_usd_year": 8000.0},
    } | values


def returns(**values: Any) -> Row:
    return {
        **{"date": MONDAY, "tenant_id": "t", "power_users": 13, "power_hours_month": 60.0},
        **{"power_savings_usd_year": 36000.0, "power_cost_usd_year": 500.0},
        **{"reclaimable_usd_year": 700.0, "convertible_users": 10},
        **{"conversion_usd_year": 2000.0, "conversion_cost_usd_year": 250.0},
        **{"total_usd_year": 38700.0, "net_usd_year": 37950.0},
    } | values


def licenses(app: str = "crm", **values: Any) -> Row:
    return {
        **{"date": MONDAY, "tenant_id": "t", "app": app, "tier": "pro", "licenses": 40},
        **{"unused": 7, "underused": 6, "new_licenses": 5, "casual_holders": 12},
        **{"annual_cost_usd": 4000.0, "reclaimable_usd": 700.0, "underused_usd": 600.0},
        **{"casual_usd": 1200.0, "is_measured": True},
    } | values


def blanked(
    table: str,
    boards: tuple[Row, ...] = (),
    roi: tuple[Row, ...] = (),
    rows: tuple[Row, ...] = (),
) -> set[str]:
    """The columns that are null in the first row of a table, and were not."""
    frames = {
        DASHBOARD: frame(DASHBOARD, *(boards or (board(),))),
        ROI: frame(ROI, *(roi or (returns(),))),
        LICENSES: frame(LICENSES, *(rows or (licenses(),))),
    }
    before = frames[table].row(0, named=True)
    after = anonymise(table, frames).row(0, named=True)
    assert {name: after[name] for name in after if after[name] is not None}.items() <= (
        before.items()
    )
    return {name for name, value in before.items() if value is not None and after[name] is None}


CHANGED = {"changed_percent"}
TOTALS = {"total_usd_year", "net_usd_year"}


def test_nothing_is_hidden_of_many() -> None:
    for table in (DASHBOARD, ROI, LICENSES):
        assert blanked(table) == set()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"new_users": 4}, {"new_users"}),
        ({"new_users": 0}, set()),
        # 43 - 40 = 3 users are not dormant.
        ({"dormant_users": 40}, {"dormant_users"}),
        ({"churn_suppressed": 9}, {"churn_suppressed"}),
        ({"moved_down_28d": 8, "power_to_casual_28d": 5}, {"power_to_casual_28d"}),
        # The next smallest of the four risks is the high one, 6.
        (
            {"churn_very_low": 4, "churn_medium": 11},
            {"churn_very_low", "churn_high"},
        ),
        ({"changed_users": 3, "changed_percent": 7.5}, {"changed_users", "changed_percent"}),
        # 8 changed are 20 % of 40, so that 3 of 43 had no segment before.
        ({"changed_percent": 20.0}, {"changed_percent"}),
        ({"changed_users": 0, "changed_percent": 0.0}, set()),
    ],
)
def test_counts_of_the_dashboard(values: Row, expected: set[str]) -> None:
    assert blanked(DASHBOARD, (board(**values),)) == expected


FEW_CASUALS = {"power_users": 29, "regular_users": 10, "casual_users": 4}


def test_a_small_segment_takes_the_next_smallest_with_it_and_its_figures() -> None:
    # None of the 4 casual users is convertible.
    roi = returns(power_users=29, convertible_users=0, conversion_usd_year=0.0)
    assert blanked(DASHBOARD, (board(**FEW_CASUALS),), (roi,)) == {
        *("casual_users", "casual_percent", "casual_percent_change_28d"),
        *("regular_users", "regular_percent"),
    }
    assert blanked(ROI, (board(**FEW_CASUALS),), (roi,)) == set()


def test_the_return_does_not_tell_what_the_dashboard_hides() -> None:
    """13 power users are the next smallest to 3 regular ones; both tables hide them."""
    boards = (board(power_users=13, regular_users=3, casual_users=27),)
    of_power = {"power_users"}
    assert blanked(DASHBOARD, boards) == {
        *of_power,
        *("power_percent", "regular_users", "regular_percent"),
        *TOTALS,
    }
    assert blanked(ROI, boards) == {
        *of_power,
        *("power_hours_month", "power_savings_usd_year", "power_cost_usd_year"),
        *TOTALS,
    }


def test_a_change_does_not_tell_what_was_hidden_before() -> None:
    """The casual share of now less its change is that of four weeks before."""
    before = board(date=WEEKS_BEFORE, **FEW_CASUALS)
    assert blanked(DASHBOARD, (board(), before)) == {"casual_percent_change_28d"}
    few = {"active_users": 4, "churn_high": 1, "churn_medium": 1, "churn_low": 1}
    before = board(date=WEEKS_BEFORE, **few, churn_very_low=1, churn_suppressed=0)
    assert blanked(DASHBOARD, (board(), before)) == {"mean_score_change_28d_percent"}
    before |= {"date": YEAR_BEFORE}
    assert blanked(DASHBOARD, (board(), before)) == {"mean_score_change_364d_percent"}


def test_means_of_few_are_hidden() -> None:
    few = {"active_users": 4, "churn_high": 4, "churn_medium": 0, "churn_low": 0}
    hidden = blanked(DASHBOARD, (board(**few, churn_very_low=0, churn_suppressed=0),))
    assert {"active_users", "mean_score", "churn_high"} <= hidden
    assert "mean_confidence" not in hidden
    everybody = {
        name: 0 for name, value in board().items() if isinstance(value, int) and value is not False
    }
    everybody |= {"users": 4, "casual_users": 4}
    hidden = blanked(DASHBOARD, (board(**everybody),), (returns(power_users=0),))
    assert {"users", "casual_users", "mean_confidence", "power_percent"} <= hidden
    assert "power_users" not in hidden


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"unused": 4}, {"unused", "reclaimable_usd"}),
        ({"underused": 1}, {"underused", "underused_usd"}),
        ({"new_licenses": 2}, {"new_licenses"}),
        ({"casual_holders": 3}, {"casual_holders", "casual_usd"}),
        # 40 - 38 = 2 are held by others.
        ({"casual_holders": 38}, {"casual_holders", "casual_usd"}),
        # 40 - 28 - 6 - 5 = 1 is used: the next smallest is hidden with it.
        ({"unused": 28}, {"new_licenses"}),
        ({"unused": None, "underused": None, "reclaimable_usd": None}, set()),
        (
            {"licenses": 4, "unused": 0, "underused": 0, "new_licenses": 4, "casual_holders": 0},
            {"licenses", "annual_cost_usd", "new_licenses"},
        ),
    ],
)
def test_licences(values: Row, expected: set[str]) -> None:
    assert blanked(LICENSES, rows=(licenses(**values),)) == expected


def test_the_sum_of_idle_licences_does_not_tell_the_one_that_is_hidden() -> None:
    """Of three apps one has 2 unused licences; the return's sum less the others would be theirs."""
    rows = (licenses("mail", unused=9), licenses("crm", unused=2), licenses("docs", unused=20))
    assert blanked(LICENSES, rows=rows) == {"unused", "reclaimable_usd"}
    crm, docs = (rows[1], rows[0], rows[2]), (rows[2], rows[0], rows[1])
    assert blanked(LICENSES, rows=crm) == {"unused", "reclaimable_usd"}
    assert blanked(LICENSES, rows=docs) == set()
    assert blanked(ROI, rows=rows) == set()


def test_idle_licences_of_few_are_hidden_wherever_they_are_summed() -> None:
    rows = (licenses(unused=2), licenses("docs", unused=0))
    assert blanked(ROI, rows=rows) == {"reclaimable_usd_year", *TOTALS}
    assert blanked(DASHBOARD, rows=rows) == {"reclaimable_usd_year", *TOTALS}


# --- nothing can be worked out -------------------------------------------------------------------

_SMALL = st.integers(0, 12)
_APPS = ("crm", "docs", "mail")
_LICENSE_COUNTS = ("licenses", "unused", "underused", "new_licenses", "casual_holders")


@st.composite
def weeks(draw: st.DrawFn) -> tuple[Row, Row, tuple[Row, ...]]:
    """A dashboard, a return and licences of 100 USD each that fit together."""
    risks = {name: draw(_SMALL) for name in ("high", "medium", "low", "very_low")}
    active = sum(risks.values())
    power, regular = draw(_SMALL), draw(_SMALL)
    users = max(power + regular, active) + draw(_SMALL)
    casual = users - power - regular
    up = draw(st.integers(0, users))
    down = draw(st.integers(0, users - up))
    convertible = draw(st.integers(0, casual))
    apps = []
    for app in _APPS:
        counts = {name: draw(_SMALL) for name in ("unused", "underused", "new_licenses")}
        size = sum(counts.values()) + draw(_SMALL)
        holders = draw(st.integers(0, size))
        costs = {
            **{"annual_cost_usd": 100.0 * size, "reclaimable_usd": 100.0 * counts["unused"]},
            **{"underused_usd": 100.0 * counts["underused"], "casual_usd": 100.0 * holders},
        }
        apps.append(licenses(app, licenses=size, casual_holders=holders, **counts, **costs))
    idle = sum(one["reclaimable_usd"] for one in apps)
    gains = 3600.0 * power + idle + 200.0 * convertible
    worth = {
        **{"reclaimable_usd_year": idle, "total_usd_year": gains},
        **{"net_usd_year": gains - 40.0 * power - 25.0 * convertible},
    }
    shares = {"power": power, "regular": regular, "casual": casual}
    one_board = board(
        **{"users": users, "active_users": active, **worth},
        **{f"{name}_users": count for name, count in shares.items()},
        **{f"{name}_percent": 100 * count / max(users, 1) for name, count in shares.items()},
        **{f"churn_{name}": count for name, count in risks.items()},
        churn_suppressed=draw(st.integers(0, risks["low"])),
        dormant_users=draw(st.integers(0, users)),
        new_users=draw(st.integers(0, users)),
        needs_review_users=draw(st.integers(0, users)),
        **{"changed_users": 0, "changed_percent": 0.0, "moved_up_28d": up},
        **{"moved_down_28d": down, "power_to_casual_28d": draw(st.integers(0, down))},
    )
    one_return = returns(
        **{"power_users": power, "power_hours_month": 6.0 * power, **worth},
        **{"power_savings_usd_year": 3600.0 * power, "power_cost_usd_year": 40.0 * power},
        **{"convertible_users": convertible, "conversion_usd_year": 200.0 * convertible},
        conversion_cost_usd_year=25.0 * convertible,
    )
    return one_board, one_return, tuple(apps)


def equations(known: Mapping[Cell, int]) -> list[Split]:
    """What adds up to what, with those who stand in no part."""
    sums: list[tuple[Cell, tuple[Cell, ...]]] = [
        ("users", ("power_users", "regular_users", "casual_users")),
        ("active_users", ("churn_high", "churn_medium", "churn_low", "churn_very_low")),
        ("churn_low", ("churn_suppressed",)),
        ("moved_down_28d", ("power_to_casual_28d",)),
        ("casual_users", ("convertible_users",)),
        ("users", ("moved_up_28d", "moved_down_28d")),
        *(
            ("users", (part,))
            for part in ("active_users", "dormant_users", "new_users", "needs_review_users")
        ),
        ("idle", tuple((app, "unused") for app in _APPS)),
        ("worth", ("power_users", "idle", "convertible_users")),
    ]
    for app in _APPS:
        sums.append(((app, "licenses"), ((app, "casual_holders"),)))
        parts = ("unused", "underused", "new_licenses")
        sums.append(((app, "licenses"), tuple((app, part) for part in parts)))
    return [
        Split(whole, parts, known[whole] - sum(known[part] for part in parts))
        for whole, parts in sums
    ]


@settings(max_examples=60, deadline=None)
@given(weeks())
def test_no_few_people_can_be_worked_out_of_all_tables_together(
    week: tuple[Row, Row, tuple[Row, ...]],
) -> None:
    """Whoever had all three tables could not work out a count of 1 to 4."""
    one_board, one_return, apps = week
    frames = {
        DASHBOARD: frame(DASHBOARD, one_board),
        ROI: frame(ROI, one_return),
        LICENSES: frame(LICENSES, *apps),
    }
    shown_board, shown_return = (
        anonymise(name, frames).row(0, named=True) for name in (DASHBOARD, ROI)
    )
    shown_apps = anonymise(LICENSES, frames).rows(named=True)
    counts = [name for name, value in one_board.items() if type(value) is int]
    known: dict[Cell, int] = {name: one_board[name] for name in counts}
    seen: set[Cell] = {name for name in counts if shown_board[name] is not None}
    for segment in ("power", "regular", "casual"):
        if shown_board[f"{segment}_percent"] is not None:
            seen.add(f"{segment}_users")
    known["convertible_users"] = one_return["convertible_users"]
    # A sum of USD tells how many people it is of.
    for cell, names in {
        "power_users": ("power_users", "power_hours_month", "power_savings_usd_year"),
        "convertible_users": ("convertible_users", "conversion_usd_year"),
        "idle": ("reclaimable_usd_year",),
        "worth": ("total_usd_year", "net_usd_year"),
    }.items():
        if any(shown_return[name] is not None for name in names):
            seen.add(cell)
    for name in ("reclaimable_usd_year", "total_usd_year", "net_usd_year"):
        assert shown_board[name] == shown_return[name]
    for before, after in zip(apps, shown_apps, strict=True):
        for name in _LICENSE_COUNTS:
            known[before["app"], name] = before[name]
            if after[name] is not None:
                seen.add((before["app"], name))
        for name, cost in (("unused", "reclaimable_usd"), ("licenses", "annual_cost_usd")):
            assert (after[cost] is None) == (after[name] is None)
    known["idle"] = sum(one["unused"] for one in apps)
    known["worth"] = sum(known[one] for one in ("power_users", "idle", "convertible_users"))
    unknown = known.keys() - seen
    few = {cell for cell, count in known.items() if 0 < count < 5}
    assert few - {"worth"} <= unknown
    for one in few & unknown:
        assert not is_told(one, unknown, equations(known)), one


# --- stability -----------------------------------------------------------------------------------


def cohort(segment: str, size: int, **values: Any) -> Row:
    return {
        **{"activity_month": date(2024, 5, 1), "tenant_id": "t", "segment": segment},
        **{"months_after": 1, "cohort_size": size, "is_met": True},
        **{"same_segment": size // 2, "in_top_quartile": 0, "inactive": 0},
        **{"same_segment_rate": 50.0, "top_quartile_rate": 0.0, "inactive_rate": 0.0},
    } | values


def stability(*rows: Row) -> Mapping[str, Row]:
    shown = anonymise(STABILITY, {STABILITY: frame(STABILITY, *rows)})
    return {row["segment"]: row for row in shown.iter_rows(named=True)}


RATES = ("same_segment_rate", "top_quartile_rate", "inactive_rate")


def test_cohorts_are_hidden_as_the_dashboard_hides_segments() -> None:
    rows = stability(cohort("casual", 4), cohort("regular", 12), cohort("power", 20))
    assert rows["power"] == {**rows["power"], **cohort("power", 20)}
    for segment in ("casual", "regular"):
        assert rows[segment]["cohort_size"] is None
        # Count and rate together would tell the size.
        assert [rows[segment][name] for name in (*RATES, "is_met")] == [None] * 4
    assert rows["casual"]["same_segment"] is None
    assert rows["regular"]["same_segment"] == 6
    assert rows["casual"]["inactive"] == 0


def test_outcomes_of_few_are_hidden_with_their_rates() -> None:
    row = stability(cohort("power", 20, inactive=18, in_top_quartile=3))["power"]
    assert row["cohort_size"] == 20
    assert row["same_segment"] == 10
    assert row["same_segment_rate"] == 50.0
    # 20 - 18 = 2 were active.
    for name in ("inactive", "inactive_rate", "in_top_quartile", "top_quartile_rate", "is_met"):
        assert row[name] is None, name


def test_a_month_that_is_not_run_stays_unknown() -> None:
    unknown = dict.fromkeys((*RATES, "same_segment", "in_top_quartile", "inactive", "is_met"))
    row = stability(cohort("power", 20, **unknown))["power"]
    assert row == cohort("power", 20, **unknown)


# --- experiments ---------------------------------------------------------------------------------


def readout(segment: str, metric: str = "hours_saved", **values: Any) -> Row:
    return {
        **{"activity_month": date(2024, 4, 1), "kind": "training", "segment": segment},
        **{"metric": metric, "contaminated_users": 0, "treatment_n": 40, "control_n": 40},
        **{"treatment_value": 6.0, "control_value": 4.0, "difference": 2.0},
        **{"relative_percent": 50.0, "ci_low": 1.0, "ci_high": 3.0, "p_value": 0.01},
        **{"target": 5.0, "is_met": True, "is_reliable": True},
    } | values


def hidden_of_readout(*rows: Row) -> dict[tuple[str, str], set[str]]:
    """What is null of each kind and segment, and was not."""
    shown = anonymise(READOUT, {READOUT: frame(READOUT, *rows)})
    return {
        (before["kind"], before["segment"]): {
            name for name, value in before.items() if value is not None and after[name] is None
        }
        for before, after in zip(rows, shown.iter_rows(named=True), strict=True)
    }


COMPARED = {"difference", "relative_percent", "ci_low", "ci_high", "p_value", "is_met"}
TREATED = {"treatment_n", "treatment_value", *COMPARED}


def test_a_group_of_few_is_hidden_with_all_that_is_compared_and_the_next_smallest() -> None:
    hidden = hidden_of_readout(
        readout("casual", treatment_n=3),
        readout("regular", treatment_n=15),
        readout("power", treatment_n=22),
        readout("all"),
    )
    assert hidden == {
        ("training", "casual"): TREATED,
        ("training", "regular"): TREATED,
        ("training", "power"): set(),
        ("training", "all"): set(),
    }


def test_kinds_are_not_told_by_all_of_them() -> None:
    hidden = hidden_of_readout(
        readout("all", treatment_n=3),
        readout("all", kind="coaching", treatment_n=30),
        readout("all", kind="all", treatment_n=33),
    )
    assert hidden["training", "all"] == TREATED
    assert hidden["coaching", "all"] == TREATED
    assert hidden["all", "all"] == set()


def test_a_share_of_few_is_hidden() -> None:
    """0.05 of 40 are 2 people, and 0.95 of 40 all but 2."""
    values = {"treatment_value": 0.05, "control_value": 0.5}
    hidden = hidden_of_readout(readout("casual", "conversion", **values))
    assert hidden["training", "casual"] == {"treatment_value", *COMPARED}
    values = {"treatment_value": 0.5, "control_value": 0.95}
    hidden = hidden_of_readout(readout("casual", "conversion", **values))
    assert hidden["training", "casual"] == {"control_value", *COMPARED}
    values = {"treatment_value": 0.5, "control_value": 0.0}
    assert hidden_of_readout(readout("casual", "license_use", **values)) == {
        ("training", "casual"): set()
    }


def test_contaminated_users_are_a_count_too() -> None:
    hidden = hidden_of_readout(readout("casual", contaminated_users=2), readout("all"))
    assert hidden["training", "casual"] == {"contaminated_users"}
