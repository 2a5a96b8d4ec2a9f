"""Checks of the use of apps: nothing lost on the way, time that adds up, people who are known."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.landing.repeats import first_deliveries
from harvey_pipeline.segments.sources import SSO_EVENTS, SUCCESS
from harvey_pipeline.segments.tables.access import DIM_EMPLOYEE, USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.labels import PRODUCT_APPS, SIGN_IN
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated

_ACTIVITY: Final = "core.user_daily_activity"

_BLOCK_DAYS: Final = 7
"""Days whose rows are compared at a time, so that memory does not grow with the run."""

_UNTIMED_PERCENT: Final = 90

ROWS_CONSERVED: Final = Check(
    "event_rows_are_conserved",
    "Each day's sign-ins, and failed ones, are those of its events, in whichever drop they came, "
    "those that come again left out.",
    is_blocking=True,
)
ACCESSES_AGREE: Final = Check(
    "accesses_agree_with_events",
    "Each day's accesses are the queries of each of the product's apps, and the successful "
    "sign-ins to other apps.",
    is_blocking=True,
)
TIME_CONSERVED: Final = Check(
    "active_time_is_conserved",
    "The active seconds of the product's apps of a user and firm add up to those of the day's "
    "queries.",
    is_blocking=True,
)
CAN_BE_TIMED: Final = Check(
    "sessions_can_be_timed",
    f"Of a day's users of the product with more than one query, at most {_UNTIMED_PERCENT} % have "
    "all of them at the same moment.",
    WARN,
    advice="The source of events seems to deliver dates only: have it deliver times. Until then "
    "each query counts two minutes.",
)
EMPLOYEES_KNOWN: Final = Check(
    "employees_are_known",
    "From the first day of the employees on, a version of every user of an app has begun by its "
    "day.",
    WARN,
    advice="Have the employee delivered, or the id written alike; until then the user has no "
    "manager and no department.",
)
NO_CYCLES: Final = Check(
    "hierarchy_has_no_cycles",
    "On the last day of the run nobody is, through whomever, the own manager.",
    WARN,
    advice="Have the managers corrected: these people see only one another.",
)


def _judge_access(judging: Judging) -> None:
    _judge_sums(judging)
    _judge_time(judging)
    days = within("date", judging.days)
    untimed = (
        "select date, count(*) as users, count(*) filter (first_event_at = last_event_at) as "
        f"untimed from {_ACTIVITY} where {days} and queries > 1 group by date "
        f"having 100 * untimed > {_UNTIMED_PERCENT} * users"
    )
    add_failing_rows(judging.report, CAN_BE_TIMED, judging.connection, untimed)
    unknown = (
        f"select distinct date, user_id from {USER_DAILY_ACCESS} left join (select user_id, "
        f"min(effective_start_date) as begins from {DIM_EMPLOYEE} group by user_id) "
        f"using (user_id) where {days} and (begins is null or begins > date) "
        f"and date >= (select min(effective_start_date) from {DIM_EMPLOYEE})"
    )
    add_failing_rows(judging.report, EMPLOYEES_KNOWN, judging.connection, unknown)


def _judge_sums(judging: Judging) -> None:
    """Sums by day of what the table is made of, against those of the table."""
    connection, days = judging.connection, judging.days
    is_other = f"app not in ({', '.join(f'{chr(39)}{app}{chr(39)}' for app in PRODUCT_APPS)})"
    of_apps = ", ".join(
        f"sum(accesses) filter (app = '{app}')::bigint as {app}_accesses" for app in PRODUCT_APPS
    )
    found = connection.sql(
        f"select date, sum(auth_successes)::bigint as auth_successes, "
        f"sum(auth_failures)::bigint as auth_failures, {of_apps}, "
        f"sum(accesses) filter ({is_other})::bigint as other_accesses "
        f"from {USER_DAILY_ACCESS} where {within('date', days)} group by date"
    ).pl()
    queries = ", ".join(f"sum({app}_queries)::bigint as {app}_accesses" for app in PRODUCT_APPS)
    of_product = connection.sql(
        f"select date, {queries} from {_ACTIVITY} where {within('date', days)} group by date"
    ).pl()
    of_sign_ins = pl.concat([_sum_events(SSO_EVENTS.table.empty()), *_sums_of_events(judging)])
    found = with_every_day(found, days)
    sign_ins = with_every_day(of_sign_ins, days)
    judging.report.add(
        ROWS_CONSERVED,
        differences(sign_ins.select("date", "auth_successes", "auth_failures"), found),
    )
    accesses = with_every_day(of_product, days).join(
        sign_ins.select("date", "other_accesses"), on="date"
    )
    judging.report.add(ACCESSES_AGREE, differences(accesses, found))


def _sums_of_events(judging: Judging) -> Iterator[pl.DataFrame]:
    """`_sum_events` of the run's days, out of every drop that may hold some of them."""
    for block in blocks_of_days(judging.days, _BLOCK_DAYS):
        drops = DayRange(block[0], block[-1] + timedelta(days=SSO_EVENTS.late_days))
        events = judging.raw_store.read(SSO_EVENTS, drops)
        of_days = events.filter(is_dated(block[0], block[-1], "event_date"))
        yield _sum_events(first_deliveries(SSO_EVENTS, of_days))


