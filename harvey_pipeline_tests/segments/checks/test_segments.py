"""Checks of the weekly segments: each fails for its own reason, and for no other."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.blocks import read_blocks
from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.plan import Judging
from harvey_pipeline.checks.report import ERROR, WARN, Report
from harvey_pipeline.segments.checks.segments import CHECKS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.builders import raw_store
from harvey_pipeline_tests.segments.transforms.weeks import (
    FIRST_DAY,
    MONDAY,
    WEEK,
    Row,
    power,
    score,
    segmented,
    tenant,
    weekly,
)

(SEGMENTS_CHECKS,) = CHECKS
BLOCKING = {"power_users_have_accesses", "every_scored_user_has_a_segment"}
MONTH = timedelta(days=28)


TABLES = (ENGAGEMENT_SCORES, TENANT_ENGAGEMENT, USER_SEGMENTS)


class Place:
    """A warehouse with scores, tenants and segments as rows say, and what the checks find in it."""

    def __init__(self, root: Path) -> None:
        self.landing = root / "landing"
        self.raw_store = raw_store(root, str(FIRST_DAY))
        self.warehouse = self.raw_store.warehouse
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, TABLES)
            for table in TABLES:
                # Copied, it takes rows of which only some columns matter.
                connection.execute(f"create table copy as from {table}")
                connection.execute(f"drop table {table}")
                connection.execute(f"create table {table} as from copy")
                connection.execute("drop table copy")

    def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Replace a table's rows; columns that they do not give are null."""
        types = table.polars_schema
        given = [{name: one for name, one in row.items() if name in types} for row in rows]
        frame = pl.DataFrame(given, schema=types)  # noqa: F841  (DuckDB finds it by its name)
        with self.warehouse.connect() as connection:
            connection.execute(f"delete from {table}")
            connection.execute(f"insert into {table} by name from frame")

    def evaluate(self, *days: date) -> dict[str, dg.AssetCheckResult]:
        """The results of the particular checks, for these days or MONDAY alone."""
        report = Report(USER_SEGMENTS, SEGMENTS_CHECKS.checks, days or [MONDAY])
        with self.warehouse.connect() as connection:
            SEGMENTS_CHECKS.judge(
                Judging(connection, self.warehouse, self.raw_store, days or [MONDAY], report)
            )
        return {str(one.check_name): one for one in report.results()}

    def failing(self, *days: date) -> dict[str, dg.AssetCheckResult]:
        return {name: one for name, one in self.evaluate(*days).items() if not one.passed}


@pytest.fixture(scope="module")
def open_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A warehouse that stays open: opening it takes longer than most tests."""
    made = Place(tmp_path_factory.mktemp("place"))
    with made.warehouse.connect():
        yield made


@pytest.fixture
def place(open_place: Place) -> Place:
    """A warehouse without rows, and a landing folder without files."""
    for table in TABLES:
        open_place.write(table, [])
    shutil.rmtree(open_place.landing)
    open_place.landing.mkdir()
    return open_place


def examples(result: dg.AssetCheckResult) -> str:
    return str(result.metadata["examples"].value)


def user(number: int, **changes: Any) -> Row:
    """A user's row of `user_segments` on MONDAY: regular, at low risk, as sure as no other."""
    usual: Row = {
        "date": MONDAY,
        "user_id": f"u{number:03}",
        "tenant_id": "t1",
        "segment": "regular",
        "proposed_segment": "regular",
        "is_held_back": False,
        "churn_risk": "very_low",
        "confidence": 0.3 + number / 50,
    }
    return usual | changes


def write_users(place: Place, rows: Sequence[Row]) -> None:
    """Segments as given, and a score with an access for each."""
    place.write(USER_SEGMENTS, rows)
    place.write(
        ENGAGEMENT_SCORES,
        [score(date=row["date"], user_id=row["user_id"]) for row in rows],
    )


# --- a sound table -------------------------------------------------------------------------------


