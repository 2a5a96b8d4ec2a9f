"""`harvey explain`: a user's score in sentences, as in the report; and what is not there."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.pages.users import user_pages
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.reports.chapters.walking import sentences_of
from harvey_pipeline_tests.reports.pages.reading import chapter_of
from harvey_pipeline_tests.reports.warehouses import figures_over

LAST, NEWS, BEFORE = date(2024, 6, 30), date(2024, 6, 29), date(2024, 6, 28)
STEERING = "eve\x1b[31m\nred"

Values = Mapping[str, Any]


def score(user: str, day: date = NEWS, **values: Any) -> Values:
    """24 + 18 + 30 = 72 points."""
    return {
        "date": day,
        "user_id": user,
        "user_role": "Partner",
        "firm_id": "f1",
        "total_queries": 40,
        "active_days": 14,
        "total_documents_processed": 30,
        "unique_event_types": 3,
        "active_days_weight": 60,
        "document_volume_weight": 60,
        "feature_breadth_weight": 100,
        "power_user_score": 72,
        "power_user_tier": "High Value User",
        "engagement_level": "Mid Frequency User",
    } | values


NOTHING: dict[str, Any] = {
    "total_queries": 0,
    "active_days": 0,
    "total_documents_processed": 0,
    "unique_event_types": 0,
    "active_days_weight": 0,
    "document_volume_weight": 0,
    "feature_breadth_weight": 0,
    "power_user_score": 0,
    "power_user_tier": "Inactive User",
    "engagement_level": "Inactive User",
}

CHANGE = {
    "date": NEWS,
    "user_id": "ana",
    "tier_before": "Power User",
    "tier_now": "High Value User",
    "direction": "down",
    "score_before": 88,
    "score_now": 72,
    "active_days_weight_before": 100,
    "active_days_weight_now": 60,
    "main_component": "active_days_weight",
    "measure_before": 21,
    "measure_now": 14,
}

ROWS: Mapping[str, list[Values]] = {
    "marts.daily_event_summary": [
        {"date": LAST, "is_covered": True, "is_volume_usual": False, "total_events": 14},
        {"date": NEWS, "is_covered": True, "is_volume_usual": True, "total_events": 1332},
    ],
    "marts.daily_user_engagement": [
        score("ana"),
        score("ana", LAST, **NOTHING),
        score("ben", firm_id=None, user_role=None, **NOTHING),
        score("zoe", BEFORE),
        score(STEERING),
    ],
    "marts.tier_changes": [CHANGE],
    "core.user_daily_activity": [],
    "core.dim_user": [],
}


class Told(NamedTuple):
    code: int
    lines: list[str]
    error: str


Explain = Callable[..., Told]


def publish(path: Path, rows: Mapping[str, list[Values]]) -> None:
    """Write a published copy of these rows."""
    figures = figures_over({TABLES[name]: given for name, given in rows.items()}, LAST)
    with duckdb.connect(str(path)) as connection:
        for name in rows:
            connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            connection.register("rows", figures.rows(f"select * from {name}").to_arrow())
            connection.execute(f"create table {name} as select * from rows")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish(published_path(folder / "warehouse.duckdb"), ROWS)
    return folder


@pytest.fixture
def explain(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Explain:
    """Runs the command beside that copy."""
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(folder / "warehouse.duckdb"))

    def run(*arguments: str) -> Told:
        code = run_command(APP, ["explain", *arguments])
        out, error = capsys.readouterr()
        return Told(code, out.splitlines(), error)

    return run


def test_a_score_is_explained_in_sentences_with_their_evidence(explain: Explain) -> None:
    told = explain("ana", "--day", str(NEWS))
    assert (told.code, told.error) == (0, "")
    assert told.lines == [
        "ana on 2024-06-29: Partner, mostly of f1",
        "",
        "  Score 72 of 100 in the 30 days up to 2024-06-29: High Value User",
        "    24 for 14 active days + 18 for 30 documents + 30 for 3 event types = 72; High Value "
        "User is from 60 to 79",
        "",
        "  14 active days earn 60 of 100 points, weighed 0.4: 24 of the score",
        "    From 10 on 60, from 15 on 80",
        "",
        "  30 documents earn 60 of 100 points, weighed 0.3: 18 of the score",
        "    From 25 on 60, from 50 on 80",
        "",
        "  3 event types earn 100 of 100 points, weighed 0.3: 30 of the score",
        "    From 3 on 100, the most there is",
        "",
        "  14 active days earn 60 of 100; one more earns 80 and lifts the score from 72 to 80: "
        "Power User",
        "    Or 70 more documents (100 of 100), to 84: Power User",
        "",
        "  Mid Frequency User: 40 queries on 14 active days; one more active day makes High "
        "Frequency User",
        "    High Frequency User takes 20 queries on 15 active days",
        "",
        "  Fell from Power User to High Value User: active days went from 21 to 14 in 30 days, "
        "which took the component from 100 to 60 (score 88 to 72)",
        "    Points of the score: active days -16",
        "",
        "With charts and history: `harvey report --user ana`. All columns: "
        "marts.daily_user_engagement.",
    ]


def test_the_last_day_is_passed_over_where_it_is_cut_off_and_that_is_said(
    explain: Explain,
) -> None:
    told = explain("ana")
    assert told.lines[:3] == [
        "2024-06-30 has 14 events, which is unusual for its weekday; 2024-06-29 has 1,332. "
        "Figures are of 2024-06-29.",
        "",
        "ana on 2024-06-29: Partner, mostly of f1",
    ]
    asked = explain("ana", "--day", str(LAST))
    assert asked.lines[0] == "ana on 2024-06-30: Partner, mostly of f1"
    assert asked.lines[2].startswith("  Score 0 of 100 in the 30 days up to 2024-06-30")


def test_the_sentences_are_those_of_the_report(explain: Explain, folder: Path) -> None:
    path = published_path(folder / "warehouse.duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        page = user_pages(Figures(connection, LAST), ["ana"])["ana"]
    told = sentences_of(chapter_of(page, "score"), "Why, and what would change it")
    assert len(told) == 7
    shown = explain("ana").lines
    assert [line.strip() for line in shown if line.startswith("  ") and line[2] != " "] == told


def test_what_is_not_known_of_a_user_is_said(explain: Explain) -> None:
    assert explain("ben").lines[2] == "ben on 2024-06-29: role unknown, no firm"


def test_a_name_does_not_steer_the_terminal(explain: Explain) -> None:
    told = explain(STEERING)
    assert told.lines[2] == "eve [31m red on 2024-06-29: Partner, mostly of f1"
    assert "\x1b" not in "".join(told.lines)
    assert "\x1b" not in explain("eve\x1b[31m\nblue").error


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("ann",), ("no user is named ann on 2024-06-29", "Did you mean ana?")),
        (("xyz",), ("no user is named xyz", "marts.daily_user_engagement lists them")),
        # Zoe has a row of the day before only.
        (("zoe",), ("no user is named zoe on 2024-06-29",)),
        (("ana", "--day", "2024-07-01"), ("2024-07-01 has no scores", "2024-06-30", "harvey run")),
        (("ana", "--day", "May"), ("--day is 'May'",)),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(
    explain: Explain, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    told = explain(*arguments)
    assert (told.code, told.lines) == (2, [])
    assert told.error.startswith("harvey: ")
    for part in parts:
        assert part in " ".join(told.error.split())


@pytest.mark.parametrize(
    "tables",
    [None, [], ["marts.daily_event_summary"], ["marts.daily_user_engagement"]],
    ids=["no-copy", "an-empty-copy", "without-users", "without-a-day"],
)
def test_nothing_was_run(
    explain: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: list[str] | None
) -> None:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    if tables is not None:
        publish(published_path(tmp_path / "warehouse.duckdb"), {name: [] for name in tables})
    told = explain("ana")
    assert (told.code, told.lines) == (2, [])
    assert "Nothing of users is published" in " ".join(told.error.split())
    assert "harvey run" in " ".join(told.error.split())
