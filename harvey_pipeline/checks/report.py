"""What the checks of one table find, gathered block by block and told as Dagster's results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.warehouse.markdown import as_markdown
from harvey_pipeline.warehouse.table import Table

WARN: Final = dg.AssetCheckSeverity.WARN
ERROR: Final = dg.AssetCheckSeverity.ERROR

REPAIR_HINT: Final = (
    "Run these days again; if it is still so, the warehouse was changed by hand or the transform "
    "is wrong."
)
"""What to do where the pipeline's own results contradict each other."""

_DAYS_NAMED: Final = 20
_EXAMPLES: Final = 5
_VALUES_TOLD: Final = 6


@dataclass(frozen=True)
class Check:
    """One assumption about a table; its name is the fact that it asserts.

    A blocking check that fails with severity ERROR keeps downstream assets from running. `advice`
    says what to do when it fails. `rules` are its parts, each with what it asserts, of a check
    that has several.
    """

    name: str
    description: str
    severity: dg.AssetCheckSeverity = ERROR
    is_blocking: bool = False
    advice: str = REPAIR_HINT
    rules: Mapping[str, str] = field(default_factory=dict)


class _Found:
    """What was found against a check, or against one of its rules."""

    def __init__(self) -> None:
        self.count = 0
        self.days: set[date] = set()
        self.examples: pl.DataFrame | None = None

    def add(self, rows: pl.DataFrame, counts: Mapping[date | None, int] | None) -> None:
        if counts is None:
            self.count += rows.height
            self.days.update(rows.to_series(0).drop_nulls().unique())
        else:
            self.count += sum(counts.values())
            self.days.update(day for day, count in counts.items() if day and count)
        if self.examples is None and not rows.is_empty():
            self.examples = rows.head(_EXAMPLES)


class _Findings:
    """What one check has found so far, by rule; a check without rules has one without a name."""

    def __init__(self, check: Check) -> None:
        self.severity = check.severity
        self.advice = check.advice
        self.by_rule = {rule: _Found() for rule in check.rules or ("",)}
        self.unevaluated = set(self.by_rule)
        self.notes: dict[str, Any] = {}
        self.told = ""

    @property
    def failing(self) -> Mapping[str, _Found]:
        return {rule: found for rule, found in self.by_rule.items() if found.count}

    @property
    def count(self) -> int:
        return sum(found.count for found in self.by_rule.values())

    @property
    def days(self) -> list[date]:
        """The failing days, ascending."""
        return sorted({day for found in self.by_rule.values() for day in found.days})

    @property
    def examples(self) -> pl.DataFrame | None:
        """Some failing rows of every rule, with its name."""
        frames = [
            found.examples.with_columns(rule=pl.lit(rule)) if rule else found.examples
            for rule, found in self.by_rule.items()
            if found.examples is not None
        ]
        if not frames:
            return None
        together = pl.concat(frames, how="diagonal")
        names = sorted(together.columns, key=lambda name: name == "rule")
        return together.select(names)


