"""Which of Dagster's recorded runs still say something, and how the others are removed.

A run is superseded once every partition that it materialised or planned was materialised or
planned again, and every check that it evaluated was evaluated again. The UI then shows nothing of
it but the run itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from harvey_pipeline.graph.event_log import KeptOpenSqliteEventLogStorage


class PruningError(Exception):
    """A Dagster instance whose runs cannot be pruned; the message says what to do."""


@dataclass(frozen=True)
class Prunable:
    """The finished runs of an instance: those that are superseded, and how many others there are.

    The newest run of every job is kept whatever came of it.
    """

    superseded: Sequence[dg.DagsterRun]
    kept: int


def find_prunable(instance: dg.DagsterInstance) -> Prunable:
    """Look through the recorded runs; nothing is changed.

    Raises:
        PruningError: The instance does not use the pipeline's event log.
    """
    needed = _event_log(instance).newest_runs()
    superseded = []
    kept = 0
    jobs_seen: set[str] = set()
    # Newest first.
    for run in instance.get_runs():
        is_newest = run.job_name not in jobs_seen
        jobs_seen.add(run.job_name)
        if is_newest or not run.is_finished or run.run_id in needed:
            kept += 1
        else:
            superseded.append(run)
    return Prunable(superseded, kept)


def prune(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> None:
    """Remove runs with all their events, and give the space back.

    Killed in between it has removed some of them, and the next call removes the rest.
    """
    event_log = _event_log(instance)
    for run in runs:
        # The run itself goes last: as long as it is there, it is found again.
        event_log.forget_run(run.run_id)
        instance.run_storage.delete_run(run.run_id)
    event_log.compact()


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _event_log(instance: dg.DagsterInstance) -> KeptOpenSqliteEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, KeptOpenSqliteEventLogStorage):
        raise PruningError(
            f"dagster.yaml names {type(storage).__name__} as its event log. Only a folder that "
            f"`harvey run` or `harvey ui` has set up can be pruned; remove runs in the UI."
        )
    return storage
