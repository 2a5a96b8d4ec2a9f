"""Alerts of a failed `harvey run`, by Dagster's own daemon."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline_tests.builders import landing_file
from harvey_pipeline_tests.cli.commands import environment, one_day, run_harvey
from harvey_pipeline_tests.graph.alert_servers import mail_server, webhook_server

CODE = ("-m", "harvey_pipeline.definitions")
SENSORS = ("failed_runs_by_webhook", "failed_checks_by_webhook", "failed_runs_by_email")
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


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.5)


@pytest.mark.long
def test_a_failed_run_is_told_once_by_each_target(tmp_path: Path) -> None:
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
        }
        done = run_harvey(tmp_path, "run", **settings)
        assert done.returncode == 0, done.stderr
        dagster = Path(sys.executable).with_name("dagster")
        for sensor in SENSORS:
            subprocess.run(
                [dagster, "sensor", "start", *CODE, sensor],
                cwd=tmp_path,
                env=environment() | settings,
                check=True,
                capture_output=True,
            )

        def count_ticks() -> int:
            """How many ticks there were of the sensor that had fewest."""
            with dg.DagsterInstance.from_config(str(home)) as instance:
                states = instance.all_instigator_state()
                assert len(states) == len(SENSORS)
                return min(
                    len(instance.get_ticks(one.instigator_origin_id, one.selector_id))
                    for one in states
                )

        with daemon(tmp_path, settings):
            wait_until(lambda: count_ticks() >= 1)
            landing_file(tmp_path, "users/2024-04-01.csv", "id,title\nu1,Partner\n")
            assert run_harvey(tmp_path, "run", **settings).returncode == 2
            wait_until(lambda: bool(posts.texts and mails.messages))
            ticks = count_ticks()
            wait_until(lambda: count_ticks() > ticks)
        [text] = posts.texts
        assert mails.subjects == ["run daily of 2024-04-01 failed"]
    assert text.startswith("*run daily of 2024-04-01 failed*\nFailed since ")
    assert "LandingError: users/2024-04-01.csv lacks the column created." in text