class Report:
    """The findings of a table's checks over some days.

    Every check has to be told about, if only that nothing was found: one that was not is an
    error, never a pass.
    """

    def __init__(self, table: Table, checks: Sequence[Check], days: Sequence[date]) -> None:
        self.table = table
        self.days = days
        self._findings = {check.name: _Findings(check) for check in checks}

    def add(
        self,
        check: Check,
        rows: pl.DataFrame,
        *,
        counts: Mapping[date | None, int] | None = None,
        rule: str = "",
    ) -> None:
        """Tell what a check found in a part of the data.

        Args:
            check: Which one.
            rows: The failing rows, none if all is well; their first column is the day.
            counts: Failures by day, where `rows` are only some examples of them.
            rule: Which of the check's rules they break, if it has any.
        """
        findings = self._findings[check.name]
        findings.unevaluated.discard(rule)
        findings.by_rule[rule].add(rows, counts)

    def escalate(self, check: Check) -> None:
        """Make a check's failure an error, whatever its severity otherwise."""
        self._findings[check.name].severity = ERROR

    def say(self, check: Check, text: str, *, advice: str | None = None) -> None:
        """Say in words what was found, and perhaps another thing to do than usual."""
        self._findings[check.name].told = text
        if advice is not None:
            self._findings[check.name].advice = advice

    def note(self, check: Check, **metadata: Any) -> None:
        """Add to what a check's result says."""
        self._findings[check.name].notes |= metadata

    def note_table(self, check: Check, name: str, rows: pl.DataFrame) -> None:
        """Add a few rows to what a check's result says."""
        table = as_markdown(rows.head(_EXAMPLES))
        self._findings[check.name].notes[name] = dg.MetadataValue.md(table)

    def results(self) -> Iterator[dg.AssetCheckResult]:
        """One result per check, in the order of the checks."""
        for name, findings in self._findings.items():
            if findings.unevaluated:
                which = " and ".join(filter(None, sorted(findings.unevaluated)))
                told = f"{which} of {name}" if which else name
                raise ValueError(f"{told} of {self.table} was not evaluated")
            yield dg.AssetCheckResult(
                passed=findings.count == 0,
                asset_key=dg.AssetKey(self.table.name.split(".")),
                check_name=name,
                severity=findings.severity,
                description=self._sentence(findings),
                metadata=self._metadata(findings),
            )

    def _sentence(self, findings: _Findings) -> str:
        """What was found, with an example, and what to do."""
        looked_at = f"{len(self.days):,} {plural(self.noun, len(self.days))}"
        if findings.count == 0:
            return f"Nothing found in {looked_at}."
        told = findings.told or "; ".join(
            f"{rule}: {self._found(found)}" if rule else self._found(found)
            for rule, found in findings.failing.items()
        )
        return f"{told}. {findings.advice}".strip()

    def _found(self, found: _Found) -> str:
        told = f"{found.count:,} {plural('row', found.count)}"
        if found.days:
            looked_at = f"{len(self.days):,} {plural(self.noun, len(self.days))}"
            told += f" on {len(found.days):,} of {looked_at}, last {max(found.days)}"
        if found.examples is not None:
            told += f"; for example {_as_example(found.examples)}"
        return told

    @property
    def noun(self) -> str:
        """What a partition of the table is."""
        return "month" if self.table.is_monthly else "day"

    def _metadata(self, findings: _Findings) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "evaluated_days": len(self.days),
            "failing_count": findings.count,
            **findings.notes,
        }
        if findings.count:
            metadata |= _failing_days(findings.days)
        if any(findings.failing):
            metadata["failing_rules"] = {
                rule: {"failing_count": found.count, **_failing_days(sorted(found.days))}
                for rule, found in findings.failing.items()
            }
        if (examples := findings.examples) is not None:
            metadata["examples"] = dg.MetadataValue.md(as_markdown(examples))
        return metadata


def _failing_days(days: Sequence[date]) -> dict[str, Any]:
    return {
        "failing_days": [str(day) for day in days[-_DAYS_NAMED:]],
        "failing_day_count": len(days),
    }


def plural(noun: str, count: int) -> str:
    """A noun as its number asks for."""
    return noun if count == 1 else f"{noun}s"


def _as_example(rows: pl.DataFrame) -> str:
    """The first of some rows in words."""
    named = [(name, value) for name, value in rows.row(0, named=True).items() if value is not None]
    return ", ".join(f"{name} {_short(value)}" for name, value in named[:_VALUES_TOLD])


def _short(value: Any) -> str:
    text = f"{value:,.2f}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


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
        description=f"{len(unwritten)} of the days asked for were never run, first "
        f"{unwritten[0]}. Run them. {result.description or ''}".strip()
        if unwritten
        else "No day of this table was ever run. Run some.",
    )