def test_nothing_is_found_in_a_sound_table(place: Place) -> None:
    days = [MONDAY + timedelta(days=offset) for offset in range(-7, 1)]
    scores = [
        score(user_id=f"u{number}", date=day, engagement_score=0.4 + number / 50)
        for number in range(12)
        for day in days
    ]
    rows = segmented(scores, [tenant()], days=days)
    place.write(ENGAGEMENT_SCORES, scores)
    place.write(TENANT_ENGAGEMENT, [tenant(date=day) for day in days])
    place.write(USER_SEGMENTS, rows)
    assert len(rows) == 24
    assert place.failing(*days) == {}


def test_rows_go_through_the_warehouse_and_come_back(tmp_path: Path) -> None:
    rows = segmented([power(date=MONDAY - WEEK), power()], [tenant()])
    frame = pl.LazyFrame(rows, schema=USER_SEGMENTS.polars_schema)
    warehouse = raw_store(tmp_path).warehouse
    days = DayRange(MONDAY - timedelta(days=1), MONDAY)
    for _ in range(2):
        warehouse.write({USER_SEGMENTS: frame}, days)
    assert warehouse.read(USER_SEGMENTS, days).collect().to_dicts() == rows


def test_no_days_and_no_mondays_have_nothing_to_find(place: Place) -> None:
    place.write(ENGAGEMENT_SCORES, [score(date=MONDAY + timedelta(days=1))])
    assert place.failing(MONDAY + timedelta(days=1)) == {}
    assert place.failing() == {}


def test_which_checks_block_and_how_much_they_weigh() -> None:
    checks = {check.name: check for check in SEGMENTS_CHECKS.checks}
    assert {name for name, check in checks.items() if check.is_blocking} == BLOCKING
    assert {name for name, check in checks.items() if check.severity == WARN} == {
        "raw_segments_are_steady",
        "confidence_is_spread",
        "adjustment_is_within_bounds",
    }


# --- users and scores ----------------------------------------------------------------------------


def test_a_power_user_without_an_access(place: Place) -> None:
    write_users(place, [user(1, segment="power"), user(2, segment="power"), user(3)])
    silent = {"total_accesses": 0}
    place.write(
        ENGAGEMENT_SCORES,
        [
            score(user_id="u001"),
            score(user_id="u001", date=MONDAY - WEEK, **silent),
            score(user_id="u002", **silent),
            score(user_id="u003", **silent),
        ],
    )
    found = place.failing()
    assert set(found) == {"power_users_have_accesses"}
    assert "u002" in examples(found["power_users_have_accesses"])
    assert found["power_users_have_accesses"].metadata["failing_count"].value == 1


@pytest.mark.parametrize(
    ("scored", "segmented_users", "finding"),
    [((1, 2), (1,), "no segment"), ((1,), (1, 2), "no score")],
)
def test_users_with_a_score_and_users_with_a_segment(
    place: Place, scored: tuple[int, ...], segmented_users: tuple[int, ...], finding: str
) -> None:
    place.write(ENGAGEMENT_SCORES, [score(user_id=f"u{number:03}") for number in scored])
    place.write(USER_SEGMENTS, [user(number) for number in segmented_users])
    found = place.failing()
    assert set(found) == {"every_scored_user_has_a_segment"}
    told = examples(found["every_scored_user_has_a_segment"])
    assert "u002" in told
    assert finding in told


def test_other_days_than_mondays_need_no_segments(place: Place) -> None:
    tuesday = MONDAY + timedelta(days=1)
    place.write(ENGAGEMENT_SCORES, [score(user_id="u001", date=tuesday)])
    assert place.failing(tuesday) == {}


# --- held back -----------------------------------------------------------------------------------


