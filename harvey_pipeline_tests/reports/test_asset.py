"""The report as a run writes it: its files, its rows, and what Dagster's UI shows of it."""

import base64
import re
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import dagster as dg
import duckdb
import pytest

from harvey_pipeline.definitions import choose_subjects
from harvey_pipeline.graph.due import Graph
from harvey_pipeline.reports.contents import DASHBOARD, DAYS_READ
from harvey_pipeline.reports.subject import report_over
from harvey_pipeline_tests.cli.commands import SMALL_SAMPLE, run_harvey

REPORT: Final = dg.AssetKey(["reports", "analytics_report"])
ENGAGEMENT_ALONE: Final = {"HARVEY_SUBJECTS": "engagement,reports"}


class Ran(NamedTuple):
    folder: Path
    last: str

    @property
    def page(self) -> Path:
        return self.folder / "data" / "warehouse.reports" / self.last / "index.html"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A folder in which a small sample was run, with the report of engagement alone."""
    folder = tmp_path_factory.mktemp("ran")
    assert run_harvey(folder, "sample", *SMALL_SAMPLE).returncode == 0
    done = run_harvey(folder, "run", **ENGAGEMENT_ALONE)
    assert done.returncode == 0, done.stdout + done.stderr
    last = max(path.stem for path in (folder / "data" / "landing" / "events").iterdir())
    return Ran(folder, last)


def test_a_run_over_days_writes_the_page_of_the_last_one(ran: Ran) -> None:
    folders = [path.name for path in ran.page.parents[1].iterdir() if path.name[0] != "."]
    assert folders == [ran.last]
    text = ran.page.read_text(encoding="utf-8")
    assert ran.last in text
    assert "Left out: the subject agents is not part of this report." in text


def test_every_day_has_a_row_that_names_its_page(ran: Ran) -> None:
    with duckdb.connect(str(ran.folder / "data" / "warehouse.published.duckdb")) as copy:
        rows = copy.execute(
            "select date::varchar, page, total_events, dau from reports.analytics_report order by 1"
        ).fetchall()
        events = copy.execute(
            "select date::varchar, total_events, dau from marts.daily_event_summary "
            "join marts.harvey_analytics_dashboard using (date, total_events) order by 1"
        ).fetchall()
    assert [(day, *rest) for day, _, *rest in rows] == events
    assert [page for _, page, *_ in rows] == [f"{day}/index.html" for day, *_ in rows]


def metadata_of(ran: Ran, kind: str, key: dg.AssetKey) -> dict[str, Any]:
    """The metadata of an asset's latest materialisation or observation of the last day."""
    home = ran.folder / "data" / "dagster_home"
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[ran.last])
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = (
            instance.fetch_materializations(wanted, limit=50)
            if kind == "materialisation"
            else instance.fetch_observations(wanted, limit=50)
        )
        merged: dict[str, Any] = {}
        for record in reversed(found.records):
            event = record.asset_materialization or record.event_log_entry.asset_observation
            assert event is not None
            merged |= event.metadata
        return merged


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("materialisation", REPORT),
        ("observation", dg.AssetKey(DASHBOARD.name.split("."))),
    ],
)
def test_the_ui_links_to_the_page_and_shows_pictures_of_it(
    ran: Ran, kind: str, key: dg.AssetKey
) -> None:
    shown = metadata_of(ran, kind, key)
    assert shown["report"].value == str(ran.page)
    assert shown["report_link"].value == ran.page.as_uri()
    assert shown["report_bytes"].value == ran.page.stat().st_size
    pictures = re.findall(r"\(data:image/png;base64,([^)]+)\)", shown["pictures"].value)
    assert pictures
    for one in pictures:
        assert base64.b64decode(one).startswith(b"\x89PNG")


def test_another_run_has_nothing_to_do(ran: Ran) -> None:
    again = run_harvey(ran.folder, "run", **ENGAGEMENT_ALONE)
    assert again.returncode == 0, again.stderr
    assert "nothing is due" in again.stdout.lower()


def test_it_rests_on_the_tables_of_the_subjects_that_are_computed_and_no_others() -> None:
    [asset] = report_over(["engagement", "agents"]).assets
    read = {one.table for one in asset.upstream}
    assert read == {*DAYS_READ["engagement"], *DAYS_READ["agents"]}


def test_a_report_waits_for_the_months_that_it_shows() -> None:
    """A day is due again where a month that it reads changed: days and months are told apart."""
    subjects = choose_subjects(("engagement", "reports"))
    graph = Graph(subjects[0].sources, tuple(one for part in subjects for one in part.table_assets))
    [asset] = [one for one in graph.ordered if one.table.name == "reports.analytics_report"]
    [months] = [one for one in asset.upstream if one.table == "months.retention_cohorts"]
    days = months.readers_of(date(2024, 6, 1), is_monthly=False)
    assert days.first == date(2024, 6, 1)
    assert days.last >= date(2025, 5, 31)
