"""From text records to typed rows: the landing contract, field by field and record by record.

Records come as text (`landing.py` finds and splits them); here they are typed and judged. Nothing
is dropped: every record is either acceptable or comes out with each reason that speaks against it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import polars as pl

from harvey_pipeline.tables.labels import EVENT_TYPES, Source

LATE_DAYS: Final = 1
"""How many days before its drop's day an event may be dated."""

REQUIRED_COLUMNS: Final[Mapping[Source, tuple[str, ...]]] = {
    "users": ("id", "created", "title"),
    "firms": ("id", "created", "firm_size", "arr_in_thousands"),
    "events": ("created", "firm_id", "user_id", "event_type", "num_docs", "feedback_score"),
}
OPTIONAL_COLUMNS: Final[Mapping[Source, tuple[str, ...]]] = {
    "users": (),
    "firms": (),
    "events": ("event_id",),
}
SNAPSHOT_KEYS: Final[Mapping[Source, str]] = {"users": "user_id", "firms": "firm_id"}

REASONS: Final = (
    "wrong_field_count",
    "missing_id",
    "missing_user_id",
    "missing_firm_id",
    "missing_timestamp",
    "unreadable_timestamp",
    "created_after_drop",
    "before_start_date",
    "too_late",
    "covered_by_bulk",
    "missing_event_type",
    "unknown_event_type",
    "missing_num_docs",
    "unreadable_num_docs",
    "missing_firm_size",
    "unreadable_firm_size",
    "missing_arr",
    "unreadable_arr",
    "superseded",
    "duplicate_event_id",
    "missing_feedback_score",
    "unreadable_feedback_score",
)
"""Every reason in `raw.quarantine`, in the order in which a record lists its own."""

REPAIRS: Final = ("missing_feedback_score", "unreadable_feedback_score")
"""Reasons that speak against one field only: the record is accepted without it."""


@dataclass(frozen=True)
class DropRules:
    """What decides, besides the record itself, whether a record is acceptable.

    `drop_date` is None for a bulk export, whose records each belong to their own day.
    """

    drop_date: date | None
    start_date: date
    covered_by_bulk: frozenset[date] = frozenset()


# --- fields --------------------------------------------------------------------------------------


def text_column(name: str) -> str:
    """The column that holds a contract column's text as delivered."""
    return f"text_{name}"


def trimmed(name: str) -> pl.Expr:
    text = pl.col(text_column(name)).str.strip_chars()
    return pl.when(text != "").then(text)


Reader = Callable[[pl.Series], pl.Series]
"""Text to values, null where the text is not of the reader's form."""


def _adaptively(*readers: Reader) -> Reader:
    """Read a column by the first reader, and what does not fit by the next: common forms first."""
    first, *others = readers

    def read(text: pl.Series) -> pl.Series:
        values = first(text)
        rest = (values.is_null() & text.is_not_null()).arg_true()
        if rest.is_empty() or not others:
            return values
        return values.scatter(rest, _adaptively(*others)(text.gather(rest)))

    return read


