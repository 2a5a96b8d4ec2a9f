"""An engine runs a plain function over many items, on this machine or on others.

Whoever asks an engine gets back what is small; what is large is written by the functions
themselves, where every machine at work can read it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import polars as pl

Item = TypeVar("Item")
Result = TypeVar("Result")


class EngineError(Exception):
    """An engine that cannot be used, or that failed; the message says what to do."""


class Engine(Protocol):
    """Where functions run.

    They and their items must be picklable where they leave this machine. Any call may be made
    twice, also at once, so that a function has to give the same each time.
    """

    @property
    def is_elsewhere(self) -> bool:
        """Whether functions run on other machines, which have no file of this one's own."""

    @property
    def drops_at_once(self) -> int:
        """How many drops it is worth asking for at a time."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """What the function makes of each item, in their order.

        Raises:
            EngineError: The engine cannot be used.
            Exception: What the function raises of the first item for which it raises.
        """

    def repeated(
        self, numbers: Callable[[Sequence[Item]], pl.Series], groups: Sequence[Sequence[Item]]
    ) -> pl.Series:
        """The numbers (UInt64) that come more than once among those of all items, each once.

        The groups are of items that are small enough to be looked at together.

        Raises:
            EngineError: The engine cannot be used.
            Exception: What the function raises.
        """

    def describe(self) -> Mapping[str, str]:
        """What there is to be told of what it did."""
