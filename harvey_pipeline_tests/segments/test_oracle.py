"""From landing files to readouts: the tables are those of the reference, however they are run."""

import random
import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.segments import SUBJECT
from harvey_pipeline_tests.pipelines import Pipeline
from harvey_pipeline_tests.segments.landings import (
    CORE,
    FIRST,
    LENGTH,
    OPTIONAL,
    DirtyLanding,
    days_from,
)
from harvey_pipeline_tests.segments.oracle import tables_after_scores
from harvey_pipeline_tests.segments.runs import (
    ASSETS,
    KEYS,
    assert_agrees,
    differences,
    pipeline_of,
    store,
)
from harvey_pipeline_tests.segments.stored import (
    MONDAY,
    YEAR_AND_MORE,
    stored_scores,
    stored_tenants,
)

ABSENT = (("sso_events", "segment_labels"), ("employees", "interventions"), ("licenses",))
"""Sources of which none has to do with the other: what lacks is told apart by where it shows."""


def landed(root: Path, seed: int, days: Sequence[date], *sources: str) -> DirtyLanding:
    """A landing folder of these days, with the core and some sources."""
    dirty = DirtyLanding(root / "landing", seed, (*CORE, *(sources or OPTIONAL)))
    dirty.deliver(days)
    return dirty


def run_by_month(pipeline: Pipeline, days: Sequence[date]) -> None:
    """Run what is by month, of the months that some days touch."""
    pipeline.run_months(days[0], days[-1])


def test_every_source_is_absent_once() -> None:
    assert sorted(name for some in ABSENT for name in some) == sorted(OPTIONAL)


def test_every_table_is_compared() -> None:
    own = {table.name for table in (*SUBJECT.raw_tables, *SUBJECT.tables)}
    asked = {name for name in own if name.startswith("segments.llm_")}
    hidden = {table.name for table in SUBJECT.state_tables}
    assert own - asked - hidden == set(KEYS) - {"raw.drops", "raw.quarantine"}


def test_what_differs_is_named() -> None:
    rows = [
        {"date": FIRST, "user_id": user, "labelled_by": "", "label": "power"} for user in "abcde"
    ]
    assert differences("segments.labels", rows, rows) == []
    found = [*rows[1:], rows[0] | {"user_id": "z"}]
    found[0] = found[0] | {"label": "casual"}
    assert differences("segments.labels", found, rows) == [
        f"segments.labels: 1 rows missing (5 expected), such as {FIRST} a ",
        f"segments.labels: 1 rows too many (5 expected), such as {FIRST} z ",
        "segments.labels.label: 1 of 4 rows differ, such as",
        f"    {FIRST} b : found 'casual', expected 'power'",
    ]


@pytest.mark.long
def test_seven_weeks_in_one_range(tmp_path: Path) -> None:
    days = days_from(FIRST, 49)
    landed(tmp_path, 5, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long(10)
def test_seasons_and_mass_changes_of_stored_scores(tmp_path: Path) -> None:
    """Two years of Mondays stand in for the scores; the last twelve weeks are run."""
    assert_stored_agree(tmp_path, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 5))
def test_more_seasons_of_stored_scores(tmp_path: Path, seed: int) -> None:
    assert_stored_agree(tmp_path, seed)


