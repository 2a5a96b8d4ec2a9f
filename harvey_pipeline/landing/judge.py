"""From records of text to typed rows: judged field by field and record by record.

Records come as text; here they are typed and judged by their source's declaration. Nothing is
dropped: every record is either acceptable or comes out with each reason that speaks against it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.landing.readers import cleaned
from harvey_pipeline.landing.records import Delivery
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.repeats import are_distinct
from harvey_pipeline.landing.source import (
    BEFORE_START_DATE,
    COVERED_BY_BULK,
    CREATED_AFTER_DROP,
    EVENT_DATE,
    NOT_AN_OBJECT,
    TOO_LATE,
    WRONG_FIELD_COUNT,
    Column,
    Source,
)

_STRUCTURE: Final = (WRONG_FIELD_COUNT, NOT_AN_OBJECT)


@dataclass(frozen=True)
class DropRules:
    """What decides, besides the record itself, whether a record is acceptable.

    `drop_date` is None for a bulk export, whose records each belong to their own day.
    """

    drop_date: date | None
    start_date: date
    covered_by_bulk: frozenset[date] = frozenset()


@dataclass(frozen=True)
class Judged:
    """The records of one delivery, typed, and parted by whether anything speaks against them.

    `sound`: records without a finding: `line_number` and the source's typed columns.
    `found`: the others, repaired ones included: the same columns (all null where the fields
    cannot be told apart), `action`, `reasons` and `record`.
    """

    sound: pl.LazyFrame
    found: pl.LazyFrame


def typed_column(column: Column) -> pl.Expr:
    """A source's column, typed, out of records of text."""
    return column.reader(pl.col(text_column(column.delivered)))


def with_all_columns(source: Source, records: pl.LazyFrame, present: set[str]) -> pl.LazyFrame:
    """Records with a text column, null throughout, for each column that was not delivered."""
    return records.with_columns(
        pl.lit(None, dtype=pl.String).alias(text_column(column.delivered))
        for column in source.delivered_columns
        if text_column(column.delivered) not in present
    )


def judge(source: Source, delivery: Delivery, rules: DropRules) -> Judged:
    """Type the records of a delivery and part those that something speaks against.

    Args:
        source: Whose records they are.
        delivery: The records as text; an optional column may be absent.
        rules: What decides besides the record itself.
    """
    records = with_all_columns(source, delivery.records, {column for column, _ in delivery.header})
    typed = records.with_columns(
        typed_column(column).alias(column.name) for column in source.columns
    )
    misdated = _misdated(source, rules) | _out_of_order(source, rules)
    # Most records are sound, and that is cheap to see; which finding applies is worked out only
    # for the few that are not.
    is_sound = ~pl.any_horizontal(
        pl.col("fault").is_not_null(),
        *[_may_be_at_fault(column) for column in source.columns if column.is_needed],
        *[rule.fill_null(False) for rule in misdated.values()],
    )
    typed = typed.with_columns(is_sound=is_sound)
    columns = ["line_number", *(column.name for column in source.columns)]
    return Judged(
        sound=typed.filter("is_sound").select(columns),
        found=_name_findings(
            source, typed.filter(~pl.col("is_sound")), misdated, columns, _as_record(delivery)
        ),
    )


def _may_be_at_fault(column: Column) -> pl.Expr:
    """Whether a null speaks against the record: any, unless a missing value is as good."""
    is_null = pl.col(column.name).is_null()
    if column.missing == "keep":
        return is_null & cleaned(pl.col(text_column(column.delivered))).is_not_null()
    return is_null


def _misdated(source: Source, rules: DropRules) -> dict[str, pl.Expr]:
    """Findings about a readable timestamp."""
    if source.at is None:
        return {}
    found: dict[str, pl.Expr] = {}
    at = source.at
    if rules.drop_date is not None:
        found[CREATED_AFTER_DROP] = _from(at, rules.drop_date + timedelta(days=1))
    if source.is_snapshot:
        return found
    found[BEFORE_START_DATE] = ~_from(at, rules.start_date)
    if rules.drop_date is not None:
        found[TOO_LATE] = ~_from(at, rules.drop_date - timedelta(days=source.late_days))
    if source.kind == "events":
        for day in rules.covered_by_bulk:
            covered = _from(at, day) & ~_from(at, day + timedelta(days=1))
            found[COVERED_BY_BULK] = found.get(COVERED_BY_BULK, pl.lit(False)) | covered
    return found


def _out_of_order(source: Source, rules: DropRules) -> dict[str, pl.Expr]:
    """Findings about moments that come before what they follow, or after their drop."""
    found: dict[str, pl.Expr] = {}
    for column in source.columns:
        if column.misdated_reasons is None or column.follows is None:
            continue
        before, after = column.misdated_reasons
        found[before] = pl.col(column.name) < pl.col(column.follows)
        if rules.drop_date is not None:
            found[after] = _from(column.name, rules.drop_date + timedelta(days=1))
    return found


