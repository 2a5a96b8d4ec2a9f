"""The calendar: what settings and the landing folder make of the days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.engagement.sources import SOURCES
from harvey_pipeline.graph import calendar
from harvey_pipeline.graph.calendar import (
    Calendar,
    days_in_landing,
    last_whole_day,
    read_calendar,
)
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline.settings import Settings
from harvey_pipeline.warehouse.days import DayRange

YESTERDAY = date(2024, 6, 30)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "last_whole_day", lambda: YESTERDAY)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def deliver(landing: Path, *names: str) -> None:
    for name in names:
        path = landing / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("id,created,title\n")


def deliver_bulk_events(landing: Path, *created: str) -> None:
    lines = [f"{one},f1,u1,VAULT,1,5\n" for one in created]
    header = "created,firm_id,user_id,event_type,num_docs,feedback_score\n"
    (landing / "events.csv").write_text(header + "".join(lines))


def settings_of(landing: Path, start: date | None = None, end: date | None = None) -> Settings:
    return Settings(str(landing), landing.parent / "warehouse.duckdb", start, end, 600.0)


def test_the_last_whole_day_is_yesterday_in_utc() -> None:
    before = datetime.now(UTC).date()
    found = last_whole_day()
    after = datetime.now(UTC).date()
    assert before - timedelta(days=1) <= found <= after - timedelta(days=1)


# --- days in the landing folder ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], None, id="nothing-delivered"),
        pytest.param(
            ["events/2024-05-03.csv"],
            DayRange(date(2024, 5, 3), date(2024, 5, 3)),
            id="a-single-drop",
        ),
        pytest.param(
            ["users/2024-05-01.csv", "events/2024-05-03.csv.gz", "firms/2024-05-09.parquet"],
            DayRange(date(2024, 5, 1), date(2024, 5, 9)),
            id="the-earliest-and-latest-of-any-source",
        ),
        pytest.param(
            ["events/2024-05-03.csv", "events/2024-13-01.csv", "events/notes-2023-01-01.csv"],
            DayRange(date(2024, 5, 3), date(2024, 5, 3)),
            id="what-is-no-drop-is-no-day",
        ),
        pytest.param(
            ["events/2024-06-29.csv", "events/2024-07-01.csv"],
            DayRange(date(2024, 6, 29), date(2024, 6, 30)),
            id="today-is-not-whole-yet",
        ),
        pytest.param(["events/2024-07-01.csv"], None, id="today-alone"),
        pytest.param(["users.csv", "firms.csv"], None, id="a-bulk-of-users-and-firms-has-no-days"),
    ],
)
def test_days_are_those_of_the_drops(
    landing: Path, names: list[str], expected: DayRange | None
) -> None:
    deliver(landing, *names)
    assert days_in_landing(settings_of(landing), SOURCES) == expected


@pytest.mark.parametrize(
    ("created", "names", "first", "last"),
    [
        pytest.param(
            ["2024-04-23 09:15", "4/2/2024", "unreadable"],
            [],
            date(2024, 4, 2),
            date(2024, 4, 23),
            id="from-the-first-to-the-last-readable-date",
        ),
        pytest.param(
            ["2024-04-02", "2024-04-23"],
            ["users/2024-05-04.csv"],
            date(2024, 4, 2),
            date(2024, 5, 4),
            id="with-drops-after-it",
        ),
    ],
)
def test_days_of_a_bulk_export_are_those_of_its_events(
    landing: Path, created: list[str], names: list[str], first: date, last: date
) -> None:
    deliver_bulk_events(landing, *created)
    deliver(landing, *names)
    assert days_in_landing(settings_of(landing), SOURCES) == DayRange(first, last)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(
            date(2024, 5, 3), date(2024, 5, 5), (date(2024, 5, 3), date(2024, 5, 5)), id="within"
        ),
        pytest.param(
            date(2024, 4, 1), date(2024, 8, 1), (date(2024, 5, 1), date(2024, 5, 9)), id="wider"
        ),
        pytest.param(date(2024, 5, 10), None, None, id="starts-after-the-last-drop"),
        pytest.param(None, date(2024, 4, 30), None, id="ends-before-the-first-drop"),
    ],
)
def test_days_are_cut_to_the_settings(
    landing: Path, start: date | None, end: date | None, expected: tuple[date, date] | None
) -> None:
    deliver(landing, "events/2024-05-01.csv", "events/2024-05-09.csv")
    found = days_in_landing(settings_of(landing, start, end), SOURCES)
    assert found == (None if expected is None else DayRange(*expected))


def test_a_missing_landing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="missing does not exist"):
        days_in_landing(settings_of(tmp_path / "missing"), SOURCES)


# --- the calendar --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "start", "end", "expected"),
    [
        pytest.param(
            ["events/2024-03-01.csv", "events/2024-05-29.csv"],
            None,
            None,
            Calendar(date(2024, 3, 1), date(2024, 5, 29)),
            id="closed-when-the-newest-drop-is-over-a-month-old",
        ),
        pytest.param(
            ["events/2024-03-01.csv", "events/2024-05-30.csv"],
            None,
            None,
            Calendar(date(2024, 3, 1), None),
            id="open-when-the-newest-drop-is-a-month-old",
        ),
        pytest.param(
            ["events/2024-06-30.csv"],
            None,
            None,
            Calendar(date(2024, 6, 30), None),
            id="open-while-drops-arrive",
        ),
        pytest.param(
            ["events/2024-03-01.csv", "events/2024-05-01.csv"],
            date(2024, 4, 1),
            date(2024, 12, 31),
            Calendar(date(2024, 4, 1), date(2024, 12, 31)),
            id="as-the-settings-say",
        ),
        pytest.param(
            ["events/2024-06-30.csv"],
            date(2024, 1, 1),
            None,
            Calendar(date(2024, 1, 1), None),
            id="a-start-before-the-first-drop",
        ),
        pytest.param(
            [], None, None, Calendar(YESTERDAY, None), id="nothing-delivered-starts-yesterday"
        ),
        pytest.param(
            [],
            None,
            date(2024, 5, 1),
            Calendar(date(2024, 5, 1), date(2024, 5, 1)),
            id="an-end-before-anything-is-a-single-day",
        ),
    ],
)
def test_the_calendar(
    landing: Path, names: list[str], start: date | None, end: date | None, expected: Calendar
) -> None:
    """Guards against empty years after a finished history, and a closed one that still grows."""
    deliver(landing, *names)
    assert read_calendar(settings_of(landing, start, end), SOURCES) == expected


def test_the_graph_loads_without_a_landing_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run reports what is wrong; that the graph does not load would say less."""
    assert read_calendar(settings_of(tmp_path / "missing"), SOURCES) == Calendar(YESTERDAY, None)
    assert "missing does not exist" in caplog.text


def test_odd_dates_start_nothing_unless_the_first_day_is_set(
    landing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(landing, "users/2014-05-01.csv", "events/2024-05-01.csv", "events/2024-05-09.csv")
    with pytest.raises(LandingError, match=r"users/2014-05-01\.csv.*HARVEY_START_DATE"):
        days_in_landing(settings_of(landing), SOURCES)
    assert read_calendar(settings_of(landing), SOURCES) == Calendar(YESTERDAY, None)
    assert "2014-05-01" in caplog.text
    start = date(2024, 5, 1)
    found = days_in_landing(settings_of(landing, start), SOURCES)
    assert found == DayRange(start, date(2024, 5, 9))


def test_a_calendar_holds_its_days() -> None:
    closed = Calendar(date(2024, 5, 1), date(2024, 5, 2))
    days = [date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 3)]
    assert [day in closed for day in days] == [False, True, True, False]
    assert [day in Calendar(date(2024, 5, 1), None) for day in days] == [False, True, True, True]
