"""Alerts of a failed `harvey run`, by Dagster's own daemon."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvey_pipeline.definitions import defs
from harvey_pipeline_tests.builders import landing_file
from harvey_pipeline_tests.cli.commands import environment, one_day, run_harvey, wait_until
from harvey_pipeline_tests.graph.alert_servers import SECRET, mail_server, webhook_server

CODE = ("-m", "harvey_pipeline.definitions")
LANDING = "landing_sensor"
ALERTS = len([sensor for sensor in defs.sensors or () if sensor.name != LANDING])
WITHIN_SECONDS = 120


@contextmanager
def daemon(folder: Path, settings: dict[str, str]) -> Iterator[None]:
    """Dagster's daemon in a folder, with the processes that it starts."""
    command = Path(sys.executable).with_name("dagster-daemon")
    with (folder / "daemon.log").open("w") as log:
        process = subprocess.Popen(
            [command, "run", *CODE],
            cwd=folder,
            env=environment() | settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def ticks_of(home: Path) -> list[Sequence[Any]]:
    """The ticks of each sensor that had some."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        ticks = [
            instance.get_ticks(state.instigator_origin_id, state.selector_id)
            for state in instance.all_instigator_state()
        ]
    return [some for some in ticks if some]


@pytest.mark.long(100)
def test_a_failed_run_is_told_once_by_each_target_and_again_where_it_was_not_taken(
    tmp_path: Path,
) -> None:
    home = tmp_path / "data" / "dagster_home"
    one_day(tmp_path)
    with webhook_server() as posts, mail_server() as mails:
        settings = {
            "HARVEY_LANDING_DIR": "landing",
            "HARVEY_ALERT_WEBHOOK": posts.address,
            "HARVEY_ALERT_EMAIL_TO": "ops@example.com",
            "HARVEY_ALERT_EMAIL_FROM": "harvey@example.com",
            "HARVEY_SMTP_HOST": "127.0.0.1",
            "HARVEY_SMTP_PORT": str(mails.port),
            "HARVEY_SMTP_STARTTLS": "false",
            "DAGSTER_HOME": str(home),
            "PYTHONWARNINGS": "ignore",
        }
        done = run_harvey(tmp_path, "run", **settings)
        assert done.returncode == 0, done.stderr
        # The landing sensor would compute what is due as well: another run that fails, and is told.
        for command in (["start", "--start-all"], ["stop", LANDING]):
            subprocess.run(
                [Path(sys.executable).with_name("dagster"), "sensor", *command, *CODE],
                cwd=tmp_path,
                env=environment() | settings,
                check=True,
                capture_output=True,
            )

        with daemon(tmp_path, settings):
            wait_until(lambda: len(ticks_of(home)) == ALERTS, WITHIN_SECONDS)
            posts.statuses = [503]
            landing_file(tmp_path, "users/2024-04-01.csv", "id,title\nu1,Partner\n")
            assert run_harvey(tmp_path, "run", **settings).returncode == 2
            wait_until(lambda: bool(posts.texts), WITHIN_SECONDS)
            wait_until(lambda: all(len(ticks) >= 3 for ticks in ticks_of(home)), WITHIN_SECONDS)
        failures = [
            tick.error.to_string()
            for ticks in ticks_of(home)
            for tick in ticks
            if tick.error is not None
        ]
        [text] = posts.texts
        assert mails.subjects == ["run daily of 2024-04-01 failed"]
    assert text.startswith("*run daily of 2024-04-01 failed*\nFailed since ")
    assert len(failures) == 1
    assert "did not take the alert: it answered 503" in failures[0]
    assert SECRET not in failures[0] + (tmp_path / "daemon.log").read_text()
    assert "LandingError: users/2024-04-01.csv lacks the column created." in text
