"""How outcomes look: tables, lines and KPIs, drawn on consoles of known width."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from harvey_pipeline.cli.outcomes import AssetProgress, FailedCheck, Failure
from harvey_pipeline.cli.show import (
    asset_line,
    asset_table,
    check_line,
    check_lines,
    describe_failure,
    headline_table,
    name_days,
    unusual_volume,
)
from harvey_pipeline.engagement import SUBJECT

LONGEST_NAMES = (
    "marts.daily_firm_usage_summary",
    "marts.harvey_analytics_dashboard",
    "agents.agent_performance_daily",
)


def drawn(draw: Callable[[Console], None], *, is_terminal: bool = False) -> list[str]:
    """What is drawn on 80 columns, line by line."""
    file = io.StringIO()
    draw(Console(file=file, width=80, height=24, force_terminal=is_terminal, no_color=True))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def failed_check(**given: Any) -> FailedCheck:
    """A blocking check that failed on one day, but for what is given."""
    defaults: dict[str, Any] = {
        "asset": "core.dim_user",
        "name": "key_is_unique",
        "is_blocking": True,
        "is_warning": False,
        "days": ["2024-04-01"],
        "day_count": 1,
        "description": "",
    }
    return FailedCheck(**(defaults | given))


def warning(**given: Any) -> FailedCheck:
    return failed_check(is_blocking=False, is_warning=True, **given)


def test_the_asset_table_counts_checks_by_outcome() -> None:
    done = AssetProgress("core.dim_user", "done", rows=1234, seconds=1.25, passed=3)
    done.failed_checks = [failed_check(), warning()]
    failed = AssetProgress("marts.a", "failed")
    waiting = AssetProgress("marts.b")
    lines = drawn(lambda console: console.print(asset_table([done, failed, waiting])))
    assert [line.split() for line in lines if line.strip(" ─")] == [
        ["Asset", "Rows", "Seconds", "Passed", "Warned", "Failed"],
        ["core.dim_user", "1,234", "1.2", "3", "1", "1"],
        ["marts.a", "-", "failed", "-", "-", "-"],
        ["marts.b", "-", "not", "run", "-", "-", "-"],
    ]


def test_the_asset_table_cuts_no_name_and_no_number_at_80_columns() -> None:
    assets = [
        AssetProgress(name, "done", rows=1_234_567_890, seconds=12345.6, passed=120)
        for name in LONGEST_NAMES
    ]
    lines = drawn(lambda console: console.print(asset_table(assets)))
    assert [line.split() for line in lines if "," in line] == [
        [name, "1,234,567,890", "12345.6", "120", "-", "-"] for name in LONGEST_NAMES
    ]


@pytest.mark.parametrize(
    ("asset", "line"),
    [
        pytest.param(
            AssetProgress("core.a", "done", rows=1234, seconds=0.52, passed=2),
            "core.a      1,234 rows     0.5 s  2 passed",
            id="all checks passed",
        ),
        pytest.param(
            AssetProgress("core.a", "done", rows=1, passed=2, failed_checks=[warning()]),
            "core.a           1 row     0.0 s  2 passed, 1 warned",
            id="a check warned",
        ),
        pytest.param(
            AssetProgress("core.a", "done", rows=1),
            "core.a           1 row     0.0 s  not checked",
            id="no check was evaluated",
        ),
        pytest.param(
            AssetProgress("core.a", "failed", seconds=3), "core.a  failed after 3.0 s", id="failed"
        ),
        pytest.param(AssetProgress("core.a"), "core.a  not run", id="not run"),
    ],
)
def test_an_asset_that_is_over_in_one_line(asset: AssetProgress, line: str) -> None:
    assert asset_line(asset) == line


@pytest.mark.parametrize(
    ("check", "line"),
    [
        pytest.param(
            failed_check(description="2 keys stand twice."),
            "blocking core.dim_user key_is_unique: 2024-04-01. 2 keys stand twice.",
            id="blocking",
        ),
        pytest.param(
            failed_check(is_blocking=False),
            "error    core.dim_user key_is_unique: 2024-04-01",
            id="error that blocks nothing",
        ),
        pytest.param(
            warning(days=[], day_count=0, description="No day of this table was ever run."),
            "warning  core.dim_user key_is_unique: No day of this table was ever run.",
            id="without days",
        ),
        pytest.param(
            warning(days=["2024-06-03", "2024-06-30", "2024-06-04"], day_count=3),
            "warning  core.dim_user key_is_unique: 3 days, last 2024-06-30",
            id="the newest of several days",
        ),
        pytest.param(
            warning(days=["2024-06-30", "2024-06-29"], day_count=40),
            "warning  core.dim_user key_is_unique: 40 days, last 2024-06-30",
            id="only the last days are known",
        ),
        pytest.param(
            warning(description="12 of 340 rows name nobody, such as line 7 of users.csv."),
            "warning  core.dim_user key_is_unique: 2024-04-01. 12 of 340 rows name nobody, …",
            id="a description is cut to the width",
        ),
        pytest.param(
            warning(
                asset="marts.daily_firm_usage_summary",
                name="firms_exist_by_their_events",
                description="Two firms do not.",
            ),
            "warning  marts.daily_firm_usage_summary firms_exist_by_their_events: 2024-04-01",
            id="no room for a description",
        ),
    ],
)
def test_a_failed_check_in_one_line(check: FailedCheck, line: str) -> None:
    assert check_line(check, 80).plain == line
    assert len(line) <= 80


def test_checks_are_told_by_urgency_and_the_newest_first() -> None:
    lines = check_lines(
        [
            warning(name="old", days=["2024-04-01"]),
            warning(name="new", days=["2024-04-01", "2024-04-09"], day_count=2),
            failed_check(name="error", is_blocking=False, days=["2024-03-01"]),
            failed_check(name="stop", days=["2024-02-01"]),
        ],
        80,
    )
    assert [line.plain for line in lines] == [
        "blocking core.dim_user stop: 2024-02-01",
        "error    core.dim_user error: 2024-03-01",
        "warning  core.dim_user new: 2 days, last 2024-04-09",
        "warning  core.dim_user old: 2024-04-01",
        "In full: harvey checks --failed",
    ]


def test_of_many_checks_eight_are_told_and_the_rest_is_counted() -> None:
    checks = [warning(name=f"check_{number}") for number in range(22)]
    lines = [line.plain for line in check_lines(checks, 80)]
    assert len(lines) == 9
    assert lines[-1] == "and 14 more: harvey checks --failed"


def test_no_check_is_no_line() -> None:
    assert check_lines([], 80) == []


@pytest.mark.parametrize(
    ("check", "told"),
    [
        pytest.param(failed_check(), "2024-04-01", id="one day"),
        pytest.param(
            failed_check(days=[f"2024-04-0{day}" for day in range(1, 8)], day_count=40),
            "2024-04-07, 2024-04-06, 2024-04-05, 2024-04-04, 2024-04-03 and 35 more days",
            id="more days than are named",
        ),
        pytest.param(failed_check(days=[], day_count=3), "3 days", id="days without names"),
        pytest.param(failed_check(days=[], day_count=0), "", id="no days"),
    ],
)
def test_days_are_named_newest_first(check: FailedCheck, told: str) -> None:
    assert name_days(check) == told


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        pytest.param(
            Failure("raw.raw_events", "LandingError", "a.csv lacks the columns user_id."),
            "failed   raw.raw_events: a.csv lacks the columns user_id.",
            id="an error that says what to do",
        ),
        pytest.param(
            Failure("core.dim_user", "ValueError", "bad"),
            "failed   core.dim_user: ValueError: bad. Add --debug to see where it comes from.",
            id="an error that nobody expects",
        ),
    ],
)
def test_a_failed_step_in_one_line(failure: Failure, line: str) -> None:
    assert describe_failure(failure).plain == line


def test_kpis_of_a_day_in_two_columns() -> None:
    assert SUBJECT.headline is not None
    values: dict[str, Any] = dict.fromkeys(SUBJECT.headline.table.polars_schema)
    values |= {
        "date": date(2024, 4, 1),
        "total_events": 12345,
        "stickiness": 12.345,
        "avg_power_score": 1055.5,
        "growth_trend": "Stable",
    }
    groups = SUBJECT.headline.groups
    lines = drawn(lambda console: console.print(headline_table(groups, values)))
    assert lines[0].split() == ["Activity", "Users"]
    assert lines[1].split() == ["Events", "12,345", "Power", "-"]
    text = "\n".join(lines)
    for part in ("12.3 %", "1,055.50", "Stable", "Growth"):
        assert part in text
    assert "…" not in text


LAST = date(2024, 6, 30)

Day = tuple[int, bool, bool | None, int]
"""How many days before the last one, whether it is covered and usual, and its events."""


def kpi_rows(*days: Day) -> pl.DataFrame:
    """What the dashboard says of the volume of some days."""
    rows = [(LAST - timedelta(days=back), *said) for back, *said in days]
    names = ["date", "is_covered", "is_volume_usual", "total_events"]
    return pl.DataFrame(rows, schema=names, orient="row")


WEEKS: tuple[Day, ...] = (
    (7, True, True, 300),
    (14, True, None, 364),
    (21, True, None, 1200),
    (28, True, None, 200),
)
"""Days of the last one's weekday, of which 332 events are the median."""


