"""`harvey run` as a user meets it: exit codes, messages, files, and what a pipe gets."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    HEADERS,
    USERS,
    csv_text,
    landing_file,
    user_rows,
)
from harvey_pipeline_tests.cli.commands import (
    HARVEY,
    SMALL_SAMPLE,
    assert_refused,
    environment,
    one_day,
    run_harvey,
)
from harvey_pipeline_tests.cli.conftest import Computed, Harvey
from harvey_pipeline_tests.pipelines import Pipeline, assert_same_tables

LEFT_OUT = "Left out: agents, of which the landing folder has nothing\n"
"""Said first of a landing folder that has one subject's drops only."""


def test_a_run_of_all_days_found(tmp_path: Path, harvey: Harvey) -> None:
    spec = SampleSpec(users=20, firms=5, days=2, events_per_day=20, dirty=0)
    write_sample(tmp_path / "data" / "landing", spec)
    finished = harvey("run")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    assert (
        "Running 2024-04-01 to 2024-04-02 (2 days in 1 month) of data/landing\n" in finished.stdout
    )
    assert finished.stdout.count("\nraw.raw_events ") == 1
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
        # The UI hides tags that begin like this.
        shown = {tag for tag in run.tags if not tag.startswith(".dagster/")}
        ends = {f"dagster/asset_partition_range_{end}" for end in ("start", "end")}
        assert shown == ends | {"harvey/due"}
    published = str(tmp_path / "data" / "warehouse.published.duckdb")
    with duckdb.connect(published, read_only=True) as connection:
        for name in ("marts.harvey_analytics_dashboard", "months.user_engagement"):
            assert connection.sql(f"from {name}").fetchall(), name


def keys_of(run: dg.DagsterRun) -> tuple[str, str]:
    """The first and the last partition of a run."""
    ends = ("start", "end")
    first, last = (run.tags[f"dagster/asset_partition_range_{end}"] for end in ends)
    return first, last


@pytest.mark.long
def test_a_range_completes_the_day_before_it(tmp_path: Path, harvey: Harvey) -> None:
    """The drop of 3 April brings an event of the 2nd, which was run before."""
    days = [f"2024-04-0{number}" for number in range(1, 5)]
    for day in days:
        one_day(tmp_path, day)
        events = [
            f"{day} 09:00:00,f1,u1,VAULT,1,5,{day}",
            "2024-04-02 23:00:00,f1,u2,VAULT,2,4,late",
        ]
        taken = events if day == days[2] else events[:1]
        landing_file(tmp_path, f"events/{day}.csv", csv_text(EVENTS_WITH_ID, *taken))
    folders = {name: tmp_path / name for name in ("at_once", "in_two")}
    for name, *ranges in (
        ("at_once", ()),
        ("in_two", ("--to", days[1]), ("--from", days[2], "--to", days[3])),
    ):
        for bounds in ranges:
            warehouse = f"{name}/warehouse.duckdb"
            finished = harvey("run", "--landing-dir", "landing", "--warehouse", warehouse, *bounds)
            assert finished.returncode == 0, finished.stdout + finished.stderr
            assert "figures_are_current" not in finished.stdout
            assert "not run" not in finished.stdout
    assert finished.stdout.startswith(
        f"{LEFT_OUT}Running 2024-04-03 to 2024-04-04 (2 days in 1 month) of landing; "
        "of engagement from 2024-04-02 on, which its drops may complete\n"
    )
    first = date(2024, 4, 1)
    in_two, at_once = (
        Pipeline(tmp_path / "landing", folders[name], first) for name in ("in_two", "at_once")
    )
    assert_same_tables(in_two.tables(), at_once.tables())
    totals = {
        row["date"].day: row["total_events"] for row in in_two.rows("marts.daily_event_summary")
    }
    assert totals == {1: 1, 2: 2, 3: 1, 4: 1}


