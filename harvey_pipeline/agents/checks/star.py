"""Checks across the star: keys in their dimensions, marts and customers that agree with facts."""

from typing import Final

import polars as pl

from harvey_pipeline.agents.sources import UNKNOWN
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import PLAN_TYPES
from harvey_pipeline.agents.views import AGENT_EXPECTATIONS
from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import WARN, Check

_SUMMARY: Final = TABLES["daily_agent_summary"]
_DIM_SHOP: Final = TABLES["dim_shop"]
_DRAFTS, _QUERIES, _ANNOTATIONS = (
    TABLES[name] for name in ("fact_agent_approval", "fact_agent_query", "fact_training_feedback")
)
_MANY_SHOPS_PERCENT: Final = 20

_KEYS: Final = {
    _DRAFTS: ("dim_agent_type", "dim_shop", "dim_customer"),
    _QUERIES: ("dim_agent_type", "dim_shop"),
    _ANNOTATIONS: ("dim_annotator", "dim_shop"),
}
"""The dimensions of each fact; key columns are named after them."""

KEYS_IN_DIMENSIONS: Final = Check(
    "fact_keys_are_in_dimensions",
    "Every key of a fact is in its dimension; the version of a shop holds the fact's day, or it "
    "ended before and is the shop's latest then.",
    is_blocking=True,
)
DATES_IN_DIM_DATE: Final = Check(
    "dates_are_in_dim_date", "Every day of a fact is in the dimension of days.", is_blocking=True
)
UNKNOWN_MEMBERS: Final = Check(
    "unknown_members_exist",
    f"Every dimension but that of days has a member `{UNKNOWN}`.",
    is_blocking=True,
)
MARTS_AGREE: Final = Check(
    "marts_agree_with_facts",
    "Drafts, approved ones, queries, errors and annotations of every mart are those of the facts.",
    is_blocking=True,
)
CUSTOMERS_AGREE: Final = Check(
    "customers_agree_with_drafts",
    "Customers have as many drafts a day as there are with an address, and as many in all.",
    is_blocking=True,
)
EXPECTATIONS_MET: Final = Check(
    "expectations_are_met",
    "In the 30 days up to the last day run every agent type does what is expected of it.",
    WARN,
    advice="Look at the view agents.agent_expectations: at the agent, or at what is expected.",
)
PLANS_KNOWN: Final = Check(
    "plan_types_are_known",
    f"Plans are {', '.join(PLAN_TYPES)}.",
    WARN,
    advice="Nothing, if the plan is real: it is kept as delivered.",
)
CHANGE_RARELY: Final = Check(
    "shops_change_rarely",
    f"On no day after the first does a version begin for more than {_MANY_SHOPS_PERCENT} % of the "
    "shops.",
    WARN,
    advice="A figure that moves daily does not belong in a history: ask for round figures, or "
    "for fewer of them.",
)


def _judge_keys(judging: Judging) -> None:
    days = within("date", judging.days)
    failing = []
    for fact, dimensions in _KEYS.items():
        for name in dimensions:
            key = f"{name.removeprefix('dim_')}_sk"
            failing.append(
                f"select date, '{fact}' as fact, '{key}' as key, {key} as value from "
                f"(select distinct date, {key} from {fact} where {days}) "
                f"anti join {TABLES[name]} using ({key})"
            )
        later = (
            f"(select 1 from {_DIM_SHOP} later where later.shop_domain = shop.shop_domain "
            "and later.effective_date > shop.effective_date and later.effective_date <= date)"
        )
        failing.append(
            f"select date, '{fact}' as fact, 'shop_sk' as key, shop_sk as value from "
            f"(select distinct date, shop_sk from {fact} where {days}) "
            f"join {_DIM_SHOP} shop using (shop_sk) "
            f"where shop_sk <> '{UNKNOWN}' and (effective_date > date or exists {later})"
        )
    add_failing_rows(
        judging.report, KEYS_IN_DIMENSIONS, judging.connection, " union all ".join(failing)
    )
    dates = " union all ".join(
        f"select distinct date, '{fact}' as fact, date_sk from {fact} where {days} and not exists "
        f"(select 1 from {TABLES['dim_date']} d "
        f"where d.date_sk = {fact}.date_sk and date_actual = date)"
        for fact in _KEYS
    )
    add_failing_rows(judging.report, DATES_IN_DIM_DATE, judging.connection, dates)
    last = judging.days[-1] if judging.days else None
    names = dict.fromkeys(name for dimensions in _KEYS.values() for name in dimensions)
    members = " union all ".join(
        f"select ?::date as date, '{TABLES[name]}' as dimension where not exists "
        f"(select 1 from {TABLES[name]} where {name.removeprefix('dim_')}_sk = '{UNKNOWN}')"
        for name in names
    )
    add_failing_rows(
        judging.report, UNKNOWN_MEMBERS, judging.connection, members, [last] * len(names)
    )


