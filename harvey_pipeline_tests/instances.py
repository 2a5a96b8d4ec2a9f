"""A Dagster instance for runs in process whose result and warehouse are all that is looked at."""

from functools import cache

import dagster as dg


@cache
def forgetful_instance() -> dg.DagsterInstance:
    """An instance, one a process, that stores no events: that takes most of a small run's time.

    A run's result has its events from the run itself, never from what was stored. The pipeline's
    assets store nothing in the instance's folder either, so that no run sees another's.
    """
    made = dg.DagsterInstance.ephemeral()
    made.event_log_storage.store_event = _forget  # type: ignore[method-assign]
    return made


def _forget(event: dg.EventLogEntry) -> None:
    pass
