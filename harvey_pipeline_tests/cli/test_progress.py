"""How progress looks as it comes: bars at a terminal, lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from harvey_pipeline.cli.outcomes import AssetProgress
from harvey_pipeline.cli.progress import LiveView, PlainView

HEIGHT = 24
MANY = [f"agents.table_{number:02}" for number in range(40)]


def console(file: io.StringIO, *, is_terminal: bool) -> Console:
    return Console(file=file, width=80, height=HEIGHT, force_terminal=is_terminal, no_color=True)


def last_frame(view: LiveView) -> list[str]:
    """The lines of a frame, as they are drawn on 80 columns."""
    file = io.StringIO()
    console(file, is_terminal=False).print(view.draw())
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> LiveView:
    """Bars on a terminal of 80 x 24, by a clock that stands."""
    monkeypatch.setattr("harvey_pipeline.cli.progress.time.monotonic", lambda: 100.0)
    return LiveView(console(io.StringIO(), is_terminal=True))


def test_a_bar_for_each_asset_with_count_seconds_and_rows(view: LiveView) -> None:
    view.show(
        AssetProgress(
            "marts.harvey_analytics_dashboard",
            "done",
            done=91,
            total=91,
            rows=18_200_000,
            seconds=12.34,
            steps_left=0,
        )
    )
    view.show(
        AssetProgress("marts.daily_firm_usage_summary", "running", done=45, total=91, started=98.5)
    )
    view.show(AssetProgress("agents.agent_performance_daily", total=91))
    assert last_frame(view) == [
        "  Asset                                                Days Seconds       Rows",
        "✓ marts.harvey_analytics_dashboard ━━━━━━━━━━━━━━━━━━ 91/91    12.3 18,200,000",
        "> marts.daily_firm_usage_summary   ━━━━━━━━╸          45/91     1.5",
        "· agents.agent_performance_daily                       0/91     0.0",
        "  All                              ━━━━━━               1/3     0.0",
    ]


def test_where_assets_outnumber_lines_those_at_work_are_seen(view: LiveView) -> None:
    for name in MANY:
        view.show(AssetProgress(name))
    heights = set()
    for name in MANY:
        for state in ("running", "done"):
            asset = AssetProgress(name, state, steps_left=int(state == "running"))
            view.show(asset)
            lines = last_frame(view)
            heights.add(len(lines))
            assert any(f" {name} " in line for line in lines)
    assert heights == {HEIGHT - 2}, "a frame that grows or shrinks flickers"
    assert lines[-1].split()[0] == "All"
    assert "40/40" in lines[-1]
    names = [line.split()[1] for line in lines[1:-1]]
    assert names == MANY[-len(names) :]


def test_assets_that_failed_stay_in_sight(view: LiveView) -> None:
    for name in MANY:
        view.show(AssetProgress(name))
    view.show(AssetProgress(MANY[0], "failed"))
    for name in MANY[1:]:
        view.show(AssetProgress(name, "done", steps_left=0))
    assert last_frame(view)[1].startswith(f"✗ {MANY[0]} ")


def test_a_terminal_too_narrow_for_bars_keeps_names_and_counts() -> None:
    file = io.StringIO()
    narrow = Console(file=file, width=62, height=HEIGHT, force_terminal=True, no_color=True)
    view = LiveView(narrow)
    view.show(AssetProgress("marts.harvey_analytics_dashboard", "done", done=91, total=91))
    narrow.print(view.draw())
    assert "✓ marts.harvey_analytics_dashboard 91/91 " in file.getvalue()


def test_live_progress_takes_notes_and_ends_with_a_table() -> None:
    file = io.StringIO()
    with LiveView(console(file, is_terminal=True)) as view:
        view.show(AssetProgress("raw.raw_users", "running", done=2, total=3))
        view.note("waiting for a lock")
    view.show(AssetProgress("raw.raw_users", "done", rows=5))
    view.conclude()
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).splitlines()
    assert any("waiting for a lock" in line for line in lines)
    assert any("raw.raw_users" in line and "2/3" in line for line in lines)
    assert any(line.split() == ["raw.raw_users", "5", "0.0", "-", "-", "-"] for line in lines)


def test_plain_progress_has_one_line_for_each_asset() -> None:
    file = io.StringIO()
    users = AssetProgress("raw.raw_users", total=3, steps_left=2)
    with PlainView(console(file, is_terminal=False)) as view:
        view.show(users)
        view.show(AssetProgress("core.dim_user"))
        users.state = "running"
        for done in range(4):
            users.done = done
            view.show(users)
        users.state, users.rows, users.seconds, users.steps_left = "done", 1, 0.5, 1
        view.show(users)
        users.state = "checking"
        view.show(users)
        view.note("waiting for a lock")
        users.state, users.passed, users.steps_left = "done", 2, 0
        view.show(users)
        view.conclude()
    assert file.getvalue().splitlines() == [
        "waiting for a lock",
        "raw.raw_users           1 row     0.5 s  2 passed",
        "core.dim_user  not run",
    ]
