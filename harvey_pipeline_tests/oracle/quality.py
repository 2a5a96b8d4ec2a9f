"""Data quality by day and source, counted row by row out of what each drop holds."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from fractions import Fraction

from harvey_pipeline_tests.oracle.history import History, version_on
from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.values import TableRow


def data_quality_table(
    loads: Iterable[Load], references: Mapping[str, Mapping[str, History]]
) -> list[TableRow]:
    """One row per day and source run, by the thresholds that hold where none are set.

    `references` gives, by source, the columns that name a key, and the history of these keys.
    """
    return [_quality_of(one, references.get(one.source.name, {})) for one in loads]


def _quality_of(load: Load, histories: Mapping[str, History]) -> TableRow:
    source = load.source
    # Every record in quarantine, with why it is there.
    kept = [(each.row, each.reasons) for each in load.rejected]
    kept += [(row, row.repairs) for row in load.repaired]
    ids = {each.missing_reason for each in source.fields if each.is_id and each.missing == "reject"}
    repairs = {each.missing_reason for each in source.fields if each.missing == "repair"}
    repairs |= {each.unreadable_reason for each in source.fields if each.unreadable == "repair"}
    counts = {
        "rows_missing_id": _having(kept, ids),
        "rows_unusable_value": _having(kept, repairs),
        "rows_future_dated": _having(kept, {"created_after_drop"}),
        "rows_duplicate": _having(kept, {"duplicate_event_id", "superseded"}),
    }
    by_reason = Counter(reason for each in load.rejected for reason in set(each.reasons))
    is_counted = load.is_observed and not source.is_snapshot
    late = [row for row in load.accepted if not source.is_snapshot and _day_of(row) < load.day]
    orphans = [row for row in load.accepted if is_counted and _is_orphaned(row, histories)]
    arrives = datetime.combine(load.day, time()) + timedelta(days=1)
    is_timed = is_counted and load.slice.form == "drop"
    hours = [
        Fraction((arrives - row.created_at) // timedelta(microseconds=1), 3_600_000_000)
        for row in load.accepted
        if is_timed and row.created_at is not None
    ]
    return {
        "drop_date": load.day,
        "source": source.name,
        "form": load.slice.form,
        "is_observed": load.is_observed,
        "rows_read": len(load.slice.rows),
        "rows_accepted": len(load.accepted),
        "rows_repaired": len(load.repaired),
        "rows_rejected": len(load.rejected),
        "rows_erased": 0,
        "rejected_by_reason": json.dumps(dict(sorted(by_reason.items()))),
        **counts,
        "rows_late": len(late) if is_counted else None,
        "rows_orphaned": len(orphans) if is_counted and histories else None,
        "hours_to_arrival_median": percentile(hours, Fraction(1, 2)),
        "hours_to_arrival_p95": percentile(hours, Fraction(19, 20)),
        "level": _level_of(counts, len(load.slice.rows)),
    }


def _having(kept: Iterable[tuple[Row, list[str]]], wanted: set[str]) -> int:
    return sum(bool(wanted.intersection(reasons)) for _, reasons in kept)


def _day_of(row: Row) -> date:
    assert row.created_at is not None
    return row.created_at.date()


def _is_orphaned(row: Row, histories: Mapping[str, History]) -> bool:
    return any(
        row.values[name] is not None and version_on(history, row.values[name], _day_of(row)) is None
        for name, history in histories.items()
    )


def percentile(values: Iterable[Fraction], share: Fraction) -> float | None:
    """The value so far up among all, in between where it falls between two; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    lower, upper = ordered[math.floor(place)], ordered[math.ceil(place)]
    return float(lower + (upper - lower) * (place - math.floor(place)))


def _level_of(counts: Mapping[str, int], rows_read: int) -> str:
    lacking, unusable = 100 * counts["rows_missing_id"], 100 * counts["rows_unusable_value"]
    if lacking > 5 * rows_read or unusable > 10 * rows_read:
        return "critical"
    if lacking > 2 * rows_read or unusable > 5 * rows_read:
        return "warning"
    return "info" if counts["rows_future_dated"] or counts["rows_duplicate"] else "ok"
