"""Chance for synthetic drops: the same on every machine, and for a row whatever else is drawn."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl


@dataclass(frozen=True)
class Dice:
    """Independent draws for the rows of a frame; day -1 stands for what precedes all days.

    SplitMix64 over the row's number, under a key of seed, day and purpose.
    """

    seed: int
    rows: int
    day: int = -1

    def roll(self, purpose: str, below: int) -> pl.Series:
        """A whole number (Int64) from 0 to `below` - 1 (32 bits) for each row."""
        text = f"conversations/{self.seed}/{self.day}/{purpose}"
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        # UInt64 wraps, as the algorithm wants; a division stands for each right shift.
        bits = pl.int_range(1, self.rows + 1, dtype=pl.UInt64, eager=True) * 0x9E3779B97F4A7C15
        bits = bits + key
        bits = (bits ^ (bits // (1 << 30))) * 0xBF58476D1CE4E5B9
        bits = (bits ^ (bits // (1 << 27))) * 0x94D049BB133111EB
        bits = bits ^ (bits // (1 << 31))
        return (bits // (1 << 32) * below // (1 << 32)).cast(pl.Int64)

    def place(self, purpose: str, shares: Sequence[int]) -> pl.Series:
        """The place of one of some shares for each row, as often as the share is large."""
        cuts = pl.Series(list(accumulate(shares)))
        return cuts.search_sorted(self.roll(purpose, int(cuts[-1])), "right").cast(pl.Int64)
