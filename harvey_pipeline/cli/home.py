"""Dagster's folder: where it is, and what a new one gets."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harvey_pipeline.cli.app import UnusableError, refuse_address

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings

_SETTINGS: Final = "dagster.yaml"
_IN_THE_MAKING: Final = ".in_the_making"
"""What a new folder gets is made in here; left behind, it tells that the making was cut short."""

_EVENT_LOG: Final = "harvey_pipeline.graph.event_log"
_FORMER_EVENT_LOG: Final = "harvey_pipeline.event_log"

_FORMER_PLACE: Final = re.compile(
    r"""^  class: KeptOpenSqliteEventLogStorage
  config:
    base_dir: "(/.*)/history/runs"
""",
    re.MULTILINE,
)
"""The event log's place as other versions have written it, with the folder that they meant."""

_DAGSTER_YAML: Final = """\
telemetry:
  enabled: false

# The warehouse takes one writing process at a time.
concurrency:
  runs:
    max_concurrent_runs: 1

# Days wait for their drops' run, and months for that of days: each is started within a second.
run_queue:
  dequeue_interval_seconds: 1

# As Dagster's own, in the same files of this folder, but several times as fast.
event_log_storage:
  module: harvey_pipeline.graph.event_log
  class: KeptOpenSqliteEventLogStorage

# Tables that are late are shown as late.
freshness:
  enabled: true

# What else Dagster prints of a run is in the event log, and in the UI.
python_logs:
  python_log_level: INFO

# Assets print nothing: what they have to say is in the event log.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def find_dagster_home(settings: "Settings") -> Path:
    """Dagster's folder, which need not exist: the one given, or `dagster_home` by the warehouse."""
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given).expanduser() if given else settings.warehouse.with_name("dagster_home")
    return home.absolute()


def find_recorded_runs(settings: "Settings") -> Path:
    """Dagster's folder, of which something is to be told.

    Raises:
        UnusableError: It holds no runs.
    """
    home = find_dagster_home(settings)
    if not (home / _SETTINGS).exists():
        raise UnusableError(
            f"{home} holds no runs of Dagster. Set DAGSTER_HOME or --dagster-home to the folder "
            f"that `harvey run` used."
        )
    return home


def prepare_dagster_home(settings: "Settings") -> None:
    """Make sure that Dagster's folder is there; one that is new or empty gets settings of ours.

    Killed at any moment it leaves a folder that the next call completes.

    Raises:
        UnusableError: The folder cannot be made or written.
    """
    refuse_address("--dagster-home", os.environ.get("DAGSTER_HOME", ""))
    home = find_dagster_home(settings)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home):
            if not any(home.iterdir()) or (home / _IN_THE_MAKING).exists():
                _fill(home)
            elif (home / _SETTINGS).exists():
                _adapt(home / _SETTINGS)
    except OSError as error:
        raise UnusableError(
            f"{home} cannot be made: {error.strerror}. Set DAGSTER_HOME or --dagster-home to a "
            f"folder that can be written."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same folder waiting."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Where folders cannot be locked, processes that start at once may still collide.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fill(home: Path) -> None:
    """Give a folder its settings and the databases that go with them.

    Dagster makes its databases when they are first opened, and fails where two processes do that
    at once; of one that was killed meanwhile it takes the tables for those of an old version. So
    they are made aside, and moved in when they are whole.
    """
    import dagster as dg

    making = home / _IN_THE_MAKING
    if making.exists():
        shutil.rmtree(making)
    making.mkdir()
    (making / _SETTINGS).write_text(_DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(making)):
        pass
    for made in sorted(making.iterdir()):
        if not (home / made.name).exists():
            made.rename(home / made.name)
    shutil.rmtree(making)


def _adapt(settings_file: Path) -> None:
    """Bring what another version has written up to date.

    The event log's module had another name, and its place was an absolute path: to this folder,
    or to the one from which this folder was moved or copied with the events in it. A path that
    leads elsewhere is the user's own.
    """
    text = settings_file.read_text()
    adapted = text.replace(f"module: {_FORMER_EVENT_LOG}\n", f"module: {_EVENT_LOG}\n")
    place = _FORMER_PLACE.search(adapted)
    if place is not None:
        home = settings_file.parent
        # A JSON string, and in it the path may hold escapes.
        meant = Path(json.loads(f'"{place[1]}"'))
        if meant == home or (home / "history" / "runs" / "index.db").exists():
            kept = "  class: KeptOpenSqliteEventLogStorage\n"
            adapted = adapted[: place.start()] + kept + adapted[place.end() :]
    if adapted != text:
        settings_file.write_text(adapted)
