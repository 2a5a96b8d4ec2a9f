"""Dagster's folder: where it is, and what a new one gets."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harvey_pipeline.cli.app import UnusableError

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings

_EVENT_LOG: Final = "harvey_pipeline.graph.event_log"
_FORMER_EVENT_LOG: Final = "harvey_pipeline.event_log"

_DAGSTER_YAML: Final = """\
telemetry:
  enabled: false

# The warehouse takes one writing process at a time.
concurrency:
  runs:
    max_concurrent_runs: 1

# As Dagster's own, in the same files, but several times as fast.
event_log_storage:
  module: harvey_pipeline.graph.event_log
  class: KeptOpenSqliteEventLogStorage
  config:
    base_dir: {events}

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


def prepare_dagster_home(settings: "Settings") -> None:
    """Make sure that Dagster's folder is there; one that is new or empty gets settings of ours."""
    home = find_dagster_home(settings)
    try:
        home.mkdir(parents=True, exist_ok=True)
        settings_file = home / "dagster.yaml"
        if not any(home.iterdir()):
            # A JSON string is a YAML string whatever the path holds.
            events = json.dumps(str(home / "history" / "runs"))
            settings_file.write_text(_DAGSTER_YAML.format(events=events))
        elif settings_file.exists():
            _rename_event_log(settings_file)
    except OSError as error:
        raise UnusableError(
            f"{home} cannot be made: {error.strerror}. Set DAGSTER_HOME or --dagster-home to a "
            f"folder that can be written."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


def _rename_event_log(settings_file: Path) -> None:
    """Name the event log's module as it is called now: other versions called it otherwise."""
    text = settings_file.read_text()
    renamed = text.replace(f"module: {_FORMER_EVENT_LOG}\n", f"module: {_EVENT_LOG}\n")
    if renamed != text:
        settings_file.write_text(renamed)
