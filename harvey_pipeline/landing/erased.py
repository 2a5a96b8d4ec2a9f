"""Tombstones: whose records no landing file brings back.

A file beside the warehouse says of each erased person a salted hash of the id, when the erasure was
asked for, and by whom. Ids themselves stand nowhere. Records of the erased are dropped where a file
is read, before anything is judged or kept; the ledger counts them.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

import polars as pl

from harvey_pipeline.landing.records.contract import BLANKS, Delivery
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.source import Column, Source

_SALT_BYTES: Final = 32

_MOST_REMEMBERED: Final = 500_000
"""Ids whose hashes are not made again, in the memory of one process."""

_APART: Final = re.compile(r"""[,;\t|"'\[\]{}\n\r]+""")
"""What stands between fields, whatever the form of the file."""


class TombstoneError(Exception):
    """A file of tombstones that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Tombstone:
    """That a person was erased: the salted hash of the id, when it was asked for, and by whom."""

    user_hash: str
    erased_at: datetime
    asked_by: str


def tombstones_path(warehouse: Path) -> Path:
    """Where the tombstones of a warehouse are."""
    return warehouse.with_name(f"{warehouse.stem}.erased.jsonl")


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of a file as it was read; a file that is not there has none."""

    path: Path | None = None
    salt: str = ""
    stones: tuple[Tombstone, ...] = ()
    _known: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path) -> "Tombstones":
        """The tombstones of a file.

        Raises:
            TombstoneError: It is no file of tombstones.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls(path)
        return _parse(path, content)

    def __bool__(self) -> bool:
        return bool(self.stones)

    @cached_property
    def hashes(self) -> frozenset[str]:
        return frozenset(stone.user_hash for stone in self.stones)

    @cached_property
    def digest(self) -> str:
        """What stands for whom there are tombstones of; empty without any."""
        if not self.stones:
            return ""
        return hashlib.sha256("\n".join([self.salt, *sorted(self.hashes)]).encode()).hexdigest()

    def hash_of(self, user_id: str) -> str:
        """The salted SHA-256 of an id, in hexadecimal."""
        return hashlib.sha256(f"{self.salt}{user_id}".encode()).hexdigest()

    def is_erased(self, user_id: str) -> bool:
        """Whether there is a tombstone of an id, as its source's reader reads it."""
        known = self._known.get(user_id)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[user_id] = self.hash_of(user_id) in self.hashes
        return known

    def are_erased(self, user_ids: pl.Series) -> pl.Series:
        """Of each id whether there is a tombstone of it; a null is nobody's."""
        erased = (
            [one for one in user_ids.unique().drop_nulls() if self.is_erased(one)]
            if self.stones
            else []
        )
        if not erased:
            return pl.Series(user_ids.name, pl.repeat(False, len(user_ids), eager=True))
        return user_ids.is_in(erased).fill_null(False)

    def add(self, user_ids: Iterable[str], asked_by: str) -> "Tombstones":
        """Write tombstones of ids that have none, and return all that the file has then.

        An id that its source's reader writes otherwise than it is delivered (an e-mail address in
        lower case) is to be given so. Whoever adds at the same time waits; a process that is
        killed has added all or nothing.

        Raises:
            TombstoneError: The file is no file of tombstones, or the object was made without one.
        """
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        ids = list(user_ids)
        return self._append(
            secrets.token_hex(_SALT_BYTES),
            lambda salted: [
                Tombstone(found, now, asked_by) for found in dict.fromkeys(map(salted.hash_of, ids))
            ],
        )

    def _append(
        self, new_salt: str, stones: "Callable[[Tombstones], Iterable[Tombstone]]"
    ) -> "Tombstones":
        """Write those of some tombstones that the file lacks; a new file gets the new salt."""
        if self.path is None:
            raise TombstoneError("these tombstones have no file.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path) as file:
            content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            before = _parse(self.path, whole)
            salt = before.salt or new_salt
            added = tuple(
                stone
                for stone in stones(replace(before, salt=salt))
                if stone.user_hash not in before.hashes
            )
            lines = [] if before.salt else [{"salt": salt}]
            lines += [_as_line(stone) for stone in added]
            # What a process that was killed has left half written was never promised to anybody.
            file.truncate(len(whole))
            file.seek(len(whole))
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        return Tombstones(self.path, salt, (*before.stones, *added))

    def adopt(self, others: "Tombstones") -> "Tombstones":
        """Write down whom others know that these do not, and return all.

        Raises:
            TombstoneError: The others were made by another salt.
        """
        missing = [stone for stone in others.stones if stone.user_hash not in self.hashes]
        if not missing:
            return self
        if self.salt not in ("", others.salt):
            raise TombstoneError(
                f"{others.path} and {self.path} are of two warehouses. Restore beside a warehouse "
                f"of its own, in a folder of its own."
            )
        return self._append(others.salt, lambda _: missing)


NO_TOMBSTONES: Final = Tombstones()


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, made if it is missing, for nobody else to write meanwhile."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _as_line(stone: Tombstone) -> dict[str, str]:
    return {
        "user_hash": stone.user_hash,
        "erased_at": stone.erased_at.isoformat(),
        "asked_by": stone.asked_by,
    }


def _parse(path: Path, content: bytes) -> Tombstones:
    """What the whole lines of a file say."""
    try:
        lines: list[Mapping[str, Any]] = [
            json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()
        ]
        if not lines:
            return Tombstones(path)
        stones = tuple(
            Tombstone(
                str(line["user_hash"]),
                datetime.fromisoformat(line["erased_at"]),
                str(line["asked_by"]),
            )
            for line in lines[1:]
        )
        return Tombstones(path, str(lines[0]["salt"]), stones)
    except (ValueError, KeyError, TypeError) as error:
        raise TombstoneError(
            f"{path} is no file of tombstones ({error}). Bring it back from a backup: without it "
            f"erased people come back with their landing files."
        ) from error


# --- deliveries ----------------------------------------------------------------------------------


def without_erased(
    source: Source, delivery: Delivery, tombstones: Tombstones
) -> tuple[Delivery, pl.LazyFrame | None]:
    """A delivery without the records of the erased, and those records.

    A record is a person's whose id stands in the source's first column of people. In the further
    ones (a manager's id in another's record) the erased are blank. A record without such an id that
    can be read is the person's who is named anywhere in the line, or in an object in its place.

    Returns:
        The delivery, and of the records that are left out `line_number` and, where the source has
        a timestamp, `at`; None where nobody can be erased.
    """
    present = {column for column, _ in delivery.header}
    persons = [
        column
        for column in map(source.column, source.persons)
        if text_column(column.delivered) in present
    ]
    if not tombstones or not persons:
        return delivery, None
    records = delivery.records.with_columns(
        _is_named(column, delivery, tombstones).alias(f"is_erased_{place}")
        for place, column in enumerate(persons)
    )
    # The first one is the person whose record it is only if it is there at all.
    is_whose = persons[0].name == source.persons[0]
    is_gone = pl.lit(False) if not is_whose else pl.col("is_erased_0")
    is_gone = is_gone | _names_any(pl.col("line"), tombstones)
    # The file is read once, for those that stay and for those that are left out.
    marked = records.with_columns(is_gone=is_gone).cache()
    kept = marked.filter(~pl.col("is_gone")).with_columns(
        pl.when(~pl.col(f"is_erased_{place}")).then(pl.col(name)).alias(name)
        for place, column in enumerate(persons)
        for name in _columns_of(column, delivery)
    )
    columns = delivery.records.collect_schema().names()
    at = [
        column.reader(pl.col(text_column(column.delivered))).alias("at")
        for column in source.columns
        if column.name == source.at and text_column(column.delivered) in present
    ]
    return (
        replace(delivery, records=kept.select(columns)),
        marked.filter("is_gone").select("line_number", *at),
    )


def _columns_of(column: Column, delivery: Delivery) -> list[str]:
    """The text column of a column, and the one of what stands in place of text."""
    text = text_column(column.delivered)
    return [text, *([delivery.nested[text]] if text in delivery.nested else [])]


def _is_named(column: Column, delivery: Delivery, tombstones: Tombstones) -> pl.Expr:
    """Whether an erased person stands in a column, by itself or within an object or array."""
    text, *nested = _columns_of(column, delivery)
    read = column.reader(pl.col(text))
    is_erased = read.map_batches(
        tombstones.are_erased, return_dtype=pl.Boolean, is_elementwise=True
    )
    return pl.any_horizontal(is_erased, *[_names_any(pl.col(one), tombstones) for one in nested])


def _names_any(text: pl.Expr, tombstones: Tombstones) -> pl.Expr:
    """Whether any part of a text is the id of an erased person."""

    def look(texts: pl.Series) -> pl.Series:
        found = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        places = texts.is_not_null().arg_true()
        named = [names_erased(one, tombstones) for one in texts.gather(places)]
        return found.scatter(places.filter(pl.Series(named, dtype=pl.Boolean)), True)

    return text.map_batches(look, return_dtype=pl.Boolean, is_elementwise=True)


def names_erased(text: str, tombstones: Tombstones) -> bool:
    """Whether any part of a text is the id of an erased person."""
    return bool(erased_in(text, tombstones))


def erased_in(text: str, tombstones: Tombstones) -> set[str]:
    """The ids of erased people that stand in a text, as parts of it between what parts fields."""
    fields = {one.strip(BLANKS) for one in _APART.split(text)}
    words = {word for one in fields for word in one.split()}
    parts = fields | words
    return {one for one in parts | {one.lower() for one in parts} if tombstones.is_erased(one)}
