"""What decides in the drop of a day of receipt which lines count: as the batch path has it."""

import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from harvey_pipeline.landing.coverage import bulk_covers
from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones, tombstones_path
from harvey_pipeline.landing.files import SourceFiles, find_files
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.places import Stamp, stamp_now
from harvey_pipeline.live.reading import SOURCE
from harvey_pipeline.live.streaming import RulesOf
from harvey_pipeline.settings import Settings


def rules_of_days(landing: Path, settings: Settings) -> RulesOf:
    """The rules of a day's drop."""

    def rules_of(day: date) -> DropRules:
        files = find_files(landing, SOURCE)
        return DropRules(day, _start(landing, settings, day), _covered_by_bulk(files, day))

    return rules_of


def tombstones_of(warehouse: Path) -> Callable[[], Tombstones]:
    """The tombstones beside a warehouse as they are now; the file is read when it has changed.

    Raises:
        TombstoneError: When asked, where it is no file of tombstones.
    """
    path = tombstones_path(warehouse)
    known: tuple[Stamp | None, Tombstones] = (None, NO_TOMBSTONES)

    def read() -> Tombstones:
        nonlocal known
        try:
            stamp = stamp_now(path)
        except FileNotFoundError:
            return NO_TOMBSTONES
        if stamp != known[0]:
            known = (stamp, Tombstones.read(path))
        return known[1]

    return read


def _start(landing: Path, settings: Settings, day: date) -> date:
    """The first day of the calendar, or one that is as good as far as a day's drop can reach.

    Without HARVEY_START_DATE it is the first of all drops; bulk exports reach back before them.
    """
    if settings.start_date is not None:
        return settings.start_date
    has_bulk = any(path.is_file() and not path.name.startswith(".") for path in landing.iterdir())
    earliest = day - timedelta(days=SOURCE.late_days)
    return earliest if has_bulk else min(_days_of_drops(landing), default=day)


def _days_of_drops(landing: Path) -> list[date]:
    """The days of the drops of all sources."""
    days = []
    for path in (*landing.glob("*/????-??-??.*"), *landing.glob("*/????-??-??/")):
        try:
            days.append(date.fromisoformat(path.name[:10]))
        except ValueError:
            continue
    return days


def _covered_by_bulk(files: SourceFiles, day: date) -> frozenset[date]:
    """Days before, within reach of late events, for which a bulk export stands."""
    if files.bulk is None:
        return frozenset()
    late = [day - timedelta(days=back) for back in range(1, SOURCE.late_days + 1)]
    with tempfile.TemporaryDirectory(prefix="harvey-stream-") as scratch:
        root = Path(scratch)
        (root / "bulk").mkdir()
        return frozenset(
            one for one in late if one not in files.drops and bulk_covers(files, root, one)
        )