@pytest.mark.long
def test_a_range_completes_of_each_subject_the_days_that_its_own_records_reach(
    tmp_path: Path, computed: Computed
) -> None:
    """An event may be a day late, a draft may be reviewed within 30 days.

    The drop of events of 2 April changed too; it is not asked for, nor is what rests on it.
    """
    folder = tmp_path / "copy"
    shutil.copytree(computed.folder, folder)
    last = ("--from", "2024-04-05")
    assert run_harvey(folder, "run", *last).stdout == (
        "Nothing is due: 2024-04-05 (1 day in 1 month) of data/landing; "
        "of engagement from 2024-04-04 on, of agents from 2024-04-01 on, "
        "which its drops may complete\n"
    )
    changed = (("events", "02"), ("events", "05"), ("agent_approvals", "02"))
    for source, day in changed:
        [drop] = (folder / "data" / "landing" / source).glob(f"2024-04-{day}.*")
        drop.write_bytes(drop.read_bytes().rstrip().rpartition(b"\n")[0] + b"\n")
    told = json.loads(run_harvey(folder, "run", *last, "--json").stdout)
    begin: dict[str, str] = {}
    for one in told["due"]:
        if one["kind"] == "daily":
            begin[one["subject"]] = min(one["first"], begin.get(one["subject"], one["first"]))
    assert begin == {"engagement": "2024-04-04", "agents": "2024-04-01"}
    loaded = [due["day"] for one in told["due"] for due in one["tables"].get("raw.raw_events", ())]
    assert loaded == ["2024-04-05"]


@pytest.mark.long
def test_the_first_day_of_the_calendar_has_no_day_before_it(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    finished = harvey("run", "--landing-dir", "landing", "--from", "2024-04-01")
    assert finished.returncode == 0
    running = "Running 2024-04-01 (1 day in 1 month) of landing\n"
    assert finished.stdout.startswith(LEFT_OUT + running)


@pytest.mark.long
def test_files_that_nothing_reads_are_named(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path)
    landing_file(tmp_path, "notes.txt", "for later")
    landing_file(tmp_path, "events/2024-4-2.csv", csv_text(HEADERS["events"]))
    landing_file(tmp_path, ".hidden", "")
    finished = harvey("run", "--landing-dir", "landing")
    assert finished.returncode == 0
    (line,) = (one for one in finished.stdout.splitlines() if one.startswith("Nothing reads "))
    assert "notes.txt" in line
    assert "events/2024-4-2.csv" in line
    assert "hidden" not in line


@pytest.mark.long
def test_dagsters_folder_of_the_former_version_is_taken_over(
    tmp_path: Path, harvey: Harvey
) -> None:
    """Its settings name the event log's module as it was called then."""
    one_day(tmp_path)
    assert harvey("run", "--landing-dir", "landing").returncode == 0
    home = tmp_path / "data" / "dagster_home"
    settings = home / "dagster.yaml"
    now = settings.read_text()
    former = now.replace("harvey_pipeline.graph.event_log", "harvey_pipeline.event_log")
    assert former != now
    settings.write_text(former)
    finished = harvey("run", "--all", "--landing-dir", "landing")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert settings.read_text() == now
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [(run.job_name, run.status) for run in instance.get_runs()]
    # What is due is run in three parts, everything in two.
    names = 3 * ["daily"] + 2 * ["monthly"]
    assert sorted(runs) == [(name, dg.DagsterRunStatus.SUCCESS) for name in names]
    assert harvey("checks", "--failed").returncode == 0


@pytest.mark.long
def test_a_failed_blocking_check_is_named_with_its_days(tmp_path: Path, harvey: Harvey) -> None:
    one_day(tmp_path, "2024-04-01", users=10)
    one_day(tmp_path, "2024-04-02", users=10)
    run = ("run", "--landing-dir", "landing", "--warehouse", "store/w.duckdb")
    assert harvey(*run).returncode == 0
    [stored] = (tmp_path / "store" / "w.raw" / "raw_users").glob("2024-04-02-*.parquet")
    # What the file says of itself stays: without it the drop would be parsed once more.
    told = pl.read_parquet_metadata(stored)
    pl.read_parquet(stored).head(9).write_parquet(
        stored, metadata={name: told[name] for name in told if name != "ARROW:schema"}
    )
    finished = harvey(*run, "--all")
    assert finished.returncode == 1, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("blocking"))
    assert line.startswith("blocking raw.raw_users rows_are_conserved: 2024-04-02")
    for name in ("core.dim_user", "months.user_engagement"):
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        assert line.endswith("  not run")
    assert "Failed in " in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert (tmp_path / "store" / "w.duckdb").exists()
    assert (tmp_path / "store" / "w.published.duckdb").exists()
    # It is due until it passes, and nothing that reads it is run before.
    again = harvey(*run)
    assert again.returncode == 1
    assert "users held back by rows_are_conserved" in again.stdout.splitlines()[2]
    assert "marts." not in "".join(one for one in again.stdout.splitlines() if "passed" in one)


