"""Synthetic drops of the subject: sign-ins to other apps, employees, licences, labels, a trial.

Users and firms are those of the landing folder's synthetic users and firms of the same sizes,
known by their numbers; no file is read. Every draw depends on the seed, the day and the row only,
so any day can be made by itself.
"""

import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.segments.sample_people import employees, licenses, people
from harvey_pipeline.segments.sample_records import interventions, labels, sso_events
from harvey_pipeline.segments.sample_spec import SampleSpec
from harvey_pipeline.subject import SampleWriter
from harvey_pipeline.synthetic import Dice, refuse_to_mix
from harvey_pipeline.warehouse.days import DayRange

SOURCE_NAMES: Final = ("sso_events", "employees", "licenses", "segment_labels", "interventions")

_EVENTS: Final = 220
"""Product events a day for which there are as many sign-ins as in a usual spec."""

_WEEKLY: Final = ("employees", "licenses")
"""Whole lists, delivered on the first day and on Mondays; on other days they are not observed."""

_DIRT: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "sso_events": (
        ("event_id", ""),
        ("published", "yesterday"),
        ("tenant_id", " "),
        ("actor_id", ""),
        ("outcome", ""),
        ("outcome", "MAYBE"),
        ("session_minutes", "1441"),
        ("session_minutes", "a while"),
        ("outcome", " success "),
        ("target_id", " Docs "),
    ),
    # Of a list's row the sound one stays behind the broken one: nobody departs for a typing error.
    "employees": (("user_id", ""), ("department", "Elsewhere")),
    "licenses": (("annual_cost_usd", "n/a"), ("annual_cost_usd", ""), ("app", " ")),
    "segment_labels": (("label", "superuser"), ("labelled_on", "last week")),
    "interventions": (("satisfaction", "6"), ("reported_hours_saved", "a lot"), ("group", "both")),
}
"""What may be wrong with a row: a column, and the text that stands in it."""

_ROWS_PER_FAULT: Final = 21
"""A file has one broken row for so many at most, and one in any case: a tenth would be an error."""


_LARGE_ROWS: Final = 50_000


def prepare_sample(out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
    """A writer of all days' drops; sign-ins grow with the events a day, all else with the users.

    Raises:
        FileExistsError: The folder holds drops of these sources already.
    """
    refuse_to_mix(out, SOURCE_NAMES)
    usual = SampleSpec()
    events: int = sizes.get("events_per_day", _EVENTS)
    users: int = sizes.get("users", usual.users)

    def of_users(count: int) -> int:
        return min(users, max(12, count * users // usual.users))

    names = ("users", "firms", "days", "seed", "dirty")
    spec = SampleSpec(
        **{name: sizes[name] for name in names if name in sizes},
        sso_events=max(1, usual.sso_events * events // _EVENTS),
        sso_users=of_users(usual.sso_users),
        labels=of_users(usual.labels),
        starts=of_users(usual.starts),
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
        worked = sso_events(spec, who, number)
        punctual = worked.filter(~pl.col("is_late")).drop("is_late")
        drops = {
            "sso_events": punctual if waiting is None else pl.concat([waiting, punctual]),
            "segment_labels": labels(spec, who, number),
            "interventions": interventions(spec, who, number),
        }
        waiting = worked.filter("is_late").drop("is_late")
        if number == 0 or spec.day(number).weekday() == 0:
            drops |= {
                "employees": employees(spec, who, number),
                "licenses": licenses(spec, who, number),
            }
        for name, rows in drops.items():
            broken = _damage(spec, name, number, rows)
            _write(out / name / f"{spec.day(number)}.{_form(name, number, broken.height)}", broken)
        if on_day is not None:
            on_day(spec.day(number))


def _form(name: str, number: int, rows: int) -> str:
    """All forms, small drops plain, and large ones, which take long to pack."""
    if name in ("segment_labels", "interventions") or rows >= _LARGE_ROWS:
        return "csv"
    if name in _WEEKLY:
        return "csv.gz"
    if number % 28 == 10:
        return "parquet"
    if number % 7 == 3:
        return "jsonl.gz"
    return "csv" if number % 14 == 0 else "csv.gz"


def _damage(spec: SampleSpec, name: str, number: int, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, a share of them with one field as the contract does not have it."""
    faults = _DIRT[name]
    if not spec.dirty or rows.is_empty():
        return rows
    dice = Dice(spec.seed, rows.height, number)
    is_struck = dice.roll(f"{name} struck", 1_000_000) < round(spec.dirty * 1_000_000)
    fault = dice.roll(f"{name} fault", len(faults))
    if not is_struck.any() and number % 5 == 2:
        # Small drops, too, have something of each kind in the end.
        is_struck = pl.int_range(rows.height, eager=True) == rows.height // 2
        fault = pl.repeat(number // 5 % len(faults), rows.height, eager=True)
    most = max(1, rows.height // _ROWS_PER_FAULT)
    is_struck &= is_struck.cum_sum() <= most
    broken = rows
    for place, (column, text) in enumerate(faults):
        is_hit = is_struck & (fault == place)
        broken = broken.with_columns(
            pl.when(is_hit).then(pl.lit(text)).otherwise(column).alias(column)
        )
    if name in _WEEKLY:
        return pl.concat([broken.filter(is_struck), rows])
    return broken


def _write(path: Path, rows: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    given = rows.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
    if path.suffix == ".parquet":
        given.write_parquet(path)
        return
    body = io.BytesIO()
    if ".jsonl" in path.name:
        given.write_ndjson(body)
    else:
        given.write_csv(body)
    # A time stamp in the header would make equal content unequal bytes.
    is_packed = path.suffix == ".gz"
    path.write_bytes(gzip.compress(body.getvalue(), mtime=0) if is_packed else body.getvalue())
