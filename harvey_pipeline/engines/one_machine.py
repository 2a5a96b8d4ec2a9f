"""This machine as an engine."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from harvey_pipeline.engines.engine import Item, Result


class OneMachine:
    """Functions run here, one item after another."""

    is_elsewhere = False
    drops_at_once = 2

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """What the function makes of each item, in their order."""
        return [function(item) for item in items]

    def repeated(
        self, numbers: Callable[[Sequence[Item]], pl.Series], groups: Sequence[Sequence[Item]]
    ) -> pl.Series:
        """The numbers that come more than once, all of them held at a time."""
        if not groups:
            return pl.Series(dtype=pl.UInt64)
        found = numbers([item for group in groups for item in group]).sort()
        return found.filter(found == found.shift(1)).unique()

    def describe(self) -> Mapping[str, str]:
        """Nothing: it is what is not told otherwise."""
        return {}