def assert_stored_agree(folder: Path, seed: int) -> None:
    scores = stored_scores(seed, MONDAY)
    mondays = [MONDAY + timedelta(weeks=week) for week in range(YEAR_AND_MORE)]
    pipeline = pipeline_of(folder / "landing", folder, mondays[-1], MONDAY)
    (folder / "landing").mkdir()
    given = {"engagement_scores": scores, "tenant_engagement": stored_tenants(scores)}
    store(pipeline, {f"segments.{name}": rows for name, rows in given.items()}, mondays)
    names = (
        "segments.user_segments",
        "segments.recommendations",
        "segments.roi_summary",
        "segments.segmentation_dashboard",
    )
    run = days_from(mondays[-30], 30 * 7 - 6)
    pipeline.run(run[0], run[-1], *names)
    expected = tables_after_scores(given, run, MONDAY)
    findings = [
        finding
        for name in names
        for finding in differences(
            name, pipeline.rows(name), expected[name.removeprefix("segments.")]
        )
    ]
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.long
@pytest.mark.parametrize("absent", ABSENT, ids="-".join)
def test_sources_that_are_absent(tmp_path: Path, absent: tuple[str, ...]) -> None:
    days = days_from(FIRST, 112)
    landed(tmp_path, 4, days, *(source for source in OPTIONAL if source not in absent))
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_the_core_alone(tmp_path: Path) -> None:
    days = days_from(FIRST, 112)
    DirtyLanding(tmp_path / "landing", 6, CORE).deliver(days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_exports_followed_by_drops(tmp_path: Path) -> None:
    days = days_from(FIRST, 60)
    dirty = DirtyLanding(tmp_path / "landing", 7)
    dirty.export(days[:30], days[30:])
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    assert_agrees(pipeline, days)
    forms = {row["form"] for row in pipeline.rows("raw.drops") if row["rows_accepted"]}
    assert forms == {"bulk", "drop"}


@pytest.mark.long(70)
def test_months_in_one_range_and_a_mass_change_that_is_accepted(tmp_path: Path) -> None:
    """The file is no table: who adds it runs the days again."""
    days = days_from(FIRST, LENGTH)
    landed(tmp_path, 2, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    assert_agrees(pipeline, days)
    held = {row["date"] for row in pipeline.rows("segments.user_segments") if row["is_held_back"]}
    assert held
    accept = tmp_path / "landing" / "user_segments" / f"{min(held)}.accept"
    accept.parent.mkdir()
    accept.touch()
    pipeline.run(days[0], days[-1], *ASSETS[ASSETS.index("segments.user_segments") :])
    run_by_month(pipeline, days)
    assert_agrees(pipeline, days)


@pytest.mark.long(130)
def test_day_by_day_gives_the_same_tables(tmp_path: Path) -> None:
    """Each day runs what is due by then, so that late rows reach the days before."""
    days = days_from(FIRST, LENGTH)
    landed(tmp_path, 3, days)
    whole = tmp_path / "whole"
    shutil.move(tmp_path / "landing", whole)
    landing = tmp_path / "landing"
    pipeline = pipeline_of(landing, tmp_path, days[-1])
    for number, day in enumerate(days):
        for path in whole.glob(f"*/{day}.*"):
            target = landing / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        if number in (40, 75, 100) or number > LENGTH - 6:
            pipeline.run_due(days[0], day)
    assert_agrees(pipeline, days)


@pytest.mark.long(70)
def test_drops_that_are_delivered_again_count_once_what_is_due_has_run(tmp_path: Path) -> None:
    days = days_from(FIRST, 120)
    dirty = landed(tmp_path, 8, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run_all(days[0], days[-1])
    dirty.deliver_again([days[3], days[40], days[41], days[100], days[119]])
    pipeline.run_due(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long(110)
def test_each_asset_in_random_order_and_grouping_gives_the_same_tables(tmp_path: Path) -> None:
    choose = random.Random(1)
    days = days_from(FIRST, LENGTH)
    landed(tmp_path, 9, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    for asset in ASSETS:
        groups = random_groups(choose, days)
        # Some days are run a second time, in another group.
        for group in [*groups, choose.choice(groups)]:
            pipeline.run(group[0], group[-1], asset)
    months = sorted({day.replace(day=1) for day in days})
    choose.shuffle(months)
    for month in months:
        pipeline.run_months(max(month, days[0]), max(month, days[0]))
    assert_agrees(pipeline, days)


def random_groups(choose: random.Random, days: list[date]) -> list[list[date]]:
    groups = []
    while days:
        size = choose.choice([11, 30, 61])
        groups.append(days[:size])
        days = days[size:]
    choose.shuffle(groups)
    return groups
