"""Checks of every dimension: intervals that tile a key's life, and values that do not change."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from harvey_pipeline.checks.blocks import within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check, Report, plural
from harvey_pipeline.history import Dimension
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.source import NOT_AN_OBJECT, WRONG_FIELD_COUNT, Source
from harvey_pipeline.warehouse.markdown import as_markdown

_NO_OVERLAP: Final = Check(
    "versions_do_not_overlap", "No two versions of a key hold on the same day.", is_blocking=True
)
_NEIGHBOURS_DIFFER: Final = Check(
    "touching_versions_differ",
    "A version that follows another without a gap differs from it in an attribute. Its metadata "
    "tell why versions began in the month of the last day, and of which keys many did.",
    is_blocking=True,
)
_CREATED_STABLE: Final = Check(
    "created_date_is_stable",
    "No version that starts on the run's days gives its key another creation date.",
    WARN,
    advice="Ask the sender which date is right; ages follow the version of the day.",
)
_DEPARTURES: Final = Check(
    "departures_are_certain",
    "No snapshot that closes versions holds records whose key cannot be read: one of them may be "
    "the key that seems to be gone.",
    WARN,
    advice="Have the snapshot corrected and run its day again.",
)

_KEYS_NAMED: Final = 10
_MANY_VERSIONS: Final = 5
"""More versions of a key than this in a month are told of."""


def dimension_checks(dimension: Dimension, source: Source) -> TableChecks:
    """The checks of a dimension's table; all of it is judged, for any version may move."""
    one_current = Check(
        f"one_current_version_per_{dimension.entity}",
        "At most one version of a key is open.",
        is_blocking=True,
    )
    key = list(dimension.key)
    shown = ["effective_start_date", *key, "effective_end_date", "is_current"]

    def judge_rows(versions: pl.DataFrame, judging: Judging) -> None:
        report, days = judging.report, judging.days
        start, end = pl.col("effective_start_date"), pl.col("effective_end_date")
        identity = pl.struct(key)
        # Most keys have one version, and nothing to compare it with.
        ordered = versions.filter(identity.is_duplicated()).sort(
            *key, "effective_start_date", "effective_end_date"
        )
        is_next = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in key)
        latest_end_before = end.shift(1).cum_max().over(key)
        touching = is_next & (start == end.shift(1) + pl.duration(days=1))
        same = pl.all_horizontal(
            pl.col(name).eq_missing(pl.col(name).shift(1)) for name in dimension.attributes
        )
        report.add(_NO_OVERLAP, ordered.filter(start <= latest_end_before).select(shown))
        report.add(
            one_current,
            ordered.filter("is_current").filter(identity.is_duplicated()).select(shown),
        )
        report.add(_NEIGHBOURS_DIFFER, ordered.filter(touching & same).select(shown))
        if days:
            _note_changes(dimension, versions, days[-1], report)
        if dimension.created_date is not None:
            created = pl.col(dimension.created_date)
            started = start.is_between(days[0], days[-1]) if days else pl.lit(False)
            changed = (created != pl.col("created_before")) & is_next & started
            report.add(
                _CREATED_STABLE,
                ordered.with_columns(created_before=created.shift(1))
                .filter(changed)
                .select("effective_start_date", *key, "created_before", dimension.created_date),
            )

    def judge(judging: Judging) -> None:
        report = judging.report
        unclear = _unclear_records(judging, source)
        departed = judging.connection.sql(
            _departed(dimension, judging.days),
        ).pl()
        found = (
            unclear.join(departed, on="day")
            .group_by("day", "file", "unreadable_records", "line_number")
            .agg(closed_versions=pl.len(), keys=pl.col("key").sort().head(_KEYS_NAMED))
            .with_columns(pl.col("keys").list.join(", "))
            .sort("day", descending=True)
        )
        report.add(_DEPARTURES, found)
        if not found.is_empty():
            last = found.row(0, named=True)
            others = found.height - 1
            more = f"; and {others} more {plural('day', others)}" if others else ""
            records, closed = last["unreadable_records"], last["closed_versions"]
            report.say(
                _DEPARTURES,
                f"{last['file']}: {records} {plural('record', records)} without a readable key "
                f"(first: line {last['line_number']}) while {closed} "
                f"{'version closes' if closed == 1 else 'versions close'}: {last['keys']}{more}",
            )

    checks = [_NO_OVERLAP, one_current, _NEIGHBOURS_DIFFER]
    if dimension.created_date is not None:
        checks.append(_CREATED_STABLE)
    return TableChecks(
        dimension.table,
        (*checks, _DEPARTURES),
        judge,
        judge_rows,
        needs=(DROPS, QUARANTINE),
    )


