"""Runs whose process was killed: Dagster goes on showing them as at work, and counts them as such.

A run that nobody ends takes the place of the one run at a time that the queue lets through.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from harvey_pipeline.graph.sign_of_life import taken_if_dead

DEAD_TAG: Final = "harvey/process_gone"
"""Marks a run that ended with its process, and so says nothing against what it was to do."""

_STARTS_WITHIN: Final = timedelta(minutes=3)
"""A process that was asked for needs some seconds until it says that the run has started."""

_GONE: Final = (
    "The process of this run is gone: it was killed, or the machine went down. What it had "
    "committed stays; run the same days again."
)
_NEVER_CAME: Final = (
    f"The process of this run has not started within {_STARTS_WITHIN.seconds // 60} minutes: it "
    "was killed while it loaded, or what was to start it was. Run the same days again."
)


def report_dead_runs(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Report those runs as failed whose process is gone; they are returned as they were.

    Nothing is known of runs in an event log other than the pipeline's, so none of them is dead.
    """
    # An instance has imported what it stores events by; what asks nothing of one need not wait.
    from harvey_pipeline.graph.event_log import KeptOpenSqliteEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, KeptOpenSqliteEventLogStorage):
        return []
    dead = []
    at_work = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=at_work)):
        with taken_if_dead(storage.life_of_run(run.run_id)) as is_dead:
            if is_dead:
                _report(instance, run, _GONE)
                dead.append(run)
    before = datetime.now(UTC) - _STARTS_WITHIN
    starting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=before)
    for run in instance.get_runs(starting):
        _report(instance, run, _NEVER_CAME)
        dead.append(run)
    return dead


def _report(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    instance.add_run_tags(run.run_id, {DEAD_TAG: "true"})
    instance.report_run_failed(run, message)
