"""The `harvey` command as a user meets it: exit codes, messages, files, and how a run looks."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from rich.console import Console

from harvey_pipeline.sample import SampleSpec, write_sample
from harvey_pipeline.tables import TABLES
from harvey_pipeline.terminal import (
    AssetProgress,
    FailedCheck,
    LiveView,
    PlainView,
    asset_table,
    describe_check,
    kpi_table,
)
from harvey_pipeline_tests.builders import FIRMS, HEADERS, USERS, csv_text, landing_file, user_rows

REPOSITORY = Path(__file__).parents[1]
DASHBOARD = TABLES["marts.harvey_analytics_dashboard"].polars_schema

Finished = subprocess.CompletedProcess[str]
Harvey = Callable[..., Finished]


def environment() -> dict[str, str]:
    """Nothing of the pipeline's own settings, so that defaults show."""
    ours = ("HARVEY_", "DAGSTER_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}


@pytest.fixture
def harvey(tmp_path: Path) -> Harvey:
    """Runs the command in an empty working directory."""

    def run(*arguments: str, **settings: str) -> Finished:
        return subprocess.run(
            [sys.executable, "-m", "harvey_pipeline", *arguments],
            cwd=tmp_path,
            env=environment() | settings,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def one_day(root: Path, day: str = "2024-04-01", users: int = 10) -> None:
    """A day's three drops in `landing`, without events."""
    landing_file(root, f"users/{day}.csv", csv_text(USERS, *user_rows(users)))
    landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "f1,2024-04-01,10,100"))
    landing_file(root, f"events/{day}.csv", csv_text(HEADERS["events"]))


def assert_refused(finished: Finished, *parts: str) -> None:
    """One message on stderr that holds these parts, and exit code 2."""
    assert finished.returncode == 2, finished.stdout + finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("harvey: ")
    assert finished.stderr.count("\n") == 1
    for part in parts:
        assert part in finished.stderr


# --- harvey run ----------------------------------------------------------------------------------


def test_a_run_of_all_days_found(tmp_path: Path, harvey: Harvey) -> None:
    spec = SampleSpec(users=20, firms=5, days=2, events_per_day=20, dirty=0)
    write_sample(tmp_path / "data" / "landing", spec)
    finished = harvey("run")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    assert (
        "Running 2024-04-01 to 2024-04-02 (2 days in 1 month) of data/landing\n" in finished.stdout
    )
    assert finished.stdout.count("raw.raw_events: running\n") == 1
    assert "KPIs of 2024-04-02\n" in finished.stdout
    assert "Done in " in finished.stdout
    assert "\x1b" not in finished.stdout
    assert (tmp_path / "data" / "warehouse.duckdb").exists()
    home = tmp_path / "data" / "dagster_home"
    assert "max_concurrent_runs: 1" in (home / "dagster.yaml").read_text()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        runs = {run.job_name: run for run in instance.get_runs()}
    assert {run.status for run in runs.values()} == {dg.DagsterRunStatus.SUCCESS}
    assert {name: keys_of(run) for name, run in runs.items()} == {
        "daily": ("2024-04-01", "2024-04-02"),
        "monthly": ("2024-04-01", "2024-04-01"),
    }
    for run in runs.values():
        assert run.run_id in finished.stdout
    published = str(tmp_path / "data" / "warehouse.published.duckdb")
    with duckdb.connect(published, read_only=True) as connection:
        for name in ("marts.harvey_analytics_dashboard", "months.user_engagement"):
            assert connection.sql(f"from {name}").fetchall(), name


def keys_of(run: dg.DagsterRun) -> tuple[str, str]:
    """The first and the last partition of a run."""
    ends = ("start", "end")
    first, last = (run.tags[f"dagster/asset_partition_range_{end}"] for end in ends)
    return first, last


def test_the_month_after_is_run_too_if_it_was_before(tmp_path: Path, harvey: Harvey) -> None:
    """April says who of May was active before."""
    spec = SampleSpec(
        users=20, firms=5, days=3, events_per_day=20, dirty=0, start=date(2024, 4, 29)
    )
    write_sample(tmp_path / "data" / "landing", spec)
    assert harvey("run").returncode == 0
    finished = harvey("run", "--from", "2024-04-29", "--to", "2024-04-29")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    with dg.DagsterInstance.from_config(str(tmp_path / "data" / "dagster_home")) as instance:
        (last, before) = (run for run in instance.get_runs() if run.job_name == "monthly")
    assert keys_of(before) == ("2024-04-01", "2024-05-01")
    assert keys_of(last) == ("2024-04-01", "2024-05-01")


