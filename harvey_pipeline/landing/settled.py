"""Which drops stood still between two looks at the landing folder: the others may still grow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.files import SourceFiles
from harvey_pipeline.landing.places import LandingPath, RemotePath
from harvey_pipeline.landing.scratch import digest


@dataclass(frozen=True)
class Look:
    """When the landing folder was looked at, and the objects that had changed not long before."""

    at_ns: int
    recent: frozenset[str] = frozenset()
    """Each by its address and stamp: one that is seen again stood still in between."""

    @classmethod
    def parse(cls, text: str) -> "Look":
        """The look that a cursor tells."""
        at, *recent = text.split()
        return cls(int(at), frozenset(recent))

    def __str__(self) -> str:
        return " ".join([str(self.at_ns), *sorted(self.recent)])

    def with_recent(self, files: Iterable[SourceFiles]) -> "Look":
        """The look with what it found to have changed not long before."""
        marks = (
            mark
            for one in files
            for delivered in one.paths
            for path in one.files_of(delivered)
            if isinstance(path, RemotePath) and (mark := _mark(path, self.at_ns)) is not None
        )
        return replace(self, recent=frozenset(marks))


def unsettled_drops(
    files: Iterable[SourceFiles], before: Look, now: Look
) -> Iterator[tuple[str, date | None]]:
    """The drops, by source and day, that changed since a look; of a bulk export without a day.

    A folder that says that its parts are all there has no need to stand still.
    """
    for one in files:
        days: list[tuple[LandingPath, date | None]] = [
            (path, day) for day, path in one.drops.items()
        ]
        if one.bulk is not None:
            days.append((one.bulk, None))
        for path, day in days:
            if path in one.complete:
                continue
            if not all(_is_settled(file, before, now) for file in _watched(one, path)):
                yield one.source.name, day


def _watched(files: SourceFiles, path: LandingPath) -> tuple[LandingPath, ...]:
    """What has to stand still of a drop: a local folder does not while parts come and go."""
    own = (path,) if path in files.parts and isinstance(path, Path) else ()
    return (*own, *files.files_of(path))


def _is_settled(path: LandingPath, before: Look, now: Look) -> bool:
    if isinstance(path, RemotePath):
        # Its time of change is another machine's, so what is told of it is compared.
        mark = _mark(path, now.at_ns)
        return mark is None or mark in before.recent
    return _stood_still(path, before.at_ns)


def _stood_still(path: Path, since_ns: int) -> bool:
    try:
        return path.stat().st_ctime_ns < since_ns - _TICK_NS
    except OSError:
        return False


def _mark(path: RemotePath, now_ns: int) -> str | None:
    """What stands for an object as it was listed; None if it has not changed for long."""
    if path.stamp is None or path.stamp.changed_ns < now_ns - _LONG_NS:
        return None
    return digest(path.address, *map(str, path.stamp))


_TICK_NS: Final = 20_000_000
"""File systems tell time in steps of some milliseconds."""

_LONG_NS: Final = 3600 * 1_000_000_000
"""No clock of a storage is as wrong as that."""
