"""How bad the rows of a drop are, in three levels, by what the ledger and quarantine say."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from harvey_pipeline.landing.ledger import DROPS, QUARANTINE, drops_of
from harvey_pipeline.landing.source import CREATED_AFTER_DROP, Source
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.warehouse import Warehouse

Level = Literal["Critical", "Warning", "Info"]

LEVELS: Final[tuple[Level, ...]] = ("Critical", "Warning", "Info")
"""The most urgent one first."""

Finding = Literal["missing identifiers", "unusable values", "future dates", "duplicates"]

FINDINGS: Final[Mapping[Finding, str]] = {
    "missing identifiers": "rows_missing_id",
    "unusable values": "rows_unusable_value",
    "future dates": "rows_future_dated",
    "duplicates": "rows_duplicate",
}
"""What may be wrong with a row, and how a table calls the number of such rows."""


@dataclass(frozen=True)
class Flaw:
    """What is wrong with one day's drop of a source, and how many of the rows read it concerns.

    Rows of the erased are none of them.
    """

    level: Level
    source: str
    day: date
    finding: Finding
    rows: int
    rows_read: int

    @property
    def percent(self) -> float:
        return 100 * self.rows / self.rows_read


def newest_commits(
    warehouse: Warehouse, sources: Sequence[Source]
) -> dict[str, Mapping[date, int]]:
    """By source the days that were ever loaded, each with the commit that loaded it last.

    A drop that is delivered anew is loaded anew, also where its accepted rows are the same.
    """
    return {source.name: warehouse.last_commits(drops_of(source.name)) for source in sources}


def reasons_by_finding(source: Source) -> dict[Finding, tuple[str, ...]]:
    """For which reasons a row of a source counts for each finding."""
    return {
        "missing identifiers": source.missing_key_reasons,
        "unusable values": source.repairs,
        "future dates": (CREATED_AFTER_DROP,),
        "duplicates": (source.repeat_reason,),
    }


def find_flaws(
    warehouse: Warehouse,
    sources: Sequence[Source],
    days: Mapping[str, Collection[date]],
    limits: QualitySettings,
) -> list[Flaw]:
    """What is wrong with some days' drops, most urgent first, then by source and day.

    Unusable values are those that their record can do without: it is accepted and repaired.
    """
    flaws = [
        flaw
        for source in sources
        if days.get(source.name)
        for flaw in _flaws_of(warehouse, source, days[source.name], limits)
    ]
    return sorted(
        flaws, key=lambda one: (LEVELS.index(one.level), one.source, one.finding, one.day)
    )


def _flaws_of(
    warehouse: Warehouse, source: Source, days: Collection[date], limits: QualitySettings
) -> list[Flaw]:
    reasons = reasons_by_finding(source)
    counted = ", ".join("count(*) filter (list_has_any(reasons, ?::varchar[]))" for _ in reasons)
    rows = warehouse.query(
        f"select drop_date, any_value(rows_read - rows_erased), {counted} from {DROPS} "
        f"join {QUARANTINE} using (source, drop_date) "
        "where source = ? and list_contains(?::date[], drop_date) and rows_read > rows_erased "
        "group by drop_date",
        [*map(list, reasons.values()), source.name, sorted(days)],
        tables=[DROPS, QUARANTINE],
    )
    flaws = []
    for day, rows_read, *counts in rows:
        for finding, count in zip(reasons, counts, strict=True):
            level = level_of(finding, count, rows_read, limits)
            if level is not None:
                flaws.append(Flaw(level, source.name, day, finding, count, rows_read))
    return flaws


def level_of(finding: Finding, rows: int, rows_read: int, limits: QualitySettings) -> Level | None:
    """How bad it is that so many of a day's rows have a finding; None if it need not be told."""
    if finding in ("future dates", "duplicates"):
        return "Info" if rows >= limits.info_rows else None
    critical, warning = (
        (limits.critical_missing_ids_percent, limits.warning_missing_ids_percent)
        if finding == "missing identifiers"
        else (limits.critical_unusable_values_percent, limits.warning_unusable_values_percent)
    )
    percent = 100 * rows / rows_read if rows_read else 0.0
    return "Critical" if percent > critical else "Warning" if percent > warning else None
