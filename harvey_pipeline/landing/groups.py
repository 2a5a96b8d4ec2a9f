"""Small files, which are read several at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from harvey_pipeline.landing.places import LandingPath, stamp_of

_Item = TypeVar("_Item")

_GROUP_FILES: Final = 16
_GROUP_BYTES: Final = 4 << 20
"""Files that are parsed together are at most so many, and so large."""


def _size_of(path: LandingPath) -> int:
    """Bytes of a file; 0 of one that cannot be read, which reading it tells."""
    try:
        return stamp_of(path).size
    except OSError:
        return 0


def in_groups(
    items: Sequence[_Item], path_of: Callable[[_Item], LandingPath]
) -> Iterator[list[_Item]]:
    """Items in their order, those of small files in groups.

    Planning a query costs more than few rows.
    """
    group: list[_Item] = []
    held = 0
    for item in items:
        size = _size_of(path_of(item))
        if group and (len(group) == _GROUP_FILES or held + size > _GROUP_BYTES):
            yield group
            group, held = [], 0
        group.append(item)
        held += size
    if group:
        yield group