def _note_changes(dimension: Dimension, versions: pl.DataFrame, day: date, report: Report) -> None:
    """Say why versions began in the month of a day, up to it."""
    opened = opened_in_month(dimension, versions, day)
    many = keys_with_many_versions(dimension, opened)
    report.note(
        _NEIGHBOURS_DIFFER,
        month_of_versions=f"{day:%Y-%m}",
        versions_begun=opened.height,
        reasons_of_versions=dg.MetadataValue.md(
            as_markdown(reasons_of_versions(dimension, opened))
        ),
        keys_with_many_versions=many.height,
    )
    report.note_table(_NEIGHBOURS_DIFFER, "most_versions", many)


def opened_in_month(dimension: Dimension, versions: pl.DataFrame, day: date) -> pl.DataFrame:
    """The versions that began in the month of a day, up to it, and how each differs from the
    one before: `is_first`, `is_return` (after days without a version), `is_other_<attribute>`."""
    key = list(dimension.key)
    start = pl.col("effective_start_date")
    is_opened = start.is_between(day.replace(day=1), day)
    before = {
        name: pl.col(name).shift(1).over(key)
        for name in ("effective_start_date", "effective_end_date", *dimension.attributes)
    }
    is_first = before["effective_start_date"].is_null()
    return (
        versions.join(versions.filter(is_opened), on=key, how="semi")
        .sort(*key, "effective_start_date")
        .with_columns(
            is_first=is_first,
            is_return=~is_first & (before["effective_end_date"] + pl.duration(days=1) < start),
            **{
                f"is_other_{name}": ~is_first & pl.col(name).ne_missing(before[name])
                for name in dimension.attributes
            },
        )
        .filter(is_opened)
    )


def keys_with_many_versions(dimension: Dimension, opened: pl.DataFrame) -> pl.DataFrame:
    """The keys of more than five of these versions, with their number, most first."""
    counts = opened.group_by(dimension.key).agg(versions=pl.len())
    many = counts.filter(pl.col("versions") > _MANY_VERSIONS)
    return many.sort("versions", *dimension.key, descending=[True, *[False] * len(dimension.key)])


def reasons_of_versions(dimension: Dimension, opened: pl.DataFrame) -> pl.DataFrame:
    """`reason` and `versions`, of `opened_in_month`; a version may have several reasons."""
    reasons = {
        "the first of its key": "is_first",
        "the key came back": "is_return",
        **{f"other {name}": f"is_other_{name}" for name in dimension.attributes},
    }
    return pl.DataFrame(
        [(reason, int(opened[column].sum())) for reason, column in reasons.items()],
        schema={"reason": pl.String, "versions": pl.Int64},
        orient="row",
    )


def _unclear_records(judging: Judging, source: Source) -> pl.DataFrame:
    """One row per observed drop of the run's days with records whose key cannot be read."""
    reasons = [WRONG_FIELD_COUNT, NOT_AN_OBJECT, *source.missing_key_reasons]
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    rows: pl.DataFrame = judging.connection.sql(
        "select drop_date as day, min(quarantine.file) as file, count(*) as unreadable_records, "
        "arg_min(line_number, {'file': quarantine.file, 'line': line_number}) as line_number "
        f"from {QUARANTINE} as quarantine join {DROPS} as drops using (source, drop_date) "
        f"where source = ? and form = 'drop' and is_observed and list_has_any(reasons, [{listed}]) "
        f"and {within('drop_date', judging.days)} group by 1",
        params=[source.name],
    ).pl()
    return rows


def _departed(dimension: Dimension, days: Sequence[date]) -> str:
    """SQL of the versions that close without a successor: the day of absence, and the key."""
    same_key = " and ".join(f"next.{name} = closed.{name}" for name in dimension.key)
    key = ", ".join(f"closed.{name}" for name in dimension.key)
    return (
        f"select closed.effective_end_date + 1 as day, concat_ws(' ', {key}) as key "
        f"from {dimension.table} as closed where not closed.is_current "
        f"and {within('closed.effective_end_date + 1', days)} and not exists "
        f"(from {dimension.table} as next where {same_key} "
        "and next.effective_start_date = closed.effective_end_date + 1)"
    )