def _from(at: str, day: date) -> pl.Expr:
    return pl.col(at) >= pl.lit(day).cast(pl.Datetime("us"))


def _unusable(column: Column) -> Mapping[str, pl.Expr]:
    """The two ways in which a field fails: nothing there, or nothing usable."""
    found: dict[str, pl.Expr] = {}
    is_missing = cleaned(pl.col(text_column(column.delivered))).is_null()
    if not column.can_be_unusable:
        # What its reader does not take for text is missing.
        is_missing = pl.col(column.name).is_null()
    if column.missing != "keep":
        found[column.missing_reason] = is_missing
    if column.can_be_unusable and column.unusable != "keep":
        found[column.unusable_reason] = ~is_missing & pl.col(column.name).is_null()
    return found


def _name_findings(
    source: Source,
    typed: pl.LazyFrame,
    misdated: Mapping[str, pl.Expr],
    columns: Sequence[str],
    record: pl.Expr,
) -> pl.LazyFrame:
    whole = pl.col("fault").is_null()
    found = dict(misdated)
    for column in source.columns:
        found |= _unusable(column)
    findings = {code: (pl.col("fault") == code).fill_null(False) for code in _STRUCTURE} | {
        code: found[code].fill_null(False) & whole for code in source.reasons if code in found
    }
    rejecting = [_flag(code) for code in findings if code not in source.repairs]
    unless = {
        column.name: [_flag(code) for code in column.misdated_reasons or () if code in findings]
        for column in source.columns
    }
    return typed.with_columns(
        finding.alias(_flag(code)) for code, finding in findings.items()
    ).select(
        "line_number",
        *[
            pl.when(whole, *(~flagged for flagged in map(pl.col, unless[name])))
            .then(pl.col(name))
            .alias(name)
            for name in columns[1:]
        ],
        action=pl.when(pl.any_horizontal(rejecting))
        .then(pl.lit("rejected"))
        .otherwise(pl.lit("repaired")),
        reasons=pl.concat_list(
            [pl.when(_flag(code)).then(pl.lit(code)) for code in findings]
        ).list.drop_nulls(),
        record=record,
    )


def records_of_lines(delivery: Delivery, line_numbers: Sequence[int]) -> pl.LazyFrame:
    """`line_number` and `record`, as quarantine keeps it, of some records of a delivery."""
    wanted = pl.col("line_number").is_in(pl.Series(line_numbers, dtype=pl.Int64).implode())
    return delivery.records.filter(wanted).select("line_number", record=_as_record(delivery))


def _as_record(delivery: Delivery) -> pl.Expr:
    """The fields as text, a JSON object by header; the raw line where they cannot be told apart."""
    fields = [
        pl.coalesce(column, delivery.nested[column]).alias(name)
        if column in delivery.nested
        else pl.col(column).alias(name)
        for column, name in _distinct_names(delivery.header)
    ]
    as_json = pl.struct(fields).struct.json_encode()
    return pl.when(pl.col("fault").is_not_null()).then("line").otherwise(as_json)


def settle_duplicates(source: Source, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of acceptable rows that claim the same identity within one drop, the one that stands.

    Of a snapshot the row with the latest timestamp, then the last in the file; of events with the
    same id the first; of changes the last.

    Returns:
        The rows that stand, and `line_number` and `reason` of the others.
    """
    key = list(source.key)
    keyed = rows if EVENT_DATE not in key else rows.with_columns(_event_date(source))
    has_key = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    identified = keyed.select(key).filter(has_key)
    if are_distinct(identified):
        return rows, pl.DataFrame(schema={"line_number": pl.Int64, "reason": pl.String})
    identity = pl.struct(key)
    if source.kind == "events":
        order = ["line_number"]
        is_beaten = has_key & ~identity.is_first_distinct()
    else:
        order = ["line_number"]
        if source.is_snapshot and source.at is not None:
            order = [source.at, "line_number"]
        is_beaten = has_key & ~identity.is_last_distinct()
    marked = keyed.sort(order).with_columns(is_beaten=is_beaten)
    return (
        marked.filter(~pl.col("is_beaten")).select(rows.columns).sort("line_number"),
        marked.filter("is_beaten").select("line_number", reason=pl.lit(source.repeat_reason)),
    )


def _event_date(source: Source) -> pl.Expr:
    assert source.at is not None
    return pl.col(source.at).dt.date().alias(EVENT_DATE)


def sighted_keys(source: Source, rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Keys of a snapshot that only rejected records show: one row per key."""
    key = list(source.key)
    is_legible = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    sighted = (
        findings.filter((pl.col("action") == "rejected") & is_legible)
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
