"""Synthetic drops of the subject: accounts, and events in conversations.

People are some of the landing folder's synthetic users, known by their numbers; no file is read.
Every draw depends on the seed, the day and the row only, so any day can be made by itself.
"""

import gzip
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.sample_people import accounts, is_delivered, people
from harvey_pipeline.conversations.sample_spec import SampleSpec, dice_of
from harvey_pipeline.conversations.sample_talk import events
from harvey_pipeline.subject import SampleWriter
from harvey_pipeline.synthetic import refuse_to_mix
from harvey_pipeline.warehouse.days import DayRange

SOURCE_NAMES: Final = ("conversation_events", "accounts")

_EVENTS: Final = 220
"""Product events a day for which there are as many events here as in a usual spec."""
_LEAST_PEOPLE: Final = 12

_BARE: Final = ("content", "success", "credits_consumed", "credit_limit")
"""What stands in JSON without quotes; a fault brings its own."""

_LINE: Final = "line"
_DIRT: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "conversation_events": (
        ("id", ""),
        ("timestamp", "yesterday"),
        ("event_type", "typing"),
        ("conversation_id", " "),
        (_LINE, "upstream connect error or disconnect"),
        ("user_id", ""),
        ("content", '"Hello?"'),
        ("success", '"maybe"'),
        ("credits_consumed", '"a few"'),
        ("event_type", " Message "),
        ("content", "[1, 2]"),
        (_LINE, "[]"),
    ),
    # Of an account's row the sound one stays behind the broken one: nobody departs for an error.
    "accounts": (("user_id", ""), ("credit_limit", '"n/a"'), ("created", "last spring")),
}
"""What may be wrong with a row: a column or the whole line, and the text that stands there."""

_ROWS_PER_FAULT: Final = 21
"""A file has one broken row for so many at most: where a twentieth is, a check fails."""

_ROWS_BETWEEN_REPEATS: Final = 301
"""So often an event is delivered twice in a file."""

_LARGE_ROWS: Final = 50_000


def prepare_sample(out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
    """A writer of all days' drops; talk grows with the events a day, people with the users.

    Raises:
        FileExistsError: The folder holds drops of these sources already.
    """
    refuse_to_mix(out, SOURCE_NAMES)
    usual = SampleSpec()
    users: int = sizes.get("users", usual.users)
    names = ("users", "days", "seed", "dirty")
    spec = SampleSpec(
        **{name: sizes[name] for name in names if name in sizes},
        people=min(users, max(_LEAST_PEOPLE, usual.people * users // usual.users)),
        events=max(1, usual.events * sizes.get("events_per_day", _EVENTS) // _EVENTS),
    )

    def write(on_day: Callable[[date], None]) -> DayRange:
        write_sample(out, spec, on_day)
        return DayRange(spec.day(0), spec.day(spec.days - 1))

    return write


def write_sample(out: Path, spec: SampleSpec, on_day: Callable[[date], None] | None = None) -> None:
    """Write `<out>/<source>/<day>.<form>` for every source and day; `on_day` when a day is done.

    Raises:
        FileExistsError: The folder holds drops of these sources already.
    """
    refuse_to_mix(out, SOURCE_NAMES)
    who = people(spec)
    waiting: pl.DataFrame | None = None
    for number in range(spec.days):
        said = events(spec, who, number)
        punctual = said.filter(~pl.col("is_late")).drop("is_late")
        drops = {
            "conversation_events": punctual if waiting is None else pl.concat([waiting, punctual])
        }
        waiting = said.filter("is_late").drop("is_late")
        if is_delivered(spec, number):
            drops["accounts"] = accounts(spec, who, number)
        for name, rows in drops.items():
            lines = _lines(_damaged(spec, name, number, rows))
            _write(out / name / str(spec.day(number)), lines)
        if on_day is not None:
            on_day(spec.day(number))


def _damaged(spec: SampleSpec, name: str, number: int, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `line`, "" but where it is no JSON; some with a value that breaks the rules."""
    sound = rows.with_columns(pl.lit("").alias(_LINE))
    faults = _DIRT[name]
    if not spec.dirty or rows.is_empty():
        return sound
    dice = dice_of(spec, rows.height, number)
    is_struck = dice.roll(f"{name} struck", 1_000_000) < round(spec.dirty * 1_000_000)
    fault = dice.roll(f"{name} fault", len(faults))
    if not is_struck.any():
        # Small drops, too, have something of each kind in the end.
        is_struck = pl.int_range(rows.height, eager=True) == rows.height // 2
        fault = pl.repeat(number // 2 % len(faults), rows.height, dtype=pl.Int64, eager=True)
    is_struck &= is_struck.cum_sum() <= rows.height // _ROWS_PER_FAULT
    broken = sound
    for place, (column, text) in enumerate(faults):
        is_hit = is_struck & (fault == place)
        broken = broken.with_columns(
            pl.when(is_hit).then(pl.lit(text)).otherwise(column).alias(column)
        )
    if name == "accounts":
        return pl.concat([broken.filter(is_struck), sound])
    repeats = sound.gather_every(_ROWS_BETWEEN_REPEATS, _ROWS_PER_FAULT + number % 5)
    return pl.concat([broken, repeats])


def _lines(rows: pl.DataFrame) -> pl.Series:
    """A line per row: a JSON object without the keys that have no value, or the row's `line`."""
    members = [
        pl.when(pl.col(name) != "").then(
            pl.concat_str(
                pl.lit(f'"{name}":'),
                pl.col(name) if name in _BARE else pl.concat_str(quote, name, quote),
            )
        )
        for quote in (pl.lit('"'),)
        for name in rows.columns
        if name != _LINE
    ]
    inside = pl.concat_str(members, separator=",", ignore_nulls=True)
    line = pl.concat_str(pl.lit("{"), inside, pl.lit("}"))
    return rows.select(pl.when(pl.col(_LINE) != "").then(_LINE).otherwise(line)).to_series()


def _write(path: Path, lines: pl.Series) -> None:
    """Small drops packed, and large ones, which take long to pack, plain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = (lines + "\n").str.join().item().encode()
    if len(lines) >= _LARGE_ROWS:
        path.with_name(f"{path.name}.jsonl").write_bytes(body)
        return
    # A time stamp in the header would make equal content unequal bytes.
    path.with_name(f"{path.name}.jsonl.gz").write_bytes(gzip.compress(body, mtime=0))
