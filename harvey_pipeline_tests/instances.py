"""A Dagster instance for runs in process whose result and warehouse are all that is looked at."""

import os
from functools import cache

import dagster as dg


@cache
def forgetful_instance() -> dg.DagsterInstance:
    """An instance, one a process, that stores no events: that takes most of a small run's time.

    A run's result has its events from the run itself, never from what was stored. An asset that
    stored its values in the instance's folder, where another run might find them, would fail.
    """
    made = dg.DagsterInstance.ephemeral(tempdir=os.devnull)
    storage = made.event_log_storage
    storage.store_event = _forget  # type: ignore[method-assign]
    # Each step asks for the latest version of what it reads.
    storage.get_asset_records = _know_no_asset  # type: ignore[method-assign]
    storage.fetch_observations = _know_no_event  # type: ignore[method-assign]
    return made


def _forget(event: dg.EventLogEntry) -> None:
    pass


def _know_no_asset(*_: object, **__: object) -> tuple[()]:
    return ()


def _know_no_event(*_: object, **__: object) -> dg.EventRecordsResult:
    return dg.EventRecordsResult(records=(), cursor="", has_more=False)
