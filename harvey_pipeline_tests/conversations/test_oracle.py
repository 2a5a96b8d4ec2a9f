"""From landing files to marts: the tables are those of the reference, however they are run."""

import random
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.conversations import SUBJECT
from harvey_pipeline_tests.conversations.landings import (
    ACCOUNTS,
    EVENTS,
    FIRST,
    LENGTH,
    DirtyLanding,
    days_from,
)
from harvey_pipeline_tests.conversations.runs import (
    ASSETS,
    KEYS,
    assert_agrees,
    differences,
    pipeline_of,
)


def landed(root: Path, seed: int, days: Sequence[date], *sources: str) -> DirtyLanding:
    """A landing folder of these days, with some sources or all of them."""
    dirty = DirtyLanding(root / "landing", seed, sources or (EVENTS, ACCOUNTS))
    dirty.deliver(days)
    return dirty


def test_every_table_is_compared() -> None:
    own = {table.name for table in (*SUBJECT.raw_tables, *SUBJECT.tables)}
    asked = {name for name in own if name.startswith("conversations.llm_")}
    hidden = {table.name for table in SUBJECT.state_tables}
    assert own - asked - hidden == set(KEYS) - {"raw.drops", "raw.quarantine"}


def test_what_differs_is_named() -> None:
    name = "conversations.retention"
    rows = [
        {"date": FIRST, "period": period, "retained": None, "retention_rate": 50.0}
        for period in "abcde"
    ]
    assert differences(name, rows, rows) == []
    found = [*rows[1:], rows[0] | {"period": "z"}]
    found[0] = found[0] | {"retained": 0}
    found[1] = found[1] | {"retention_rate": 50.0000001}
    assert differences(name, found, rows) == [
        f"{name}: 1 rows missing (5 expected), such as {FIRST} a",
        f"{name}: 1 rows too many (5 expected), such as {FIRST} z",
        f"{name}.retained: 1 of 4 rows differ, such as",
        f"    {FIRST} b: found 0, expected None",
        f"{name}.retention_rate: 1 of 4 rows differ, such as",
        f"    {FIRST} c: found 50.0000001, expected 50.0",
    ]
    assert differences(name, [row | {"more": 1} for row in rows], rows) == [
        f"{name}: column more is not of the definitions"
    ]


@pytest.mark.long(10)
def test_three_weeks_in_one_range(tmp_path: Path) -> None:
    days = days_from(FIRST, 20)
    landed(tmp_path, 5, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_two_months_in_one_range(tmp_path: Path, seed: int) -> None:
    days = days_from(FIRST, LENGTH)
    landed(tmp_path, seed, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
@pytest.mark.parametrize("present", [EVENTS, ACCOUNTS])
def test_one_source_alone(tmp_path: Path, present: str) -> None:
    days = days_from(FIRST, 35)
    landed(tmp_path, 4, days, present)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_exports_followed_by_drops(tmp_path: Path) -> None:
    days = days_from(FIRST, 45)
    dirty = DirtyLanding(tmp_path / "landing", 7)
    dirty.export(days[:25], days[25:])
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)
    forms = {row["form"] for row in pipeline.rows("raw.drops") if row["rows_accepted"]}
    assert forms == {"bulk", "drop"}


@pytest.mark.long
def test_day_by_day_gives_the_same_tables(tmp_path: Path) -> None:
    """Each run takes what is due by then, so that late events reach the days before."""
    days = days_from(FIRST, 44)
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
        if number in (20, 33) or number > len(days) - 4:
            pipeline.run_due(days[0], day)
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_drops_that_are_delivered_again_count_once_what_is_due_has_run(tmp_path: Path) -> None:
    days = days_from(FIRST, 45)
    dirty = landed(tmp_path, 8, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    dirty.deliver_again([days[3], days[20], days[21], days[36], days[44]])
    pipeline.run_due(days[0], days[-1])
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_each_asset_in_random_order_and_grouping_gives_the_same_tables(tmp_path: Path) -> None:
    choose = random.Random(1)
    days = days_from(FIRST, 40)
    landed(tmp_path, 6, days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    for asset in ASSETS:
        groups = random_groups(choose, days)
        # Some days are run a second time, in another group.
        for group in [*groups, choose.choice(groups)]:
            pipeline.run(group[0], group[-1], asset)
    assert_agrees(pipeline, days)


def random_groups(choose: random.Random, days: list[date]) -> list[list[date]]:
    groups = []
    while days:
        size = choose.choice([5, 13, 23])
        groups.append(days[:size])
        days = days[size:]
    choose.shuffle(groups)
    return groups
