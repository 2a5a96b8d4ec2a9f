"""Chance for synthetic drops: the same on every machine, and for a row whatever else is drawn."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl


@dataclass(frozen=True)
class Dice:
    """Independent draws for the rows of a frame; day -1 stands for what precedes all days.

    SplitMix64 over the row's number, under a key of seed, day and purpose. Draws of one seed, day
    and purpose are those with which the synthetic users and firms of the landing folder are made,
    so that ids agree without reading any file.
    """

    seed: int
    rows: int
    day: int = -1

    def roll(self, purpose: str, below: int) -> pl.Series:
        """A whole number (Int64) from 0 to `below` - 1 (32 bits) for each row."""
        text = f"{self.seed}/{self.day}/{purpose}"
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        # UInt64 wraps, as the algorithm wants; a division stands for each right shift.
        bits = pl.int_range(1, self.rows + 1, dtype=pl.UInt64, eager=True) * 0x9E3779B97F4A7C15
        bits = bits + key
        bits = (bits ^ (bits // (1 << 30))) * 0xBF58476D1CE4E5B9
        bits = (bits ^ (bits // (1 << 27))) * 0x94D049BB133111EB
        bits = bits ^ (bits // (1 << 31))
        return (bits // (1 << 32) * below // (1 << 32)).cast(pl.Int64)

    def pick(self, purpose: str, shares: Sequence[tuple[int, int]]) -> pl.Series:
        """The value of one of the (share, value) pairs for each row, by the shares."""
        cuts = list(accumulate(share for share, _ in shares))
        values = pl.Series([value for _, value in shares], dtype=pl.Int64)
        return values.gather(pl.Series(cuts).search_sorted(self.roll(purpose, cuts[-1]), "right"))

    def word(self, purpose: str, shares: Sequence[tuple[int, str]]) -> pl.Series:
        """One of some texts for each row, by the shares."""
        places = self.pick(purpose, [(share, at) for at, (share, _) in enumerate(shares)])
        return pl.Series([text for _, text in shares]).gather(places)
