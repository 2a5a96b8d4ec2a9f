"""The contract check: a table against its schema, whose rules each have a name."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Final

import polars as pl

from harvey_pipeline.checks.report import Check, Report
from harvey_pipeline.landing.repeats import are_distinct
from harvey_pipeline.warehouse.table import Table

SCHEMA_HOLDS: Final = "schema_holds"

KEY: Final = "key_is_unique"
REQUIRED: Final = "required_columns_present"
BOUNDS: Final = "values_within_bounds"

_PRIMARY_KEY_RULE: Final = "primary_key"
_COLUMN_RULE: Final = "|"
"""Stands between column and kind in the name of a rule about one column."""

_SLICE_ROWS: Final = 1 << 18
"""Rows whose values are judged at a time: what tells of each whether it holds takes its place."""


class Contract:
    """A table's schema as one check, evaluated in one pass over a frame."""

    def __init__(self, table: Table) -> None:
        self.table = table
        # dataframely has no public list of a schema's rules, and its own evaluation of a key
        # costs several times that of all other rules together.
        rules = table.schema._validation_rules(with_cast=False)
        self._rules: Mapping[str, pl.Expr] = {
            name: rule.expr for name, rule in rules.items() if name != _PRIMARY_KEY_RULE
        }
        self._labels = {
            name: dtype for name, dtype in table.polars_schema.items() if isinstance(dtype, pl.Enum)
        }

    @cached_property
    def check(self) -> Check:
        """The check, a blocking error, with what each of the schema's rules asserts."""
        names = dict.fromkeys((KEY, REQUIRED, *map(_rule_of, self._rules)))
        if self._labels:
            names[BOUNDS] = None
        return Check(
            SCHEMA_HOLDS,
            "The table's schema holds, rule by rule.",
            is_blocking=True,
            rules={name: self._describe(name) for name in names},
        )

    def _describe(self, name: str) -> str:
        if name == KEY:
            return f"One row per {', '.join(f'`{name}`' for name in self.table.key)}."
        if name == REQUIRED:
            return "No null in a column that may have none."
        if name == BOUNDS:
            return "Numbers within their bounds, labels from their known set."
        rule = getattr(self.table.schema, name)
        told = " ".join((rule.validation_fn.__doc__ or "").split())
        return told or f"{name.replace('_', ' ').capitalize()}."

    @cached_property
    def columns(self) -> list[str]:
        """The columns that its rules look at, or that tell of a row which one it is."""
        named = {name for rule in self._rules.values() for name in rule.meta.root_names()}
        named |= {*self.table.key, *self._labels}
        types = self.table.polars_schema
        # A table without a day is told by the first of its dates.
        dates = [name for name, dtype in types.items() if dtype == pl.Date]
        return [name for name in types if name in named | set(dates)]

    def judge(self, frame: pl.DataFrame, report: Report) -> None:
        """Report what breaks the contract in whole days of the table.

        Labels may be plain text: one outside the known set counts as out of bounds, and no other
        rule is applied to its row.
        """
        failures: dict[str, list[pl.DataFrame]] = {rule: [] for rule in self.check.rules}
        failures[KEY].append(self._shown(repeated_rows(frame, self.table.key)))
        for some in frame.iter_slices(_SLICE_ROWS):
            for rule, rows in self._broken_rules(some):
                failures[rule].append(rows)
        nothing = self._shown(frame.clear())
        for rule, found in failures.items():
            report.add(self.check, pl.concat(found or [nothing], how="diagonal"), rule=rule)

    def _broken_rules(self, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        """Rules that rows break each by itself, and these rows as they are reported."""
        typed = frame.with_columns(
            pl.col(name).cast(dtype, strict=False) for name, dtype in self._labels.items()
        )
        strays = [
            self._shown(frame.filter(is_stray), name, "not in the known set")
            for name in self._labels
            if (is_stray := frame[name].is_not_null() & typed[name].is_null()).any()
        ]
        if strays:
            known = pl.all_horizontal(
                frame[name].is_null() | typed[name].is_not_null() for name in self._labels
            )
            typed = typed.filter(known)
            yield from ((BOUNDS, stray) for stray in strays)
        counts = typed.lazy().select(
            (~rule).sum().alias(name) for name, rule in self._rules.items()
        )
        for name, count in counts.collect().row(0, named=True).items():
            if count:
                rows = typed.filter(~self._rules[name])
                column, _, kind = name.rpartition(_COLUMN_RULE)
                yield _rule_of(name), self._shown(rows, column, kind)

    def _shown(self, rows: pl.DataFrame, column: str = "", finding: str = "") -> pl.DataFrame:
        """Failing rows as they are reported: day and key first, then what is wrong."""
        types = self.table.polars_schema
        dates = (name for name in (*reversed(self.table.key), *types) if types[name] == pl.Date)
        day = self.table.day_column or next(dates)
        columns = list(dict.fromkeys((day, *self.table.key)))
        if not column:
            return rows.select(columns)
        return rows.select(
            *columns,
            column=pl.lit(column),
            value=_as_text(rows[column]),
            finding=pl.lit(finding),
        )


def _as_text(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.List):
        return pl.Series([str(one) for one in values.to_list()], dtype=pl.String)
    return values.cast(pl.String)


def repeated_rows(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The rows that share their key with another one."""
    if are_distinct(frame.select(key)):
        return frame.clear()
    return frame.filter(pl.struct(key).is_duplicated()).sort(key)


def _rule_of(name: str) -> str:
    """The name under which a rule of the schema is reported."""
    column, _, kind = name.rpartition(_COLUMN_RULE)
    if not column:
        return name
    return REQUIRED if kind == "nullability" else BOUNDS


@cache
def contract_of(table: Table) -> Contract:
    """The contract of a table."""
    return Contract(table)