def _sum_events(events: pl.LazyFrame) -> pl.DataFrame:
    """One row per `date`: sign-ins by outcome, and those to other apps than the product's."""
    is_success = pl.col("outcome") == SUCCESS
    has_app = ~pl.col("target_id").is_in([*PRODUCT_APPS, SIGN_IN]).fill_null(True)
    return (
        events.group_by(date="event_date")
        .agg(
            auth_successes=is_success.sum().cast(pl.Int64),
            auth_failures=(~is_success).sum().cast(pl.Int64),
            other_accesses=(is_success & has_app).sum().cast(pl.Int64),
        )
        .collect(engine="streaming")
    )


def _judge_time(judging: Judging) -> None:
    """The seconds of each user and firm of a day, against the rule on its queries as a whole."""
    apps = ", ".join(f"'{app}'" for app in PRODUCT_APPS)
    for block in _blocks(judging.days):
        days = within("date", block)
        wrong = (
            "select date, user_id, tenant_id, expected, found from (select date, user_id, "
            "firm_id as tenant_id, greatest(120 * queries, least((epoch_us(last_event_at) - "
            "epoch_us(first_event_at)) // 1000000, 900 * (queries - 1))) as expected "
            f"from {_ACTIVITY} where {days}) full join (select date, user_id, tenant_id, "
            f"sum(active_seconds)::bigint as found from {USER_DAILY_ACCESS} "
            f"where {days} and app in ({apps}) group by all) using (date, user_id, tenant_id) "
            "where expected is distinct from found"
        )
        add_failing_rows(judging.report, TIME_CONSERVED, judging.connection, wrong)


def _blocks(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """Days, a few at a time; without any, none once."""
    yield from blocks_of_days(days, _BLOCK_DAYS) if days else [days]


def _judge_employees(judging: Judging) -> None:
    schema = {"date": pl.Date, "user_id": pl.String, "manager_id": pl.String}
    found = pl.DataFrame(schema=schema)
    if judging.days:
        last = judging.days[-1]
        managers = judging.connection.sql(
            f"select user_id, manager_id from {DIM_EMPLOYEE} where manager_id is not null "
            f"and date '{last}' between effective_start_date and effective_end_date"
        ).pl()
        found = cycles_of(managers).select(pl.lit(last).alias("date"), "user_id", "manager_id")
    judging.report.add(NO_CYCLES, found)


def cycles_of(managers: pl.DataFrame) -> pl.DataFrame:
    """The rows of the people who are, through whomever, their own manager, in order.

    Args:
        managers: At most one row per `user_id`, with `manager_id`, none of them null.
    """
    # After as many steps up as there are people, whoever is still reached lies on a cycle. Each
    # round doubles the steps.
    above = managers
    steps = 1
    while steps < managers.height and not above.is_empty():
        further = above.rename({"user_id": "manager_id", "manager_id": "further_id"})
        above = above.join(further, on="manager_id").select("user_id", manager_id="further_id")
        steps *= 2
    on_cycle = above.select(user_id="manager_id").unique()
    return managers.join(on_cycle, on="user_id", how="semi").sort("user_id")


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(
        USER_DAILY_ACCESS,
        (ROWS_CONSERVED, ACCESSES_AGREE, TIME_CONSERVED, CAN_BE_TIMED, EMPLOYEES_KNOWN),
        _judge_access,
        needs=(_ACTIVITY, DIM_EMPLOYEE),
    ),
    TableChecks(DIM_EMPLOYEE, (NO_CYCLES,), _judge_employees),
)