@pytest.mark.long
def test_an_error_that_blocks_nothing_fails_what_was_computed(
    tmp_path: Path, harvey: Harvey
) -> None:
    one_day(tmp_path)
    users = csv_text(USERS, *user_rows(9), ",2024-04-01,Partner")
    landing_file(tmp_path, "users/2024-04-01.csv", users)
    finished = harvey("run", "--landing-dir", "landing")
    assert (finished.returncode, finished.stderr) == (1, ""), finished.stdout
    lines = finished.stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("error"))
    assert line.startswith("error    raw.raw_users few_rows_are_rejected: 2024-04-01")
    assert any(line.startswith("Computed, but 1 check failed in ") for line in lines)
    assert "KPIs of 2024-04-01" in lines
    assert "not run" not in finished.stdout
    assert "Done" not in finished.stdout


@pytest.mark.long
def test_a_shrunken_snapshot_holds_nothing_up(tmp_path: Path, harvey: Harvey) -> None:
    for day, users in (("2024-04-01", 10), ("2024-04-02", 1), ("2024-04-03", 10)):
        one_day(tmp_path, day, users=users)
    finished = harvey("run", "--landing-dir", "landing")
    assert (finished.returncode, finished.stderr) == (1, ""), finished.stdout
    lines = finished.stdout.splitlines()
    (line,) = (line for line in lines if line.startswith("error"))
    assert line.startswith("error    raw.raw_users snapshot_is_not_shrunken: 2024-04-02. users/")
    assert any(line.startswith("Computed, but 1 check failed in ") for line in lines)
    assert "KPIs of 2024-04-03" in lines
    assert "not run" not in finished.stdout


@pytest.mark.long
def test_kpis_are_of_the_last_day_with_a_usual_volume(tmp_path: Path, harvey: Harvey) -> None:
    """Six Mondays are delivered, of which the last one is cut off; nothing comes between them."""
    for week, count in enumerate((40, 10, 20, 30, 24, 3)):
        day = date(2024, 4, 1) + timedelta(weeks=week)
        one_day(tmp_path, str(day))
        events = [f"{day} 09:00:{second:02},f1,u1,VAULT,1,5" for second in range(count)]
        landing_file(tmp_path, f"events/{day}.csv", csv_text(HEADERS["events"], *events))
    finished = harvey("run", "--landing-dir", "landing")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    place = lines.index("KPIs of 2024-04-29")
    # Of 10, 20, 30 and 24 the median is 22.
    told = "2024-05-06, the last day run, has 3 events, where 22 are usual."
    assert lines[place + 1 : place + 3] == [told, ""]
    assert lines[place + 4].split()[:2] == ["Events", "24"]