_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ISO: Final = (
    rf"^(?P<day>{_DAY})"
    rf"(?:[T ](?P<minute>{_HOUR_MINUTE})(?::(?P<second>[0-5][0-9])(?P<fraction>\.[0-9]{{1,6}})?)?"
    rf"(?P<offset>Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?$"
)
_US_DAY = r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12][0-9]|3[01])/[0-9]{4}"
_US: Final = (
    r"^(?P<month>0?[1-9]|1[0-2])/(?P<dom>0?[1-9]|[12][0-9]|3[01])/(?P<year>[0-9]{4})"
    r"(?: (?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?)?$"
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_MOMENT: Final = pl.Datetime("us")


def _timestamps_like(pattern: str, form: str) -> Reader:
    """A reader of one form of timestamp; it alone would take some that the contract does not."""

    def read(text: pl.Series) -> pl.Series:
        fits = text.str.contains(pattern)
        if not fits.any():
            return pl.repeat(None, text.len(), dtype=_MOMENT, eager=True)
        if not fits.all():
            # `scatter` writes in place, and the next reader still needs the text.
            text = text.clone().scatter((~fits).arg_true(), None)
        if "%H" in form:
            values = text.str.to_datetime(form, strict=False, time_unit="us")
        else:
            values = text.str.to_date(form, strict=False).cast(_MOMENT)
        year = values.dt.year()
        outside = (year < _FIRST_YEAR) | (year > _LAST_YEAR)
        return values.scatter(outside.arg_true(), None) if outside.any() else values

    return read


def _read_other_timestamps(text: pl.Series) -> pl.Series:
    iso = pl.col("text").str.extract_groups(_ISO).struct
    us = pl.col("text").str.extract_groups(_US).struct
    offset = iso.field("offset")
    digits = offset.str.replace(":", "", literal=True)
    minutes = (
        digits.str.slice(1, 2).cast(pl.Int32, strict=False) * 60
        + digits.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    ) * pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
    iso_text = pl.concat_str(
        iso.field("day"),
        pl.lit(" "),
        iso.field("minute").fill_null("00:00"),
        pl.lit(":"),
        iso.field("second").fill_null("00"),
        iso.field("fraction").fill_null(".0").str.pad_end(7, "0"),
    )
    us_text = pl.concat_str(
        us.field("year"),
        pl.lit("-"),
        us.field("month").str.zfill(2),
        pl.lit("-"),
        us.field("dom").str.zfill(2),
        pl.lit(" "),
        us.field("hour").fill_null("00").str.zfill(2),
        pl.lit(":"),
        us.field("minute").fill_null("00"),
        pl.lit(":"),
        us.field("second").fill_null("00"),
        pl.lit(".000000"),
    )
    written = pl.coalesce(iso_text, us_text).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"
    )
    return (
        text.alias("text")
        .to_frame()
        .select(written=written, minutes=pl.when(offset != "Z").then(minutes).fill_null(0))
        .select(
            pl.when(pl.col("written").dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)).then(
                pl.col("written") - pl.duration(minutes=pl.col("minutes"))
            )
        )
        .to_series()
        .cast(_MOMENT)
    )


def read_timestamp(text: pl.Expr) -> pl.Expr:
    """ISO 8601 or US style text as a UTC timestamp; null where it is neither.

    Years from 1970 to 2199. An offset is converted to UTC; without one the text is UTC.
    """
    return text.map_batches(
        _adaptively(
            _timestamps_like(rf"^{_DAY} {_HOUR_MINUTE}:[0-5][0-9]$", "%Y-%m-%d %H:%M:%S"),
            _timestamps_like(rf"^{_DAY}$", "%Y-%m-%d"),
            _timestamps_like(rf"^{_US_DAY}$", "%m/%d/%Y"),
            _read_other_timestamps,
        ),
        return_dtype=_MOMENT,
        is_elementwise=True,
    )


_WHOLE_NUMBER: Final = r"^([0-9]{1,9})(?:\.0+)?$"
_DECIMAL: Final = r"^([0-9]+)(?:\.([0-9]+))?$"
_SCORE: Final = r"^[0-9]+(?:\.[0-9]{1,2})?$"


def _read_common_integers(text: pl.Series) -> pl.Series:
    values = text.cast(pl.Int32, strict=False)
    odd = (text.str.len_bytes() > 9) | text.str.starts_with("+") | text.str.starts_with("-")
    return values.scatter(odd.arg_true(), None) if odd.any() else values


def _read_other_integers(text: pl.Series) -> pl.Series:
    return text.str.extract(_WHOLE_NUMBER, 1).cast(pl.Int32)


def read_whole_number(text: pl.Expr) -> pl.Expr:
    """`3` or `3.0` of at most 9 digits as Int32; null where it is no such number."""
    return text.map_batches(
        _adaptively(_read_common_integers, _read_other_integers),
        return_dtype=pl.Int32,
        is_elementwise=True,
    )


