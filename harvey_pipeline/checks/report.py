"""What the checks of one table find, gathered block by block and told as Dagster's results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.io_managers import as_markdown
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.warehouse import Warehouse

WARN: Final = dg.AssetCheckSeverity.WARN
ERROR: Final = dg.AssetCheckSeverity.ERROR

_DAYS_NAMED: Final = 20
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Check:
    """One assumption about a table; its name is the fact that it asserts.

    A blocking check that fails with severity ERROR keeps downstream assets from running.
    """

    name: str
    description: str
    severity: dg.AssetCheckSeverity = ERROR
    is_blocking: bool = False


Evaluate = Callable[[Warehouse, RawStore, Sequence[date]], Iterator[dg.AssetCheckResult]]


@dataclass(frozen=True)
class TableChecks:
    """The checks of one table, and the function that evaluates all of them for some days."""

    table: str
    checks: tuple[Check, ...]
    evaluate: Evaluate


class _Findings:
    """What one check has found so far."""

    def __init__(self, severity: dg.AssetCheckSeverity) -> None:
        self.severity = severity
        self.is_evaluated = False
        self.count = 0
        self.days: set[date] = set()
        self.examples: pl.DataFrame | None = None
        self.notes: dict[str, Any] = {}


class Report:
    """The findings of a table's checks over some days.

    Every check has to be told about, if only that nothing was found: one that was not is an
    error, never a pass.
    """

    def __init__(self, table: str, checks: Sequence[Check], days: Sequence[date]) -> None:
        self.table = table
        self.days = days
        self._findings = {check.name: _Findings(check.severity) for check in checks}

    def add(
        self,
        check: str,
        rows: pl.DataFrame,
        *,
        counts: Mapping[date | None, int] | None = None,
    ) -> None:
        """Tell what a check found in a part of the data.

        Args:
            check: Its name.
            rows: The failing rows, none if all is well; their first column is the day.
            counts: Failures by day, where `rows` are only some examples of them.
        """
        findings = self._findings[check]
        findings.is_evaluated = True
        if counts is None:
            findings.count += rows.height
            findings.days.update(rows.to_series(0).drop_nulls().unique())
        else:
            findings.count += sum(counts.values())
            findings.days.update(day for day, count in counts.items() if day and count)
        if findings.examples is None and not rows.is_empty():
            findings.examples = rows.head(_EXAMPLES)

    def escalate(self, check: str) -> None:
        """Make a check's failure an error, whatever its severity otherwise."""
        self._findings[check].severity = ERROR

    def note(self, check: str, **metadata: Any) -> None:
        """Add to what a check's result says."""
        self._findings[check].notes |= metadata

    def note_table(self, check: str, name: str, rows: pl.DataFrame) -> None:
        """Add a few rows to what a check's result says."""
        table = as_markdown(rows.head(_EXAMPLES))
        self._findings[check].notes[name] = dg.MetadataValue.md(table)

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """One result per check, in the order of the checks."""
        for name, findings in self._findings.items():
            if not findings.is_evaluated:
                raise ValueError(f"{name} of {self.table} was not evaluated")
            yield dg.AssetCheckResult(
                passed=findings.count == 0,
                asset_key=dg.AssetKey(self.table.split(".")),
                check_name=name,
                severity=findings.severity,
                metadata=self._metadata(findings),
            )

    def _metadata(self, findings: _Findings) -> dict[str, Any]:
        days = sorted(findings.days)
        metadata: dict[str, Any] = {
            "evaluated_days": len(self.days),
            "failing_count": findings.count,
            **findings.notes,
        }
        if findings.count:
            metadata |= {
                "failing_days": [str(day) for day in days[:_DAYS_NAMED]],
                "failing_day_count": len(days),
            }
        if findings.examples is not None:
            metadata["examples"] = dg.MetadataValue.md(as_markdown(findings.examples))
        return metadata


def without_unwritten_days(
    result: dg.AssetCheckResult, unwritten: Sequence[date], *, is_empty: bool
) -> dg.AssetCheckResult:
    """A result that does not pass where days that it is asked about were never run."""
    if not unwritten and not is_empty:
        return result
    return dg.AssetCheckResult(
        passed=False,
        asset_key=result.asset_key,
        check_name=result.check_name,
        severity=WARN if result.passed else result.severity,
        metadata={
            **result.metadata,
            "days_never_run": [str(day) for day in unwritten[:_DAYS_NAMED]],
        },
        description=f"{len(unwritten)} of the days asked for were never run."
        if unwritten
        else "No day of this table was ever run.",
    )
