"""What the batch path will make of lines: the same functions, on lines that are not yet a drop."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.transforms.reading import (
    Catalogue,
    read_messages,
    read_outcomes,
    read_words,
)
from harvey_pipeline.conversations.transforms.sums import COUNTED
from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones, without_erased
from harvey_pipeline.landing.judge import DropRules, judge
from harvey_pipeline.landing.records import Delivery, open_delivery
from harvey_pipeline.landing.records.header import text_column

SOURCE: Final = CONVERSATION_EVENTS

_SCRATCH: Final = "harvey-stream-"
"""Begins the name of a folder for lines that are being read; the process's number follows."""


@dataclass(frozen=True)
class Lines:
    """Lines, read.

    `ids`: the id of each line, as it is compared; None where none can be told.
    `accepted`: the records that a drop's day would accept, repaired ones among them: `line`
    (the place, from 0), the source's typed columns.
    """

    ids: list[str | None]
    accepted: pl.DataFrame


def ids_of(delivery: Delivery) -> pl.LazyFrame:
    """`line_number` and `id`, as it is compared, of every record; null where none can be told."""
    column = SOURCE.column("id")
    return delivery.records.select(
        "line_number", id=column.reader(pl.col(text_column(column.delivered)))
    )


def read_lines(
    lines: Sequence[str], rules: DropRules, tombstones: Tombstones = NO_TOMBSTONES
) -> Lines:
    """What lines say, and which of them the drop of a day would accept.

    That of two with one id only one counts is not looked at here.

    Args:
        lines: JSON texts without line ends.
        rules: Those of the drop in whose file the lines stand.
        tombstones: Of people whose records count for nothing.

    Raises:
        LandingError: A line is no text that a landing file may hold.
    """
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as folder:
        path = Path(folder) / "lines.jsonl"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        with open_delivery(SOURCE.delivered_columns, SOURCE.name, path, path.parent) as delivery:
            judged = judge(SOURCE, without_erased(SOURCE, delivery, tombstones)[0], rules)
            told, sound, found = pl.collect_all(
                [ids_of(delivery), judged.sound, judged.found], engine="in-memory"
            )
    ids: list[str | None] = [None] * len(lines)
    for number, event_id in told.iter_rows():
        ids[number - 1] = event_id
    repaired = found.filter(pl.col("action") == "repaired").select(sound.columns)
    accepted = pl.concat([sound, repaired]).sort("line_number")
    return Lines(ids, accepted.select(pl.exclude("line_number"), line=pl.col("line_number") - 1))


def remove_left_scratch() -> None:
    """Remove the lines that processes have left which were killed while they read them."""
    for path in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        number = path.name.removeprefix(_SCRATCH).partition("-")[0]
        if number.isdecimal() and not Path("/proc", number).exists():
            shutil.rmtree(path, ignore_errors=True)


def measure(accepted: pl.DataFrame, places: Sequence[int], catalogue: Catalogue) -> pl.DataFrame:
    """What each accepted event of some lines adds to the sums of its user's day.

    Returns:
        One row per event, in order: `line` (the place among the wanted lines, from 0), `date`,
        `id`, `user_id`, `conversation_id`, `tool_name` (never null), `at` (ISO text with
        microseconds) and a column per sum.

    Args:
        accepted: As `read_lines` returns them.
        places: The lines that are wanted, ascending, by their places among those that were read.
        catalogue: The words.
    """
    wanted = pl.DataFrame(
        {"read": pl.Series(places, dtype=pl.Int64), "line": range(len(places))},
        schema_overrides={"line": pl.Int64},
    )
    of_lines = accepted.rename({"line": "read"}).join(wanted, on="read").sort("line")
    events = of_lines.lazy().with_columns(pl.col("content", "tool_name").cast(pl.String))
    told = read_words(read_messages(read_outcomes(events, catalogue)), catalogue)
    at = pl.col("timestamp")
    return told.select(
        "line",
        "id",
        "user_id",
        "conversation_id",
        tool_name="tool",
        date=at.dt.date().cast(pl.String),
        at=at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
        events=pl.lit(1, dtype=pl.Int64),
        **{
            name: condition.fill_null(value=False).cast(pl.Int64)
            for name, condition in COUNTED.items()
        },
        credits_used=pl.col("credits_consumed").cast(pl.Int64).fill_null(0),
    ).collect()
