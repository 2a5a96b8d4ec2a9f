"""From landing files to marts: the tables are those of the reference, however they are run."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.agents import SUBJECT
from harvey_pipeline_tests.agents.landings import DirtyLanding, days_from
from harvey_pipeline_tests.agents.oracle.sources import SOURCES
from harvey_pipeline_tests.agents.runs import (
    FIRST,
    KEYS,
    VIEW_KEYS,
    assert_agrees,
    assert_views_agree,
    pipeline_of,
)
from harvey_pipeline_tests.builders import csv_text, landing_file
from harvey_pipeline_tests.pipelines import daily_assets_of

ASSETS = daily_assets_of(SUBJECT)


def test_every_table_and_view_is_compared() -> None:
    raw = {f"raw.raw_{source.name}" for source in SOURCES}
    own = {table.name for table in SUBJECT.tables if not table.name.startswith("history.")}
    assert {*raw, *own, "raw.drops", "raw.quarantine"} == set(KEYS)
    assert {view.name for view in SUBJECT.views} == set(VIEW_KEYS)


@pytest.mark.long(10)
def test_exports_followed_by_drops_run_as_they_come(tmp_path: Path) -> None:
    days = days_from(FIRST, 9)
    dirty = DirtyLanding(tmp_path / "landing", seed=5)
    dirty.export(days[:5])
    dirty.deliver(days[5:])
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)
    assert_views_agree(pipeline, days)
    forms = {row["form"] for row in pipeline.rows("raw.drops") if row["rows_accepted"]}
    assert forms == {"bulk", "drop"}


def test_a_review_reaches_its_draft_for_thirty_days(tmp_path: Path) -> None:
    header = "id,conversation_id,shop_domain,status,created_at"
    days = days_from(FIRST, 33)
    for offset, lines in (
        (0, [f"a,c,s,pending,{FIRST}", f"b,c,s,pending,{FIRST} 23:59:59"]),
        (29, [f"b,c,s,edited,{FIRST}"]),
        (30, [f"a,c,s,approved,{FIRST}"]),
        (31, [f"a,c,s,rejected,{FIRST}", f"b,c,s,rejected,{days[1]}"]),
    ):
        name = f"agent_approvals/{days[offset]}.csv"
        landing_file(tmp_path, name, csv_text(header, *lines))
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    tables = ("raw.raw_agent_approvals", "agents.fact_agent_approval")
    for first, last in ((0, 20), (21, 31), (0, 32)):
        pipeline.run(days[first], days[last], *tables)
    assert_agrees(pipeline, days, *tables)
    facts = pipeline.rows("agents.fact_agent_approval")
    assert {(row["approval_sk"], row["status"], row["drop_date"]) for row in facts} == {
        (f"a_{FIRST:%Y%m%d}", "approved", days[30]),
        (f"b_{FIRST:%Y%m%d}", "edited", days[29]),
        (f"b_{days[1]:%Y%m%d}", "rejected", days[31]),
    }


@pytest.mark.long
def test_drops_that_are_delivered_again_count_once_what_is_due_has_run(tmp_path: Path) -> None:
    days = days_from(FIRST, 36)
    dirty = DirtyLanding(tmp_path / "landing", seed=1)
    dirty.deliver(days)
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    pipeline.run(days[0], days[-1])
    assert_agrees(pipeline, days)
    assert_views_agree(pipeline, days)
    dirty.deliver_again([days[2], days[20], days[33]], share=1)
    pipeline.run_due(days[0], days[-1])
    assert_agrees(pipeline, days)
    assert_views_agree(pipeline, days)
    pipeline.run(days[10], days[14])
    assert_agrees(pipeline, days)


@pytest.mark.long
def test_day_by_day_gives_the_same_tables(tmp_path: Path) -> None:
    """Each day runs what is due by then, so that late rows reach the days before."""
    days = days_from(FIRST, 36)
    DirtyLanding(tmp_path / "whole", seed=2).deliver(days)
    landing = tmp_path / "landing"
    pipeline = pipeline_of(landing, tmp_path, days[-1])
    for number, day in enumerate(days):
        for path in (tmp_path / "whole").glob(f"*/{day}.*"):
            target = landing / path.relative_to(tmp_path / "whole")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        if number >= 33:
            pipeline.run_due(days[0], day)
    assert_agrees(pipeline, days)
    assert_views_agree(pipeline, days)


@pytest.mark.long
def test_each_asset_in_random_order_and_grouping_gives_the_same_tables(tmp_path: Path) -> None:
    choose = random.Random(7)
    days = days_from(FIRST, 36)
    dirty = DirtyLanding(tmp_path / "landing", seed=3)
    dirty.export(days[:9], ["agent_approvals", "shops", "agent_types"])
    dirty.deliver(days[9:])
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    for asset in ASSETS:
        groups = random_groups(choose, days)
        # Some days are run a second time, in another group.
        for group in [*groups, choose.choice(groups)]:
            pipeline.run(group[0], group[-1], asset)
    assert_agrees(pipeline, days)
    assert_views_agree(pipeline, days)


def random_groups(choose: random.Random, days: list[date]) -> list[list[date]]:
    groups = []
    while days:
        size = choose.choice([5, 19, 29])
        groups.append(days[:size])
        days = days[size:]
    choose.shuffle(groups)
    return groups


@pytest.mark.long
def test_customers_of_a_quarter_fall_into_the_same_segments(tmp_path: Path) -> None:
    """Many come in the first weeks, few after that, so that some are silent for 90 days."""
    days = days_from(FIRST, 112)
    dirty = DirtyLanding(tmp_path / "landing", seed=4, share_delivered=1)
    dirty.deliver(days[:21], ["agent_approvals", "customers"])
    dirty.deliver(days[21::6], ["agent_approvals", "customers"])
    pipeline = pipeline_of(tmp_path / "landing", tmp_path, days[-1])
    tables = ("agents.fact_agent_approval", "agents.customer_daily", "agents.dim_customer")
    pipeline.run(
        days[0],
        days[-1],
        "raw.raw_agent_approvals",
        "raw.raw_customers",
        "history.customer_versions",
        *tables,
    )
    assert_agrees(pipeline, days, *tables)
    customers = pipeline.rows("agents.dim_customer")
    assert {row["customer_segment"] for row in customers} == {
        "at-risk",
        "vip",
        "new",
        "returning",
        None,
    }
    silent_since = days[-1] - timedelta(days=89)
    assert any(
        row["last_interaction_date"] is not None and row["last_interaction_date"] < silent_since
        for row in customers
    )