def read_thousands(text: pl.Expr) -> pl.Expr:
    """A plain decimal number >= 0, times 1,000; null where it is none, or too large for a double.

    The point moves in the text: 1.001 is 1001, where a product of doubles need not be.
    """
    parts = text.str.extract_groups(_DECIMAL).struct
    fraction = parts.field("2").fill_null("").str.pad_end(3, "0")
    shifted = pl.concat_str(
        parts.field("1"), fraction.str.slice(0, 3), pl.lit("."), fraction.str.slice(3), pl.lit("0")
    )
    value = shifted.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _read_common_scores(text: pl.Series) -> pl.Series:
    values = text.cast(pl.Int32, strict=False)
    odd = (text.str.len_bytes() > 1) | (values < 1) | (values > 5)
    return (values.scatter(odd.arg_true(), None) if odd.any() else values).cast(pl.Float64)


def _read_other_scores(text: pl.Series) -> pl.Series:
    values = text.str.extract(_SCORE, 0).cast(pl.Float64, strict=False)
    return values.scatter((~values.is_between(1, 5)).arg_true(), None)


def read_score(text: pl.Expr) -> pl.Expr:
    """A number from 1 to 5 with at most 2 decimals; null where it is none."""
    return text.map_batches(
        _adaptively(_read_common_scores, _read_other_scores),
        return_dtype=pl.Float64,
        is_elementwise=True,
    )


def _read_common_event_types(text: pl.Series) -> pl.Series:
    return text.cast(pl.Enum(EVENT_TYPES), strict=False)


def _read_other_event_types(text: pl.Series) -> pl.Series:
    return text.str.to_uppercase().cast(pl.Enum(EVENT_TYPES), strict=False)


def read_event_type(text: pl.Expr) -> pl.Expr:
    """ASSISTANT, VAULT or WORKFLOW in any case; null where it is none of them."""
    return text.map_batches(
        _adaptively(_read_common_event_types, _read_other_event_types),
        return_dtype=pl.Enum(EVENT_TYPES),
        is_elementwise=True,
    )