_FIGURES: Final = (
    (_DRAFTS, "count(*) as drafts, count(*) filter (is_approved) as approved"),
    (_QUERIES, "count(*) as queries, count(*) filter (is_error) as errors"),
    (_ANNOTATIONS, "count(*) as annotations"),
)
_MARTS: Final = (
    ("daily_agent_performance", {"drafts": "total_drafts", "approved": "approved"}),
    ("daily_confidence_calibration", {"drafts": "total_drafts", "approved": "approved"}),
    ("daily_query_performance", {"queries": "total_queries", "errors": "errors"}),
    ("daily_annotation_quality", {"annotations": "annotations"}),
    (
        "daily_agent_summary",
        {
            "drafts": "total_drafts",
            "approved": "approved",
            "queries": "total_queries",
            "errors": "errors",
            "annotations": "annotations",
        },
    ),
)


def _judge_marts(judging: Judging) -> None:
    connection, days = judging.connection, judging.days

    def by_day(table: str, figures: str) -> pl.DataFrame:
        sums = connection.sql(
            f"select date, {figures} from {table} where {within('date', days)} group by date"
        ).pl()
        return with_every_day(sums, days)

    facts = pl.DataFrame({"date": days}, schema={"date": pl.Date})
    for table, figures in _FIGURES:
        facts = facts.join(by_day(table.name, figures), on="date")
    found = []
    for name, columns in _MARTS:
        sums = ", ".join(f"sum({column})::bigint as {figure}" for figure, column in columns.items())
        expected = facts.select("date", *columns)
        differing = differences(expected, by_day(TABLES[name].name, sums))
        found.append(differing.with_columns(mart=pl.lit(name)))
    judging.report.add(MARTS_AGREE, pl.concat(found))


def _judge_customers(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    daily, customers = TABLES["customer_daily"], TABLES["dim_customer"]
    expected, found = (
        with_every_day(
            connection.sql(
                f"select date, {figure} as drafts from {table} where {within('date', days)} "
                f"and customer_sk <> '{UNKNOWN}' group by date"
            ).pl(),
            days,
        )
        for table, figure in ((_DRAFTS, "count(*)"), (daily, "sum(drafts)::bigint"))
    )
    in_all = connection.sql(
        f"select ?::date as date, 'interactions' as figure, a::varchar as expected, "
        f"b::varchar as found from (select coalesce(sum(drafts), 0) as a from {daily}), "
        f"(select coalesce(sum(interactions), 0) as b from {customers}) where a <> b",
        params=[days[-1] if days else None],
    ).pl()
    by_day = differences(expected, found)
    judging.report.add(CUSTOMERS_AGREE, pl.concat([by_day, in_all.cast(dict(by_day.schema))]))


def _judge_star(judging: Judging) -> None:
    _judge_keys(judging)
    _judge_marts(judging)
    _judge_customers(judging)
    unmet = (
        f"select (select max(date) from {_SUMMARY}) as date, * from ({AGENT_EXPECTATIONS.query}) "
        "where not is_approval_rate_met or not is_latency_met"
    )
    add_failing_rows(judging.report, EXPECTATIONS_MET, judging.connection, unmet)


def _judge_shops(judging: Judging) -> None:
    days = judging.days
    begins = f"effective_date > (select min(effective_date) from {_DIM_SHOP} where {_REAL})"
    new = f"from {_DIM_SHOP} where {_REAL} and {within('effective_date', days)}"
    known = ", ".join(f"'{plan}'" for plan in PLAN_TYPES)
    plans = (
        f"select effective_date, shop_domain, plan_type {new} "
        f"and (plan_type is null or plan_type not in ({known}))"
    )
    add_failing_rows(judging.report, PLANS_KNOWN, judging.connection, plans)
    many = (
        f"select effective_date, count(*) as versions, any_value(shops) as shops, "
        f"min(shop_domain) as for_example from (select *, (select count(distinct shop_domain) "
        f"from {_DIM_SHOP} d where d.{_REAL} and d.effective_date <= new.effective_date) as shops "
        f"from (select * {new} and {begins}) new) group by effective_date "
        f"having 100 * versions > {_MANY_SHOPS_PERCENT} * any_value(shops)"
    )
    add_failing_rows(judging.report, CHANGE_RARELY, judging.connection, many)


_REAL: Final = f"shop_sk <> '{UNKNOWN}'"


CHECKS: Final = (
    TableChecks(
        _SUMMARY,
        (
            KEYS_IN_DIMENSIONS,
            DATES_IN_DIM_DATE,
            UNKNOWN_MEMBERS,
            MARTS_AGREE,
            CUSTOMERS_AGREE,
            EXPECTATIONS_MET,
        ),
        _judge_star,
        needs=tuple(table for table in TABLES.values() if table.schema_name == "agents"),
    ),
    TableChecks(_DIM_SHOP, (PLANS_KNOWN, CHANGE_RARELY), _judge_shops),
)
