"""Which counts would tell of a few people, by themselves or by subtraction."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LEAST_PEOPLE: Final = 5
"""Counts of fewer are not shown; 0 is."""

Cell = Hashable


@dataclass(frozen=True)
class Split:
    """Cells that add up to a whole, together with `rest` people who stand in no cell.

    Of parts that are equally small an earlier one is hidden before a later one.
    """

    whole: Cell
    parts: tuple[Cell, ...]
    rest: int = 0


def hidden_cells(counts: Mapping[Cell, int], splits: Sequence[Split]) -> set[Cell]:
    """The cells that must not be shown.

    Those of fewer than 5 people; and in each split the next smallest one too, where what is shown
    would give away by subtraction the only one that is hidden, or that all which are not shown are
    fewer than 5 people. Cells that are not counted stand for figures that nobody knows.
    """
    hidden = {cell for cell, count in counts.items() if _is_few(count)}
    while True:
        before = len(hidden)
        for split in splits:
            cell = _to_hide(split, counts, hidden)
            if cell is not None:
                hidden.add(cell)
        if len(hidden) == before:
            return hidden


def _is_few(count: int) -> bool:
    return 0 < count < LEAST_PEOPLE


def _to_hide(split: Split, counts: Mapping[Cell, int], hidden: set[Cell]) -> Cell | None:
    """The cell of a split that has to be hidden besides those that are; None if it is safe."""
    parts = [cell for cell in split.parts if counts.get(cell, 0) > 0]
    unseen = [cell for cell in parts if cell in hidden]
    is_whole_seen = split.whole not in hidden
    if not unseen and is_whole_seen and not _is_few(split.rest):
        return None
    unknowns = len(unseen) + (split.rest > 0) + (not is_whole_seen)
    people = sum(counts[cell] for cell in unseen) + split.rest
    if unknowns == 0 or (unknowns > 1 and not (is_whole_seen and people < LEAST_PEOPLE)):
        return None
    seen = [cell for cell in parts if cell not in hidden]
    if seen:
        return min(seen, key=lambda cell: counts[cell])
    return split.whole if is_whole_seen and split.whole in counts else None