def test_a_failed_blocking_check_is_named_with_its_days(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path, "2024-04-01", users=10)
    one_day(tmp_path, "2024-04-02", users=1)
    finished = harvey("run", "--landing-dir", "landing", "--warehouse", "store/w.duckdb")
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert "failed, blocking: raw.raw_users " in finished.stdout
    (line,) = (line for line in finished.stdout.splitlines() if line.startswith("failed, block"))
    assert " on 2024-04-02. " in line
    for name in ("core.dim_user", "months.user_engagement"):
        (line,) = (line for line in finished.stdout.splitlines() if line.startswith(f" {name} "))
        assert "not run" in line
    assert "Failed in " in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert (tmp_path / "store" / "w.duckdb").exists()
    assert (tmp_path / "store" / "w.published.duckdb").exists()


def test_a_drop_that_cannot_be_read_is_named(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    landing_file(tmp_path, "events/2024-04-01.csv", "created,firm_id\n")
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes.txt").write_text("somebody's own folder")
    finished = harvey(
        "run", "--landing-dir", "landing", "--dagster-home", "home", DAGSTER_HOME="/nowhere"
    )
    assert finished.returncode == 2
    (line,) = (line for line in finished.stdout.splitlines() if line.startswith("failed: "))
    assert line.startswith("failed: raw.raw_events: events/2024-04-01.csv lacks the columns")
    assert "Not executing" not in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert (home / "history").is_dir()
    assert not (home / "dagster.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        pytest.param(("--from", "2024-13-01"), ("--from 2024-13-01 is no day",), id="no-date"),
        pytest.param(
            ("--from", "2024-03-31"), ("lies outside the calendar", "--start-date"), id="too-early"
        ),
        pytest.param(("--to", "2024-04-03"), ("lies outside the calendar",), id="too-late"),
        pytest.param(
            ("--from", "2024-04-02", "--to", "2024-04-01"),
            ("the range ends (2024-04-01) before it starts (2024-04-02)",),
            id="reversed",
        ),
    ],
)
def test_days_that_cannot_be_run_are_refused_with_the_calendar(
    tmp_path: Path, harvey: Harvey, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    for day in ("2024-04-01", "2024-04-02"):
        one_day(tmp_path, day)
    finished = harvey("run", "--landing-dir", "landing", *arguments)
    assert_refused(finished, *parts, "The calendar goes from 2024-04-01 to 2024-04-02")


def test_a_landing_folder_without_drops_is_named(tmp_path: Path, harvey: Harvey) -> None:
    assert_refused(harvey("run"), f"{tmp_path}/data/landing does not exist", "`harvey sample`")
    (tmp_path / "empty").mkdir()
    finished = harvey("run", HARVEY_LANDING_DIR="empty")
    assert_refused(finished, f"{tmp_path}/empty holds no drops", "`harvey sample`")


def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    finished = harvey("run", "--landing-dir", "landing", "--end-date", "soon")
    assert_refused(finished, "HARVEY_END_DATE is 'soon'")
    landing_file(tmp_path, "users/2024-04-01.parquet")
    finished = harvey("run", "--landing-dir", "landing")
    assert_refused(finished, "users/2024-04-01.csv and users/2024-04-01.parquet both stand for")


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "landing", SampleSpec(days=20))
    with subprocess.Popen(
        [sys.executable, "-m", "harvey_pipeline", "run"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line == "raw.raw_events: running\n":
                process.send_signal(signal.SIGINT)
        message = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert message.startswith("harvey: interrupted.")
    assert message.count("\n") == 1


# --- harvey sample -------------------------------------------------------------------------------


def test_a_sample_is_written_where_runs_look_for_it(tmp_path: Path, harvey: Harvey) -> None:
    size = ("--users", "20", "--firms", "5", "--days", "2", "--events-per-day", "20")
    finished = harvey("sample", *size, "--seed", "1", "--dirty", "0")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == "2 days of drops, 2024-04-01 to 2024-04-02, are in data/landing.\n"
    names = {path.name for path in (tmp_path / "data" / "landing" / "events").iterdir()}
    assert {name.partition(".")[0] for name in names} == {"2024-04-01", "2024-04-02"}
    assert_refused(harvey("sample", *size), "data/landing already holds drops")
    assert_refused(harvey("sample", "--users", "3", "--out", "x"), "users must be at least 20")


@pytest.mark.parametrize("arguments", [["--help"], ["sample", "--days", "0"]], ids=" ".join)
def test_what_needs_no_graph_loads_none(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from harvey_pipeline.cli import run_command\n"
        "try:\n"
        f"    run_command({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "assert 'dagster' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True)


# --- how it looks --------------------------------------------------------------------------------


def drawn(draw: Callable[[Console], None], *, is_terminal: bool = False) -> list[str]:
    file = io.StringIO()
    draw(Console(file=file, width=100, force_terminal=is_terminal, no_color=True))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def failed_check(**given: Any) -> FailedCheck:
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


def test_the_asset_table_counts_checks_by_outcome() -> None:
    done = AssetProgress("core.dim_user", "done", rows=1234, seconds=1.25, passed=3)
    done.failed_checks = [failed_check(), failed_check(is_warning=True)]
    failed = AssetProgress("marts.a", "failed")
    waiting = AssetProgress("marts.b")
    lines = drawn(lambda console: console.print(asset_table([done, failed, waiting])))
    assert [line.split() for line in lines if line.strip(" ─")] == [
        ["Asset", "Rows", "Seconds", "Passed", "Warned", "Failed"],
        ["core.dim_user", "1,234", "1.2", "3", "1", "1"],
        ["marts.a", "-", "failed", "-", "-", "-"],
        ["marts.b", "-", "not", "run", "-", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("check", "line"),
    [
        pytest.param(
            failed_check(),
            "failed, blocking: core.dim_user key_is_unique on 2024-04-01. No key twice.",
            id="blocking",
        ),
        pytest.param(
            failed_check(is_blocking=False, is_warning=True, days=[], day_count=0),
            "warning: core.dim_user key_is_unique. No key twice.",
            id="warning-without-days",
        ),
        pytest.param(
            failed_check(
                is_blocking=False,
                days=[f"2024-04-0{day}" for day in range(1, 8)],
                day_count=40,
                description="Never run.",
            ),
            "failed: core.dim_user key_is_unique on 2024-04-01, 2024-04-02, 2024-04-03, "
            "2024-04-04, 2024-04-05 and 35 more days. Never run. No key twice.",
            id="more-days-than-are-named",
        ),
    ],
)
def test_a_failed_check_in_one_line(check: FailedCheck, line: str) -> None:
    assert describe_check(check, "No key twice.").plain == line


def test_plain_progress_has_a_line_per_start_and_end() -> None:
    def show(console: Console) -> None:
        asset = AssetProgress("raw.raw_users", total=3)
        with PlainView(console) as view:
            view.show(asset)
            asset.state = "running"
            for done in range(4):
                asset.done = done
                view.show(asset)
            asset.state, asset.rows, asset.seconds = "done", 1, 0.5
            view.show(asset)
            asset.state = "checking"
            view.show(asset)
            asset.state, asset.passed = "done", 2
            view.show(asset)

    assert drawn(show) == [
        "raw.raw_users: running",
        "raw.raw_users: 1 row, 0.5 s",
        "raw.raw_users: checking, 1 row, 0.5 s",
        "raw.raw_users: 1 row, 0.5 s, checks: 2 passed",
    ]


def test_live_progress_has_a_bar_with_days() -> None:
    def show(console: Console) -> None:
        with LiveView(console) as view:
            view.show(AssetProgress("raw.raw_users", "running", done=2, total=3))
            view.note("waiting for a lock")

    lines = drawn(show, is_terminal=True)
    assert any("waiting for a lock" in line for line in lines)
    assert any("raw.raw_users" in line and "2/3" in line and "running" in line for line in lines)


def test_kpis_of_a_day_in_two_columns() -> None:
    values: dict[str, Any] = dict.fromkeys(DASHBOARD)
    values |= {
        "date": date(2024, 4, 1),
        "total_events": 12345,
        "stickiness": 12.345,
        "avg_power_score": 1055.5,
        "growth_trend": "Stable",
    }
    lines = drawn(lambda console: console.print(kpi_table(values)))
    assert lines[0].split() == ["Activity", "Users"]
    assert lines[1].split() == ["Events", "12,345", "Power", "-"]
    text = "\n".join(lines)
    for part in ("12.3 %", "1,055.50", "Stable", "Growth"):
        assert part in text
    assert "…" not in text
