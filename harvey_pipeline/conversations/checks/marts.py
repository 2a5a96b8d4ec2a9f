"""Checks of the marts: figures that belong together agree."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Final

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import Check
from harvey_pipeline.conversations.tables.labels import PERIODS, SIGNALS, STEPS
from harvey_pipeline.conversations.tables.marts import (
    ACTIVATION_FUNNEL,
    PMF_DASHBOARD,
    PMF_SIGNALS,
    RETENTION,
    TOOL_USAGE,
    USE_CASES,
)
from harvey_pipeline.warehouse.table import Table

_SIGNAL_NAMES: Final = tuple(name for names in SIGNALS.values() for name in names)
_NO_PERCENTAGES: Final = ("no_credit_exhaustion", "short_conversations", "repeated_blockers")
_PERCENTAGES: Final = ", ".join(
    f"'{name}'" for name in _SIGNAL_NAMES if name not in _NO_PERCENTAGES
)
_TOLERANCE: Final = 1e-9

FUNNEL_NEVER_WIDENS: Final = Check(
    "funnel_never_widens",
    "No step of the journey has more users than the one before, no figure more than the cohort, "
    "and the cohort of 30 days none that all have not.",
    is_blocking=True,
)
SHARES_ADD_UP: Final = Check(
    "shares_add_up_to_100",
    "On every day with a use case the shares of all are 100 % together.",
    is_blocking=True,
)
SIGNALS_ARE_ALL_THERE: Final = Check(
    "signals_are_all_there",
    f"Every day run has each of the {len(_SIGNAL_NAMES)} signals.",
    is_blocking=True,
)
RATES_ARE_PERCENTAGES: Final = Check(
    "rates_are_percentages",
    "Every rate lies from 0 to 100, and is null exactly where there is nothing to divide by.",
    is_blocking=True,
)

_RATES: Final[Mapping[Table, Mapping[str, str]]] = {
    TOOL_USAGE: {"success_rate": "successes + failures"},
    USE_CASES: {"share_percent": "conversations", "completion_rate": "conversations"},
    ACTIVATION_FUNNEL: {
        f"{step}_rate": before for before, step in zip(("total_users", *STEPS), STEPS, strict=False)
    },
    RETENTION: {"retention_rate": "case when retained is not null then cohort_size else 0 end"},
    PMF_SIGNALS: {
        "value": f"case when signal in ({_PERCENTAGES}) "
        "and (signal <> 'use_case_mismatch' or value is not null) then denominator end"
    },
    PMF_DASHBOARD: {
        "dau_rate": "total_users",
        "stickiness": "mau",
        **{f"{period}_retention": f"{period}_users" for period in PERIODS},
    },
}
"""The rates of each table, each with what it is divided by; null where that is not to be told."""


def _judge_rates(judging: Judging, table: Table) -> None:
    key = ", ".join(table.key)
    failing = " union all ".join(
        f"select {key}, '{rate}' as rate, {rate} as found, {base} as base from {table} "
        f"where {within('date', judging.days)} and ({base}) is not null and "
        f"case when ({base}) > 0 then coalesce(not isfinite({rate}) "
        f"or {rate} < 0 or {rate} > 100, true) else {rate} is not null end"
        for rate, base in _RATES[table].items()
    )
    add_failing_rows(judging.report, RATES_ARE_PERCENTAGES, judging.connection, failing)


def _judge_use_cases(judging: Judging) -> None:
    _judge_rates(judging, USE_CASES)
    failing = (
        f"select date, sum(share_percent) as together from {USE_CASES} "
        f"where {within('date', judging.days)} group by date "
        f"having coalesce(abs(together - 100) > {_TOLERANCE}, true)"
    )
    add_failing_rows(judging.report, SHARES_ADD_UP, judging.connection, failing)


def _judge_funnel(judging: Judging) -> None:
    _judge_rates(judging, ACTIVATION_FUNNEL)
    of_days = f"from {ACTIVATION_FUNNEL} where {within('date', judging.days)}"
    whole = ("day_1_active", "high_usage", "successful_users")
    pairs = [*pairwise(("total_users", *STEPS)), *(("total_users", one) for one in whole)]
    wider = [
        f"select date, cohort, '{step}' as step, {step} as users, {before} as users_before "
        f"{of_days} and {step} > {before}"
        for before, step in pairs
    ]
    more = [
        f"select date, '30d' as cohort, '{step}' as step, recent.{step} as users, "
        f"everyone.{step} as users_before from (select * {of_days} and cohort = '30d') recent "
        f"join (select * {of_days} and cohort = 'all') everyone using (date) "
        f"where recent.{step} > everyone.{step}"
        for step in ("total_users", *STEPS, *whole)
    ]
    failing = " union all ".join([*wider, *more])
    add_failing_rows(judging.report, FUNNEL_NEVER_WIDENS, judging.connection, failing)


def _judge_signals(judging: Judging) -> None:
    _judge_rates(judging, PMF_SIGNALS)
    failing = (
        "with days as (select unnest(?::date[]) as date), "
        "expected as (select date, unnest(?::varchar[]) as signal from days) "
        "select date, list(signal order by signal) as missing from expected "
        f"anti join {PMF_SIGNALS} using (date, signal) group by date"
    )
    add_failing_rows(
        judging.report,
        SIGNALS_ARE_ALL_THERE,
        judging.connection,
        failing,
        [list(judging.days), list(_SIGNAL_NAMES)],
    )


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(TOOL_USAGE, (RATES_ARE_PERCENTAGES,), partial(_judge_rates, table=TOOL_USAGE)),
    TableChecks(USE_CASES, (RATES_ARE_PERCENTAGES, SHARES_ADD_UP), _judge_use_cases),
    TableChecks(ACTIVATION_FUNNEL, (RATES_ARE_PERCENTAGES, FUNNEL_NEVER_WIDENS), _judge_funnel),
    TableChecks(RETENTION, (RATES_ARE_PERCENTAGES,), partial(_judge_rates, table=RETENTION)),
    TableChecks(PMF_SIGNALS, (RATES_ARE_PERCENTAGES, SIGNALS_ARE_ALL_THERE), _judge_signals),
    TableChecks(
        PMF_DASHBOARD, (RATES_ARE_PERCENTAGES,), partial(_judge_rates, table=PMF_DASHBOARD)
    ),
)
