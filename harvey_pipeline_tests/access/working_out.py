"""What can be worked out of counts that are shown: linear algebra, as the reference."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction

from harvey_pipeline.access.anonymity import Cell, Split


def is_told(cell: Cell, unknown: AbstractSet[Cell], splits: Sequence[Split]) -> bool:
    """Whether the equations of the splits determine a cell, by elimination of the others.

    Each split has one more unknown of its own where people stand in no cell.
    """
    names: list[Cell] = sorted(unknown - {cell}, key=str)
    names += [("rest", number) for number, split in enumerate(splits) if split.rest]
    rows = []
    for number, split in enumerate(splits):
        row: dict[Cell, Fraction] = {part: Fraction(1) for part in split.parts if part in unknown}
        if split.rest:
            row["rest", number] = Fraction(1)
        if split.whole in unknown:
            row[split.whole] = Fraction(-1)
        rows.append(row)
    for name in names:
        pivot = next((row for row in rows if row.get(name)), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        for row in rows:
            factor = row.get(name, Fraction(0)) / pivot[name]
            for key, value in pivot.items():
                row[key] = row.get(key, Fraction(0)) - factor * value
    return any(row.get(cell) for row in rows)
