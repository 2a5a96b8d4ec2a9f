"""`harvey` as a process that kills or stops itself when it comes to a point for the nth time.

    python -m harvey_pipeline_tests.faults.at_point POINT COUNT SIGNAL run

Nothing from outside could do that so exactly.
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


PARTS: Final = "harvey_pipeline.landing.parts"
WAREHOUSE: Final = "harvey_pipeline.warehouse.warehouse"
CONSUMER: Final = "harvey_pipeline.live.consumer"
BACKUP: Final = "harvey_pipeline.warehouse.backup"
PUBLISHING: Final = "harvey_pipeline.warehouse.publishing"

POINTS: Final[dict[str, Point]] = {
    "dagster_home_half_made": Point(
        "dagster._core.storage.runs.sqlite.sqlite_run_storage", "stamp_alembic_rev", False
    ),
    "run_about_to_begin": Point("harvey_pipeline.cli.run", "_run_planned", False),
    "drop_about_to_be_read": Point(PARTS, "judge", False),
    "drop_read": Point(PARTS, "settle_duplicates", False),
    "part_staged": Point("harvey_pipeline.landing.stages", "StageFiles.write", True),
    "drop_parsed": Point("harvey_pipeline.landing.day_files", "DayFiles.write", True),
    "drops_in_the_ledger": Point("harvey_pipeline.landing.raw_store", "RawStore.ingest", True),
    "table_not_yet_committed": Point(WAREHOUSE, "record_computing", True),
    "table_committed": Point(WAREHOUSE, "Warehouse.write", True),
    "fresh_copy_in_the_making": Point(PUBLISHING, "_stamp", True),
    "fresh_copy_not_yet_seen": Point(PUBLISHING, "_copy_afresh", True),
    "copy_catching_up": Point(PUBLISHING, "_copy_slice", True),
    "copies_about_to_change_places": Point("os", "link", True),
    "stream_lines_read": Point(CONSUMER, "read_lines", True),
    "stream_lines_appended": Point(
        "harvey_pipeline.live.landing_folder", "LandingWriter.append", True
    ),
    "stream_sums_changed": Point(CONSUMER, "apply_lines", True),
    "backup_half_copied": Point(BACKUP, "_copied", True),
    "backup_not_yet_named": Point(BACKUP, "verify_files", True),
    "backup_half_brought": Point(BACKUP, "_bring", True),
    "backup_about_to_take_its_place": Point(BACKUP, "_take_place", False),
    "backup_in_its_place": Point(BACKUP, "_take_place", True),
    "copies_half_way_to_change_places": Point("pathlib", "Path.rename", False, "retiring.duckdb"),
}


def command(point: str, count: int = 1, sent: signal.Signals = signal.SIGKILL) -> tuple[str, ...]:
    """The command that is `harvey`, but for what befalls it."""
    assert point in POINTS
    return (sys.executable, "-m", __spec__.name, point, str(count), sent.name)


def send_at(point: Point, count: int, sent: signal.Signals) -> None:
    """Have this process sent a signal when it comes to a point for the given time."""
    owner: Any = importlib.import_module(point.module)
    *path, name = point.function.split(".")
    for part in path:
        owner = getattr(owner, part)
    calls = 0

    def come_to(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += not point.argument or str(arguments[0]).endswith(point.argument)
            is_now = calls == count
            if is_now and not point.is_after:
                os.kill(os.getpid(), sent)
            result = function(*arguments, **named)
            if is_now and point.is_after:
                os.kill(os.getpid(), sent)
            return result

        return call

    setattr(owner, name, come_to(getattr(owner, name)))


if __name__ == "__main__":
    from harvey_pipeline.cli import main

    send_at(POINTS[sys.argv[1]], int(sys.argv[2]), signal.Signals[sys.argv[3]])
    del sys.argv[1:4]
    main()