def held_back(place: Place) -> None:
    """Seven of twenty users change on MONDAY, and the segments are held back."""
    scores = [
        one | {"user_id": f"u{number:02}"}
        for number in range(20)
        for one in weekly(["regular"] * 5 + ["power" if number < 7 else "regular"] * 3)
    ]
    place.write(ENGAGEMENT_SCORES, scores)
    rows = segmented(scores)
    assert all(row["is_held_back"] for row in rows)
    spread = [row | {"confidence": number / 20} for number, row in enumerate(rows)]
    place.write(USER_SEGMENTS, spread)


def test_a_tenant_that_is_held_back(place: Place) -> None:
    held_back(place)
    found = place.failing()
    assert set(found) == {"segments_are_not_held_back"}
    result = found["segments_are_not_held_back"]
    assert result.severity == ERROR
    assert result.metadata["failing_count"].value == 1
    for told in ("tenant_id t1", f"held_since {MONDAY}", "changed_percent 35.00"):
        assert told in str(result.description)
    assert "user_segments/<held_since>.accept" in str(result.description)


def test_a_tenant_whose_change_was_accepted_since_is_still_held_back(place: Place) -> None:
    held_back(place)
    marker = place.landing / "user_segments" / f"{MONDAY}.accept"
    marker.parent.mkdir(parents=True)
    marker.touch()
    result = place.failing()["segments_are_not_held_back"]
    assert "tenant_id t1" in str(result.description)
    assert "changed_percent" not in str(result.description)


# --- moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "lost", "fails"),
    [
        pytest.param(20, 4, True, id="20-percent-of-20"),
        pytest.param(20, 3, False, id="15-percent-of-20"),
        pytest.param(19, 19, False, id="19-are-few"),
        pytest.param(600, 100, True, id="100-users"),
        pytest.param(600, 99, False, id="99-users"),
    ],
)
def test_power_users_who_are_casual_a_week_later(
    place: Place, before: int, lost: int, fails: bool
) -> None:
    rows = [user(number, segment="power", date=MONDAY - WEEK) for number in range(before)]
    rows += [
        user(number, segment="casual" if number < lost else "regular") for number in range(before)
    ]
    write_users(place, rows)
    assert ("power_users_do_not_collapse" in place.failing()) is fails


def test_power_users_who_are_gone_count_as_those_of_before(place: Place) -> None:
    rows = [user(number, segment="power", date=MONDAY - WEEK) for number in range(20)]
    write_users(place, [*rows, *(user(number, segment="casual") for number in range(4))])
    assert "power_users_do_not_collapse" in place.failing()


@pytest.mark.parametrize(
    ("high", "high_before", "fails"),
    [
        pytest.param(10, 0, False, id="10-percent"),
        pytest.param(11, 0, True, id="more-than-10-percent"),
        pytest.param(12, 6, False, id="twice-as-many"),
        pytest.param(13, 6, True, id="more-than-twice"),
        pytest.param(59, 50, False, id="high-before-too"),
        pytest.param(60, 50, True, id="60-percent-always"),
        pytest.param(59, None, False, id="nothing-before"),
        pytest.param(60, None, True, id="60-percent-with-nothing-before"),
    ],
)
def test_the_share_of_users_at_high_risk(
    place: Place, high: int, high_before: int | None, fails: bool
) -> None:
    rows = [user(number, churn_risk="high" if number < high else "low") for number in range(100)]
    rows += [user(number, churn_risk=None) for number in range(100, 150)]
    if high_before is not None:
        # Half as many users: shares count, not numbers.
        rows += [
            user(number, churn_risk="high" if 2 * number < high_before else "low", date=day)
            for number in range(50)
            for day in [MONDAY - MONTH]
        ]
    write_users(place, rows)
    assert ("churn_rate_is_usual" in place.failing()) is fails


