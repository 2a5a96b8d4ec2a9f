"""The `harvey` command: how it is started, and what is expected of a refusal."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from unittest import mock

# The graph takes its settings when it is first imported: the tests', not those of a command here.
import harvey_pipeline.definitions  # noqa: F401
from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline_tests.builders import FIRMS, HEADERS, USERS, csv_text, landing_file, user_rows

REPOSITORY = Path(__file__).parents[2]
HARVEY = (sys.executable, "-m", "harvey_pipeline")
SMALL_SAMPLE = ("--users", "20", "--firms", "5", "--days", "5", "--events-per-day", "20")

Finished = subprocess.CompletedProcess[str]


SUBJECTS: Final = {"HARVEY_SUBJECTS": "engagement,agents"}
"""Segments rest on these and are always run: where nothing is asked of them they take only time."""


def environment() -> dict[str, str]:
    """Nothing of the pipeline's own settings but which subjects are run, so that defaults show."""
    ours = ("HARVEY_", "_HARVEY_", "DAGSTER_", "PYTHON", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | SUBJECTS | {"PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}


def run_harvey(folder: Path, *arguments: str, **settings: str) -> Finished:
    """The command in a folder, without a terminal."""
    return subprocess.run(
        [*HARVEY, *arguments],
        cwd=folder,
        env=environment() | settings,
        capture_output=True,
        text=True,
        timeout=600,
    )


def harvey_here(folder: Path, *arguments: str, **settings: str) -> Finished:
    """The command in a folder, within this process: a process of its own starts for seconds.

    For commands that only read. The graph is the one that the tests have imported, of all subjects,
    whatever the settings say.
    """
    out, error = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment() | settings, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
    ):
        code = run_command(APP, arguments)
    return Finished(arguments, code, out.getvalue(), error.getvalue())


def assert_refused(finished: Finished, *parts: str) -> None:
    """One message on stderr that holds these parts, and exit code 2."""
    assert finished.returncode == 2, finished.stdout + finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("harvey: ")
    assert finished.stderr.count("\n") == 1
    for part in parts:
        assert part in finished.stderr


def one_day(root: Path, day: str = "2024-04-01", users: int = 10) -> None:
    """A day's three drops in `landing`, without events."""
    landing_file(root, f"users/{day}.csv", csv_text(USERS, *user_rows(users)))
    landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "f1,2024-04-01,10,100"))
    landing_file(root, f"events/{day}.csv", csv_text(HEADERS["events"]))


def wait_until(is_so: Callable[[], bool], within_seconds: float, look_seconds: float = 0.5) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + within_seconds
    while not is_so():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(look_seconds)
