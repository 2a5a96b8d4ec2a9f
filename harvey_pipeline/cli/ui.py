"""`harvey ui`: Dagster's UI over the same definitions and the same instance."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from harvey_pipeline.cli.app import (
    DagsterHome,
    Debug,
    EndDate,
    FailedError,
    LandingDir,
    StartDate,
    UnusableError,
    WarehouseFile,
)
from harvey_pipeline.cli.home import prepare_dagster_home
from harvey_pipeline.cli.ports import refuse_taken_port
from harvey_pipeline.cli.show import output, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

_ANSWERS_WITHIN: Final = 120.0
_POLL_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 30.0
"""How often it is looked for runs whose process is gone, and for days that are new."""


def open_ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Open Dagster's UI, with its daemon; Ctrl-C stops it."""
    from harvey_pipeline.settings import SettingsError, read_settings

    try:
        settings = read_settings()
    except SettingsError as error:
        raise UnusableError(str(error)) from error
    refuse_unusable_warehouse(settings)
    # Dagster's daemon goes on where its webserver cannot start, and whatever listens there already
    # would be taken for it.
    refuse_taken_port(host, port)
    prepare_dagster_home(settings)
    dagster = Path(sys.executable).with_name("dagster")
    if not dagster.exists():
        raise UnusableError(
            f"{dagster} does not exist. Install dagster-webserver with this package."
        )
    environment = os.environ | {
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # Its processes import this package, which may be a checkout that is not installed.
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
    }
    if not debug:
        environment.setdefault("PYTHONWARNINGS", "ignore")
    command = [str(dagster), "dev", "-m", "harvey_pipeline.definitions"]
    address = f"http://{host}:{port}"
    with _dead_runs_reported(), _calendar_kept(address):
        process = subprocess.Popen([*command, "--host", host, "--port", str(port)], env=environment)
        return _attend(process, address)


@contextmanager
def _dead_runs_reported() -> Iterator[None]:
    """Report runs whose process is gone as failed, now and then: they hold up those queued."""
    import dagster as dg

    from harvey_pipeline.graph.dead_runs import report_dead_runs

    def look() -> None:
        with dg.DagsterInstance.get() as instance:
            report_dead_runs(instance)

    look()
    with _now_and_then(look):
        yield


@contextmanager
def _calendar_kept(address: str) -> Iterator[None]:
    """Have the code location loaded again when drops arrive that change the calendar."""
    from harvey_pipeline.definitions import CALENDAR, SUBJECTS, sources_of
    from harvey_pipeline.graph.calendar import read_calendar
    from harvey_pipeline.settings import read_settings

    known = [CALENDAR]

    def look() -> None:
        found = read_calendar(read_settings(), sources_of(SUBJECTS))
        if found != known[0]:
            _reload(address)
            known[0] = found

    with _now_and_then(look):
        yield


def _reload(address: str) -> None:
    """Ask the UI to load the definitions again.

    Raises:
        OSError: The UI does not answer.
    """
    question = {"query": "mutation { reloadWorkspace { __typename } }"}
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_ANSWERS_WITHIN):
        pass


@contextmanager
def _now_and_then(look: Callable[[], None]) -> Iterator[None]:
    """Look every half minute, in a thread of its own, until it is over."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            # What cannot be read now may be read the next time.
            with suppress(Exception):
                look()

    watcher = threading.Thread(target=go_on, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _attend(process: subprocess.Popen[bytes], address: str) -> int:
    """Pass signals on to the UI, say when it answers, and wait for its end.

    Raises:
        FailedError: It ended without having been told to.
    """
    stopped_by: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped_by.append(number)
        if process.poll() is None:
            process.send_signal(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if _wait_until_it_answers(process, address):
            say(output(), f"Dagster's UI is at {address}. Ctrl-C stops it.")
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped_by:
        return 128 + stopped_by[0]
    # Dagster reports success even where its webserver or its daemon was killed.
    raise FailedError(
        "Dagster's UI has ended by itself; what is printed above says why. Start it again with "
        "`harvey ui`: what is due by then will be run."
    )


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: str) -> bool:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=_POLL_SECONDS):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_SECONDS)
    return False