@pytest.mark.long
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
    (line,) = (line for line in finished.stdout.splitlines() if line.startswith("failed "))
    assert line.startswith("failed   raw.raw_events: events/2024-04-01.csv lacks the columns")
    assert "Not executing" not in finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
    assert (home / "history").is_dir()
    assert not (home / "dagster.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        pytest.param(("--from", "2024-13-01"), ("--from 2024-13-01 is no day",), id="no-date"),
        pytest.param(
            ("--from", "2024-03-31"),
            ("lies outside the calendar", "--start-date"),
            id="too-early",
            marks=pytest.mark.long,
        ),
        pytest.param(
            ("--to", "2024-04-03"),
            ("lies outside the calendar",),
            id="too-late",
            marks=pytest.mark.long,
        ),
        pytest.param(
            ("--from", "2024-04-02", "--to", "2024-04-01"),
            ("the range ends (2024-04-01) before it starts (2024-04-02)",),
            id="reversed",
            marks=pytest.mark.long,
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


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held'); sys.stdin.read()"


@pytest.mark.long
def test_a_warehouse_that_stays_locked_is_waited_for_once_and_told_once(
    tmp_path: Path, harvey: Harvey
) -> None:
    one_day(tmp_path)
    warehouse = tmp_path / "w.duckdb"
    duckdb.connect(str(warehouse)).close()
    run = ("run", "--landing-dir", "landing", "--warehouse", "w.duckdb")
    with subprocess.Popen(
        [sys.executable, "-u", "-c", HOLD, str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        finished = harvey(*run, HARVEY_LOCK_TIMEOUT_SECONDS="3")
    assert (finished.returncode, finished.stdout) == (1, "")
    waiting, failed = finished.stderr.splitlines()
    assert waiting.startswith("waiting for w.duckdb: ")
    assert failed.startswith("harvey: w.duckdb is still locked after 3 s: ")
    assert f"PID {holder.pid}" in failed


@pytest.mark.long
def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    write_sample(tmp_path / "data" / "landing", SampleSpec(days=20))
    with subprocess.Popen(
        [*HARVEY, "run"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("raw.raw_events "):
                process.send_signal(signal.SIGINT)
        message = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert message.startswith("harvey: interrupted.")
    assert message.count("\n") == 1


@pytest.mark.long
def test_a_killed_run_is_marked_as_failed_by_the_next(tmp_path: Path, harvey: Harvey) -> None:
    write_sample(tmp_path / "data" / "landing", SampleSpec(days=5, dirty=0))
    with subprocess.Popen(
        [*HARVEY, "run"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("raw.raw_events "):
                process.kill()
    home = str(tmp_path / "data" / "dagster_home")
    with dg.DagsterInstance.from_config(home) as instance:
        [killed] = instance.get_runs()
    assert killed.status is dg.DagsterRunStatus.STARTED
    finished = harvey("run")
    assert (finished.returncode, finished.stderr) == (0, ""), finished.stdout
    told = f"Marked as failed, for its process is gone: run {killed.run_id}\n"
    assert told in finished.stdout
    with dg.DagsterInstance.from_config(home) as instance:
        found = {run.run_id: run.status for run in instance.get_runs()}
    assert found.pop(killed.run_id) is dg.DagsterRunStatus.FAILURE
    assert set(found.values()) == {dg.DagsterRunStatus.SUCCESS}
    assert "Marked as failed" not in harvey("run").stdout


@pytest.mark.long
def test_a_pipe_gets_a_line_for_each_asset_then_warnings_then_kpis(computed: Computed) -> None:
    assert (computed.finished.returncode, computed.finished.stderr) == (0, "")
    lines = computed.finished.stdout.splitlines()
    assets = [line for line in lines if line.endswith(("passed", "warned"))]
    assert len({line.split()[0] for line in assets}) == len(assets) >= 18
    # Of many warnings the first ones are named.
    assert sum("harvey checks --failed" in line for line in lines) == 1
    warned = [line for line in lines if line.startswith("warning ")]
    assert "warning  raw.raw_events few_rows_are_rejected: 4 days, last 2024-04-05" in [
        line.partition(". ")[0] for line in warned
    ]
    done = next(line for line in lines if line.startswith("Done in "))
    order = [lines.index(line) for line in (*assets, *warned, "KPIs of 2024-04-05", done)]
    assert order == sorted(order)


@pytest.mark.long
def test_a_terminal_of_80_columns_shows_bars_names_and_counts_uncut(computed: Computed) -> None:
    drawn = seen_at_terminal(computed.folder, "run", "--all")
    lines = drawn.splitlines()
    assert max(map(len, lines)) <= 80
    # What a warning found may be cut, for it can be read in full.
    uncut = [line for line in lines if not line.startswith("warning ")]
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in uncut)
    for name in ("marts.daily_firm_usage_summary", "marts.harvey_analytics_dashboard"):
        bars = [line.split() for line in lines if f" {name} " in line and "5/5" in line]
        assert any(set(bar) == {"\N{BOX DRAWINGS HEAVY HORIZONTAL}"} for _, _, bar, *_ in bars)
        assert any(line.split()[:1] == [name] for line in lines), "in the table at the end"
    assert any(line.startswith("Done in ") for line in lines)


def seen_at_terminal(folder: Path, *arguments: str) -> str:
    """All lines that the command writes to a terminal of 80 x 24, redrawn ones included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [*HARVEY, *arguments],
        cwd=folder,
        env=environment() | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        pieces = []
        # Linux ends a terminal that nobody writes to any more with an error.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        os.close(ours)
        assert process.wait(timeout=60) == 0
    text = b"".join(pieces).decode()
    # A command to the terminal that moves the cursor begins a line of what is seen.
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "\n", re.sub(r"\x1b\[[0-9;]*m", "", text))


# --- what is due ---------------------------------------------------------------------------------


@pytest.mark.long
def test_a_run_says_first_what_is_due_and_why_and_then_that_nothing_is(
    tmp_path: Path, harvey: Harvey
) -> None:
    one_day(tmp_path)
    one_day(tmp_path, "2024-04-02")
    status = harvey("status", "--landing-dir", "landing")
    assert status.returncode == 0, status.stderr
    # Nothing is made by looking but what spares the next look.
    assert not (tmp_path / "data" / "warehouse.duckdb").exists()
    told = [
        "  2024-04-01 to 2024-04-02: users drop arrived, firms drop arrived, events drop arrived; "
        "2 days of core and marts follow, 2024-04-01 to 2024-04-02",
        "  1 month follows, 2024-04",
    ]
    finished = harvey("run", "--landing-dir", "landing")
    assert finished.returncode == 0, finished.stderr
    for lines in (status.stdout.splitlines(), finished.stdout.splitlines()):
        assert lines[2:4] == told
    # As if that run had been killed before it published.
    (tmp_path / "data" / "warehouse.published.duckdb").unlink()
    told = json.loads(harvey("status", "--landing-dir", "landing", "--json").stdout)
    assert told["warehouse"]["is_published_behind"]
    again = harvey("run", "--landing-dir", "landing", "--json")
    assert (again.returncode, json.loads(again.stdout)["due"]) == (0, [])
    assert "Published what an earlier run had computed" in again.stderr
    assert (tmp_path / "data" / "warehouse.published.duckdb").exists()
    assert "Nothing is due: 2024-04-01 to 2024-04-02" in again.stderr
    # One of ten rows is rejected, which is an error of the day's drop and of no figure.
    users = csv_text(USERS, *user_rows(9), "u9,2024-04-01,Associate")
    landing_file(tmp_path, "users/2024-04-02.csv", users)
    status = harvey("status", "--landing-dir", "landing", "--json")
    [raw, *days] = json.loads(status.stdout)["due"]
    assert raw["tables"] == {
        "raw.raw_users": [{"day": "2024-04-02", "reason": "users drop changed", "follows": False}]
    }
    assert {name for some in days for name in some["tables"]} >= {"core.dim_user"}
    assert harvey("run", "--landing-dir", "landing", "--to", "2024-04-01").stdout.startswith(
        f"{LEFT_OUT}Nothing is due: 2024-04-01 (1 day in 1 month)"
    )


@pytest.mark.long
def test_the_status_says_how_a_subject_stands(computed: Computed) -> None:
    finished = run_harvey(computed.folder, "status", "--json")
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert told["due"] == []
    subject, other = told["subjects"]
    assert (subject["subject"], other["subject"]) == ("engagement", "agents")
    assert (subject["first_day"], subject["last_day"]) == ("2024-04-01", "2024-04-05")
    assert subject["last_complete_day"] == "2024-04-05"
    assert subject["missing_drops"] == []
    assert "raw.raw_events few_rows_are_rejected (warning)" in subject["failed_checks"]
    assert told["warehouse"]["bytes"] > 0
    (computed.folder / "data" / "landing" / "events" / "2024-04-05.csv").rename(
        computed.folder / "kept.csv"
    )
    told = json.loads(run_harvey(computed.folder, "status", "--json").stdout)
    (computed.folder / "kept.csv").rename(
        computed.folder / "data" / "landing" / "events" / "2024-04-05.csv"
    )
    subject, _ = told["subjects"]
    assert subject["last_complete_day"] == "2024-04-03"
    assert subject["missing_drops"] == ["events/2024-04-05"]
    [raw, *_] = told["due"]
    assert raw["tables"]["raw.raw_events"][0]["reason"] == "events drop has gone"


@pytest.mark.long
def test_a_calendar_that_starts_after_days_that_were_run_is_refused(
    tmp_path: Path, harvey: Harvey
) -> None:
    for day in ("2024-04-01", "2024-04-02"):
        one_day(tmp_path, day)
    assert harvey("run", "--landing-dir", "landing", "--to", "2024-04-01").returncode == 0
    for command in ("run", "status"):
        finished = harvey(command, "--landing-dir", "landing", "--start-date", "2024-04-02")
        assert_refused(finished, "holds days from 2024-04-01 on", "starts 2024-04-02")


ALL_SUBJECTS = {"HARVEY_SUBJECTS": ""}


@pytest.mark.long
def test_a_subject_that_rests_on_another_is_run_after_it_without_files_too(tmp_path: Path) -> None:
    made = run_harvey(tmp_path, "sample", *SMALL_SAMPLE)
    assert made.returncode == 0, made.stderr
    landing = tmp_path / "data" / "landing"
    for path in landing.iterdir():
        if path.name not in ("users", "firms", "events"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finished = run_harvey(tmp_path, "run", **ALL_SUBJECTS)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (
        "Nothing was delivered of sso_events, employees, licenses, segment_labels, interventions, "
        "which segments can do without"
    ) in finished.stdout
    runs = [line.split(":")[0] for line in finished.stdout.splitlines() if "Run of " in line]
    assert runs.index("Run of daily") < runs.index("Run of segments_daily")
    told = run_harvey(tmp_path, "status", "--json", **ALL_SUBJECTS)
    assert json.loads(told.stdout)["due"] == []
    shown = run_harvey(tmp_path, "segments", **ALL_SUBJECTS)
    assert shown.stdout.startswith("Segments of 2024-04-01, all tenants"), shown.stderr

    # A corrected event of the Monday changes what rests on it, and that alone.
    path = landing / "events" / "2024-04-01.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1].replace("VAULT", "WORKFLOW")]))
    again = run_harvey(tmp_path, "run", "--json", **ALL_SUBJECTS)
    due = json.loads(again.stdout)["due"]
    first = {one["subject"]: one["first"] for one in due if one["kind"] == "daily"}
    assert first["segments"] == "2024-04-01", due
    assert json.loads(run_harvey(tmp_path, "status", "--json", **ALL_SUBJECTS).stdout)["due"] == []