@pytest.mark.parametrize(
    ("days", "back", "told"),
    [
        pytest.param([(0, True, True, 300), *WEEKS], 0, None, id="the-last-day-is-usual"),
        pytest.param([(0, True, None, 3)], 0, None, id="nothing-says-what-is-usual"),
        pytest.param(
            [(0, True, False, 14), *WEEKS],
            7,
            "2024-06-30, the last day run, has 14 events, where 332 are usual.",
            id="the-last-day-is-cut-off",
        ),
        pytest.param(
            [(0, True, False, 1), (1, False, False, 0), (2, True, None, 9), (3, True, True, 9)],
            2,
            "2024-06-30, the last day run, has 1 event.",
            id="the-latest-day-that-is-not-unusual",
        ),
        pytest.param(
            [(0, False, False, 0), *WEEKS[:3], (28, True, None, 10_001)],
            7,
            "2024-06-30, the last day run, has 0 events, where 782 are usual.",
            id="the-last-day-is-not-covered",
        ),
        pytest.param(
            [(0, True, False, 9_000), *WEEKS[1:], (35, True, None, 2_001)],
            14,
            "2024-06-30, the last day run, has 9,000 events, where 782 are usual.",
            id="the-last-day-is-swollen",
        ),
        pytest.param(
            [
                (0, True, False, 2),
                (7, True, None, 5),
                (14, True, None, 6),
                (21, True, None, 9),
                (28, True, None, 1),
            ],
            7,
            "2024-06-30, the last day run, has 2 events, where 5.5 are usual.",
            id="the-median-lies-between-two",
        ),
        pytest.param(
            [(1, False, False, 0), (0, False, False, 0)],
            0,
            "2024-06-30, the last day run, has 0 events.",
            id="no-day-is-usual",
        ),
    ],
)
def test_the_headline_is_of_the_latest_day_with_a_usual_volume(
    days: list[Day], back: int, told: str | None
) -> None:
    headline = SUBJECT.headline
    assert headline is not None
    rows = kpi_rows(*days)
    chosen, last = headline.choose(rows)

    assert (chosen["date"], last["date"]) == (LAST - timedelta(days=back), LAST)
    said = unusual_volume(headline, rows, last)
    assert (None if said is None else said.plain) == told


def test_a_headline_without_a_volume_is_of_the_last_day() -> None:
    assert SUBJECT.headline is not None
    headline = replace(SUBJECT.headline, volume=None)
    rows = kpi_rows((1, True, True, 300), (0, True, False, 14))
    chosen, last = headline.choose(rows)

    assert chosen == last == rows.row(1, named=True)
    assert unusual_volume(headline, rows, last) is None
