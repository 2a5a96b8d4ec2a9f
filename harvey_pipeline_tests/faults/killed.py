"""`python -m harvey_pipeline_tests.faults.killed POINT COUNT run`: `harvey`, killed at a point.

The process kills itself when it comes to the point for the given time, as nothing else could do it
so exactly.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Point(NamedTuple):
    """Before or after a call of a function, which is named with its module as that calls it."""

    module: str
    function: str
    is_after: bool
    argument: str = ""
    """What the first argument's text has to end with."""


WAREHOUSE: Final = "harvey_pipeline.warehouse.warehouse"
PUBLISHING: Final = "harvey_pipeline.warehouse.publishing"

POINTS: Final[dict[str, Point]] = {
    "dagster_home_half_made": Point(
        "dagster._core.storage.runs.sqlite.sqlite_run_storage", "stamp_alembic_rev", False
    ),
    "drop_parsed": Point("harvey_pipeline.landing.ingestion", "Ingester._finish", True),
    "drops_in_the_ledger": Point("harvey_pipeline.landing.raw_store", "RawStore.ingest", True),
    "table_not_yet_committed": Point(WAREHOUSE, "record_computing", True),
    "table_committed": Point(WAREHOUSE, "Warehouse.write", True),
    "fresh_copy_in_the_making": Point(PUBLISHING, "_stamp", True),
    "fresh_copy_not_yet_seen": Point(PUBLISHING, "_copy_afresh", True),
    "copy_catching_up": Point(PUBLISHING, "_copy_slice", True),
    "copies_about_to_change_places": Point("os", "link", True),
    "copies_half_way_to_change_places": Point("pathlib", "Path.rename", False, "retiring.duckdb"),
}


def kill_at(point: Point, count: int) -> None:
    """Have this process killed when it comes to a point for the given time."""
    owner: Any = importlib.import_module(point.module)
    *path, name = point.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    calls = 0

    def come_to(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            is_meant = not point.argument or str(arguments[0]).endswith(point.argument)
            calls += is_meant
            if is_meant and calls == count and not point.is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **named)
            if is_meant and calls == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    setattr(owner, name, come_to(getattr(owner, name)))


if __name__ == "__main__":
    from harvey_pipeline.cli import main

    kill_at(POINTS[sys.argv[1]], int(sys.argv[2]))
    del sys.argv[1:3]
    sys.exit(main())