@pytest.mark.parametrize(
    ("users", "changed", "fails"),
    [
        pytest.param(20, 6, False, id="30-percent"),
        pytest.param(20, 7, True, id="more-than-30-percent"),
        pytest.param(19, 19, False, id="19-are-few"),
    ],
)
def test_raw_segments_that_move(place: Place, users: int, changed: int, fails: bool) -> None:
    rows = [user(number, date=MONDAY - WEEK) for number in range(users)]
    rows += [
        user(number, proposed_segment="casual" if number < changed else "regular")
        for number in range(users)
    ]
    # Users of the earlier Monday alone do not count, nor does another tenant.
    rows += [user(number, date=MONDAY - WEEK) for number in range(100, 120)]
    rows += [user(number, tenant_id="t2") for number in range(200, 220)]
    write_users(place, rows)
    found = place.failing()
    assert ("raw_segments_are_steady" in found) is fails
    if fails:
        assert "t1" in examples(found["raw_segments_are_steady"])


@pytest.mark.parametrize(
    ("confidences", "fails"),
    [
        pytest.param([0.7] * 18 + [0.5, 0.6], False, id="90-percent"),
        pytest.param([0.7] * 19 + [0.5], True, id="more-than-90-percent"),
        pytest.param([0.7] * 10 + [0.71] * 9 + [0.5], True, id="equal-to-within-0.01"),
        pytest.param([0.7] * 10 + [0.710001] * 9 + [0.5], False, id="farther-apart"),
        pytest.param([0.7] * 19, False, id="19-are-few"),
    ],
)
def test_confidences_that_are_alike(place: Place, confidences: list[float], fails: bool) -> None:
    write_users(place, [user(number, confidence=one) for number, one in enumerate(confidences)])
    assert ("confidence_is_spread" in place.failing()) is fails


@pytest.mark.parametrize(
    ("mean", "fails"), [(0.3, True), (0.4, True), (0.41, False), (0.5, False), (0.9, False)]
)
def test_an_index_at_a_bound(place: Place, mean: float, fails: bool) -> None:
    means = [tenant(date=MONDAY - WEEK * back) for back in range(1, 27)]
    place.write(TENANT_ENGAGEMENT, [*means, tenant(mean_score=mean)])
    found = place.failing()
    assert ("adjustment_is_within_bounds" in found) is fails
    if fails:
        assert "0.8" in examples(found["adjustment_is_within_bounds"])


# --- the contract --------------------------------------------------------------------------------


def broken_rules(place: Place, spoilt: str) -> set[str]:
    """The rules of the schema that do not hold once a table of one row is spoilt."""
    place.write(USER_SEGMENTS, segmented([power(date=MONDAY - WEEK), power()]))
    contract = contract_of(USER_SEGMENTS)
    report = Report(USER_SEGMENTS, [contract.check], [MONDAY])
    with place.warehouse.connect() as connection:
        if spoilt:
            connection.execute(f"update {USER_SEGMENTS} set {spoilt}")
        for block in read_blocks(connection, USER_SEGMENTS, [MONDAY, MONDAY + WEEK]):
            contract.judge(block, report)
    (result,) = report.results()
    rules = result.metadata.get("failing_rules")
    if rules is None:
        return set()
    assert isinstance(rules.value, dict)
    return set(rules.value)


@pytest.mark.parametrize(
    ("spoilt", "rules"),
    [
        ("", set()),
        ("date = date + 1", {"dated_on_a_monday"}),
        ("is_changed = true", {"changed_where_the_segment_before_is_another"}),
        ("previous_segment = 'casual'", {"changed_where_the_segment_before_is_another"}),
        ("transition_status = 'watch'", {"stable_where_the_proposal_is_the_segment"}),
        ("proposed_segment = 'casual'", {"stable_where_the_proposal_is_the_segment"}),
        ("needs_review = true", {"needs_review_where_confidence_is_low"}),
        ("is_churn_suppressed = true", {"suppressed_risk_is_low"}),
        ("is_churn_suppressed = true, churn_risk = null", {"suppressed_risk_is_low"}),
        ("churn_risk = 'some'", {"values_within_bounds"}),
        ("confidence = 1.1", {"values_within_bounds"}),
    ],
)
def test_the_schema_holds(place: Place, spoilt: str, rules: set[str]) -> None:
    assert broken_rules(place, spoilt) == rules