# --- records -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """How one source's records become rows.

    `columns`: the typed columns.
    `unusable`: findings that can only hold where a typed column is null.
    `misdated`: findings about a readable `created_at`.
    """

    columns: Mapping[str, pl.Expr]
    unusable: Mapping[str, pl.Expr]
    misdated: Mapping[str, pl.Expr]


def _missing(code: str, column: str) -> dict[str, pl.Expr]:
    return {code: pl.col(column).is_null()}


def _unusable(
    what: str, text: str, value: str, fault: Literal["unreadable", "unknown"] = "unreadable"
) -> dict[str, pl.Expr]:
    """The two ways in which a field fails: nothing there, or nothing usable."""
    missing = trimmed(text).is_null()
    return {f"missing_{what}": missing, f"{fault}_{what}": ~missing & pl.col(value).is_null()}


def _from(day: date) -> pl.Expr:
    return pl.col("created_at") >= pl.lit(day).cast(_MOMENT)


def _after_drop(rules: DropRules) -> dict[str, pl.Expr]:
    if rules.drop_date is None:
        return {}
    return {"created_after_drop": _from(rules.drop_date + timedelta(days=1))}


def _read_users(rules: DropRules) -> _Reading:
    return _Reading(
        columns={
            "user_id": trimmed("id"),
            "created_at": read_timestamp(trimmed("created")),
            "title": trimmed("title"),
        },
        unusable={
            **_missing("missing_id", "user_id"),
            **_unusable("timestamp", "created", "created_at"),
        },
        misdated=_after_drop(rules),
    )


def _read_firms(rules: DropRules) -> _Reading:
    return _Reading(
        columns={
            "firm_id": trimmed("id"),
            "created_at": read_timestamp(trimmed("created")),
            "firm_size": read_whole_number(trimmed("firm_size")),
            "arr_usd": read_thousands(trimmed("arr_in_thousands")),
        },
        unusable={
            **_missing("missing_id", "firm_id"),
            **_unusable("timestamp", "created", "created_at"),
            **_unusable("firm_size", "firm_size", "firm_size"),
            **_unusable("arr", "arr_in_thousands", "arr_usd"),
        },
        misdated=_after_drop(rules),
    )


def _read_events(rules: DropRules) -> _Reading:
    misdated = _after_drop(rules) | {"before_start_date": ~_from(rules.start_date)}
    if rules.drop_date is not None:
        misdated["too_late"] = ~_from(rules.drop_date - timedelta(days=LATE_DAYS))
    for day in rules.covered_by_bulk:
        covered = _from(day) & ~_from(day + timedelta(days=1))
        misdated["covered_by_bulk"] = misdated.get("covered_by_bulk", pl.lit(False)) | covered
    return _Reading(
        columns={
            "event_id": trimmed("event_id"),
            "created_at": read_timestamp(trimmed("created")),
            "user_id": trimmed("user_id"),
            "firm_id": trimmed("firm_id"),
            "event_type": read_event_type(trimmed("event_type")),
            "num_docs": read_whole_number(trimmed("num_docs")),
            "feedback_score": read_score(trimmed("feedback_score")),
        },
        unusable={
            **_missing("missing_user_id", "user_id"),
            **_missing("missing_firm_id", "firm_id"),
            **_unusable("timestamp", "created", "created_at"),
            **_unusable("event_type", "event_type", "event_type", "unknown"),
            **_unusable("num_docs", "num_docs", "num_docs"),
            **_unusable("feedback_score", "feedback_score", "feedback_score"),
        },
        misdated=misdated,
    )


_OPTIONAL_VALUES: Final = ("title", "event_id")
"""Typed columns that may be null without a finding."""

_READERS: Final[Mapping[Source, Callable[[DropRules], _Reading]]] = {
    "users": _read_users,
    "firms": _read_firms,
    "events": _read_events,
}


@dataclass(frozen=True)
class Judged:
    """The records of one delivery, typed, and parted by whether anything speaks against them.

    `sound`: records without a finding: `line_number` and the source's typed columns.
    `found`: the others, repaired ones included: the same columns (all null where the fields
    cannot be told apart), `action`, `reasons` and `record`.
    """

    sound: pl.LazyFrame
    found: pl.LazyFrame


def judge(
    source: Source, records: pl.LazyFrame, header: Sequence[tuple[str, str]], rules: DropRules
) -> Judged:
    """Type the records of a delivery and part those that something speaks against.

    Args:
        source: users, firms or events.
        records: `line_number`, `line` (the record as delivered; null where it has no text form),
            `is_ragged` (another number of fields than the header), and a text column per field.
        header: For each field its text column and its name in the delivered header. A contract
            column's text is in `text_column` of its name; an optional one may be absent.
        rules: What decides besides the record itself.
    """
    present = {column for column, _ in header}
    records = records.with_columns(
        pl.lit(None, dtype=pl.String).alias(text_column(name))
        for name in OPTIONAL_COLUMNS[source]
        if text_column(name) not in present
    )
    reading = _READERS[source](rules)
    needed = [name for name in reading.columns if name not in _OPTIONAL_VALUES]
    # Most records are sound, and that is cheap to see; which finding applies is worked out only
    # for the few that are not.
    is_sound = ~pl.any_horizontal(
        "is_ragged", *[pl.col(name).is_null() for name in needed], *reading.misdated.values()
    )
    typed = records.with_columns(**reading.columns).with_columns(is_sound=is_sound)
    columns = ["line_number", *reading.columns]
    return Judged(
        sound=typed.filter("is_sound").select(columns),
        found=_name_findings(typed.filter(~pl.col("is_sound")), reading, columns, header),
    )


def _name_findings(
    typed: pl.LazyFrame,
    reading: _Reading,
    columns: Sequence[str],
    header: Sequence[tuple[str, str]],
) -> pl.LazyFrame:
    whole = ~pl.col("is_ragged")
    found = {**reading.unusable, **reading.misdated}
    findings = {"wrong_field_count": pl.col("is_ragged")} | {
        code: found[code].fill_null(False) & whole for code in sorted(found, key=REASONS.index)
    }
    is_rejected = pl.any_horizontal([_flag(code) for code in findings if code not in REPAIRS])
    return typed.with_columns(
        finding.alias(_flag(code)) for code, finding in findings.items()
    ).select(
        "line_number",
        *[pl.when(whole).then(pl.col(name)).alias(name) for name in columns[1:]],
        action=pl.when(is_rejected).then(pl.lit("rejected")).otherwise(pl.lit("repaired")),
        reasons=pl.concat_list(
            [pl.when(_flag(code)).then(pl.lit(code)) for code in findings]
        ).list.drop_nulls(),
        record=_as_record(header),
    )


def records_of_lines(
    records: pl.LazyFrame, header: Sequence[tuple[str, str]], line_numbers: Sequence[int]
) -> pl.LazyFrame:
    """`line_number` and `record`, as quarantine keeps it, of some records of a delivery."""
    wanted = pl.col("line_number").is_in(pl.Series(line_numbers, dtype=pl.Int64).implode())
    return records.filter(wanted).select("line_number", record=_as_record(header))


def _as_record(header: Sequence[tuple[str, str]]) -> pl.Expr:
    """The fields as text, a JSON object by header; the raw line where they cannot be told apart."""
    as_json = pl.struct(
        [pl.col(column).alias(name) for column, name in _distinct_names(header)]
    ).struct.json_encode()
    return pl.when("is_ragged").then("line").otherwise(as_json)


def settle_duplicates(source: Source, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of acceptable rows that claim the same identity within one drop, the one that stands.

    In a snapshot the row with the latest `created_at`, then the last in the file; of events with
    the same `event_id` the first.

    Returns:
        The rows that stand, and `line_number` and `reason` of the others.
    """
    key = "event_id" if source == "events" else SNAPSHOT_KEYS[source]
    identified = rows[key].drop_nulls()
    if identified.n_unique() == identified.len():
        return rows, pl.DataFrame(schema={"line_number": pl.Int64, "reason": pl.String})
    if source == "events":
        is_beaten = pl.col(key).is_not_null() & ~pl.col(key).is_first_distinct()
        marked = rows.sort("line_number").with_columns(is_beaten=is_beaten)
        reason = "duplicate_event_id"
    else:
        is_beaten = ~pl.col(key).is_last_distinct()
        marked = rows.sort("created_at", "line_number").with_columns(is_beaten=is_beaten)
        reason = "superseded"
    return (
        marked.filter(~pl.col("is_beaten")).drop("is_beaten").sort("line_number"),
        marked.filter("is_beaten").select("line_number", reason=pl.lit(reason)),
    )


def sighted_keys(source: Source, rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Keys of a snapshot that only rejected records show: one row per key."""
    key = SNAPSHOT_KEYS[source]
    sighted = (
        findings.filter((pl.col("action") == "rejected") & pl.col(key).is_not_null())
        .select(key)
        .unique(maintain_order=True)
    )
    if sighted.is_empty():
        return sighted
    return sighted.join(rows, on=key, how="anti", maintain_order="left")


def _flag(code: str) -> str:
    return f"is_{code}"


def _distinct_names(header: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Header names as JSON keys: a name that comes again gets its place appended."""
    seen: set[str] = set()
    named = []
    for place, (column, name) in enumerate(header, start=1):
        key = name
        while key in seen:
            key = f"{key} ({place})"
        seen.add(key)
        named.append((column, key))
    return named
