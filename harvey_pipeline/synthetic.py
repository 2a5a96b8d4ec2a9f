"""What synthetic drops of any subject need: chance, a folder that holds none yet, and parts."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import polars as pl


def splitmix64(counter: pl.Series, key: int) -> pl.Series:
    """Return 64 random bits (UInt64) for each counter (UInt64): SplitMix64 started at `key`.

    Bits depend on key and counter only, so a row's fate is the same whatever else is drawn.
    UInt64 arithmetic wraps, as the algorithm wants; a division stands for each right shift.
    """
    bits = (counter + 1) * 0x9E3779B97F4A7C15 + key
    bits = (bits ^ (bits // (1 << 30))) * 0xBF58476D1CE4E5B9
    bits = (bits ^ (bits // (1 << 27))) * 0x94D049BB133111EB
    return bits ^ (bits // (1 << 31))


@dataclass(frozen=True)
class Dice:
    """Independent draws for the rows of a frame; day -1 stands for what precedes all days.

    Draws of one seed, day, purpose and scope are the same wherever they are made, so that ids
    agree without reading any file; another scope has draws of its own.
    """

    seed: int
    rows: int
    day: int = -1
    scope: str = ""

    def key(self, purpose: str) -> int:
        """Return the 64-bit key under which draws for a purpose are made."""
        text = f"{self.scope}{self.seed}/{self.day}/{purpose}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def roll(self, purpose: str, below: int) -> pl.Series:
        """Return a whole number (Int64) from 0 to `below` - 1 (32 bits) for each row."""
        counter = pl.int_range(self.rows, dtype=pl.UInt64, eager=True)
        high_bits = splitmix64(counter, self.key(purpose)) // (1 << 32)
        return (high_bits * below // (1 << 32)).cast(pl.Int64)

    def place(self, purpose: str, shares: Sequence[int]) -> pl.Series:
        """Return the place (Int64) of one of some shares for each row, by the shares."""
        cuts = pl.Series(list(accumulate(shares)))
        return cuts.search_sorted(self.roll(purpose, int(cuts[-1])), "right").cast(pl.Int64)

    def pick(self, purpose: str, shares: Sequence[tuple[int, int]]) -> pl.Series:
        """Return the value of one of the (share, value) pairs for each row, by the shares."""
        values = pl.Series([value for _, value in shares], dtype=pl.Int64)
        return values.gather(self.place(purpose, [share for share, _ in shares]))

    def word(self, purpose: str, shares: Sequence[tuple[int, str]]) -> pl.Series:
        """Return one of some texts for each row, by the shares."""
        words = pl.Series([text for _, text in shares])
        return words.gather(self.place(purpose, [share for share, _ in shares]))


def refuse_to_mix(out: Path, sources: Iterable[str]) -> None:
    """Make sure that a folder holds no drops of some sources: two samples in one are neither.

    Raises:
        FileExistsError: It holds some; the message names one.
    """
    for name in sources:
        for found in (*out.glob(f"{name}/*"), *out.glob(f"{name}.*")):
            raise FileExistsError(f"{out} already holds drops, such as {found}; give a new folder")


def split_drops(out: Path, sources: Iterable[str], parts: int) -> None:
    """Put a folder of parts, which says that it is complete, in the place of each daily drop.

    Each record stays whole, and the order of the records is that of the parts' names.
    """
    for name in sources:
        for drop in sorted((out / name).glob("????-??-??.*")):
            day, _, ending = drop.name.partition(".")
            folder = drop.with_name(day)
            folder.mkdir()
            split = _split_parquet if ending == "parquet" else _split_text
            split(drop, [folder / f"part-{place:05}.{ending}" for place in range(parts)])
            (folder / "_SUCCESS").touch()
            drop.unlink()


def _split_parquet(drop: Path, parts: Sequence[Path]) -> None:
    rows = pl.read_parquet(drop, glob=False)
    for path, first, last in _shares(parts, rows.height):
        rows.slice(first, last - first).write_parquet(path)


def _split_text(drop: Path, parts: Sequence[Path]) -> None:
    is_packed = drop.name.endswith(".gz")
    content = gzip.decompress(drop.read_bytes()) if is_packed else drop.read_bytes()
    records = _records(content) if ".csv" in drop.name else content.splitlines(keepends=True)
    header = [records.pop(0)] if ".csv" in drop.name and records else []
    for path, first, last in _shares(parts, len(records)):
        text = b"".join([*header, *records[first:last]])
        path.write_bytes(gzip.compress(text, mtime=0) if is_packed else text)


def _records(content: bytes) -> list[bytes]:
    """The records of a CSV file: a line feed between quotes ends none."""
    records = [b""]
    quotes = 0
    for line in content.splitlines(keepends=True):
        records[-1] += line
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            records.append(b"")
    return records if records[-1] else records[:-1]


def _shares(parts: Sequence[Path], rows: int) -> Iterator[tuple[Path, int, int]]:
    """The parts with their rows, from one to before another; of few rows the first parts alone."""
    count = max(min(len(parts), rows), 1)
    for place, path in enumerate(parts[:count]):
        yield path, rows * place // count, rows * (place + 1) // count
