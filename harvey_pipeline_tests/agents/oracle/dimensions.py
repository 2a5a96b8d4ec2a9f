"""Section 4: shops, agent types, customers and annotators."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from harvey_pipeline_tests.agents.oracle.facts import (
    BUILT_IN,
    UNKNOWN,
    Dimensions,
    shop_version_sk,
)
from harvey_pipeline_tests.agents.oracle.marts import given, mean
from harvey_pipeline_tests.agents.oracle.sources import AGENT_TYPES, ANNOTATORS, CUSTOMERS, SHOPS
from harvey_pipeline_tests.oracle.history import History, history_of
from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.sources import Source
from harvey_pipeline_tests.oracle.values import TableRow

VIP_LIFETIME_VALUE_USD = 1000
VIP_ORDERS = 10


def attributes(source: Source) -> tuple[str, ...]:
    """The columns of a snapshot source beyond its key."""
    return tuple(field.name for field in source.fields if field.name not in source.key)


def snapshot_history(source: Source, loads: Iterable[Load]) -> History:
    """The versions of a snapshot source: all that it tells of a key is tracked."""

    def shown(row: Row) -> TableRow:
        told = {name: row.values[name] for name in attributes(source)}
        if source in (ANNOTATORS, AGENT_TYPES) and told["is_active"] is None:
            told["is_active"] = True
        return told

    return history_of(loads, shown)


def dimensions_of(loads: dict[str, list[Load]]) -> Dimensions:
    """The histories, out of what each source showed on the days run."""
    return Dimensions(
        *(
            snapshot_history(source, loads[source.name])
            for source in (SHOPS, CUSTOMERS, ANNOTATORS, AGENT_TYPES)
        )
    )


def dim_shop_table(shops: History) -> list[TableRow]:
    """`dim_shop`: one row per version, and `unknown`."""
    unknown = {
        "shop_sk": UNKNOWN,
        "shop_domain": UNKNOWN,
        **dict.fromkeys(attributes(SHOPS)),
        "effective_date": date(1970, 1, 1),
        "expiration_date": None,
        "is_current": True,
    }
    return [
        unknown,
        *(
            {
                "shop_sk": shop_version_sk(version),
                "shop_domain": version.key,
                **version.attributes,
                "effective_date": version.start,
                "expiration_date": None if version.is_open else version.end,
                "is_current": version.is_open,
            }
            for versions in shops.values()
            for version in versions
        ),
    ]


def dim_agent_type_table(agent_types: History) -> list[TableRow]:
    """`dim_agent_type`: one row per code, built in or delivered."""
    table = {
        code: {
            "agent_type_sk": code,
            "agent_type_code": code,
            **dict.fromkeys(attributes(AGENT_TYPES)),
            "agent_name": name,
            "agent_category": category,
            "is_active": True,
            "effective_date": None,
            "last_updated": None,
        }
        for code, (name, category) in BUILT_IN.items()
    }
    for code, versions in agent_types.items():
        latest = versions[-1]
        table[code] = {
            "agent_type_sk": code,
            "agent_type_code": code,
            **latest.attributes,
            "is_active": latest.attributes["is_active"] and latest.is_open,
            "effective_date": versions[0].start,
            "last_updated": latest.start,
        }
    return list(table.values())


def segment_of(customer: TableRow, escalated_lately: int, last_day: date) -> str:
    """The first segment whose rule holds; `last_day` is the last day written."""
    interactions, orders = customer["interactions"], customer["order_count"]
    first, last = customer["first_interaction_date"], customer["last_interaction_date"]
    value = customer["lifetime_value_usd"]
    has_gone_silent = (
        customer["interaction_days"] >= 2 and last is not None and (last_day - last).days > 89
    )
    if escalated_lately >= 2 or has_gone_silent:
        return "at-risk"
    if (value is not None and value >= VIP_LIFETIME_VALUE_USD) or (
        orders is not None and orders >= VIP_ORDERS
    ):
        return "vip"
    is_new = interactions == 0 or (last_day - first).days <= 29
    if is_new and (orders is None or orders <= 1):
        return "new"
    return "returning"


def dim_customer_table(
    customers: History, daily: Iterable[TableRow], last_day: date
) -> list[TableRow]:
    """`dim_customer`: one row per pair in `customer_daily` or with a version, and `unknown`."""
    days_of: dict[tuple[str, str], list[TableRow]] = defaultdict(list)
    for row in sorted(daily, key=lambda row: row["date"]):
        days_of[row["customer_email"], row["shop_domain"]].append(row)
    table: list[TableRow] = []
    for email, shop_domain in {*days_of, *customers}:
        active = days_of.get((email, shop_domain), [])
        versions = customers.get((email, shop_domain))
        known = versions[-1].attributes if versions else dict.fromkeys(attributes(CUSTOMERS))
        names = given(active, "customer_name")
        lately = [row for row in active if row["date"] >= last_day - timedelta(days=29)]
        customer: TableRow = {
            "customer_sk": f"{email}|{shop_domain}",
            "customer_email": email,
            "shop_domain": shop_domain,
            **known,
            "interactions": sum(row["drafts"] for row in active),
            "interaction_days": len(active),
            "first_interaction_date": active[0]["date"] if active else None,
            "last_interaction_date": active[-1]["date"] if active else None,
        }
        if customer["customer_name"] is None and names:
            customer["customer_name"] = names[-1]
        escalated = sum(row["escalated_drafts"] for row in lately)
        customer["customer_segment"] = segment_of(customer, escalated, last_day)
        table.append(customer)
    columns = (
        "customer_sk",
        "customer_email",
        "shop_domain",
        *attributes(CUSTOMERS),
        "interactions",
        "interaction_days",
        "first_interaction_date",
        "last_interaction_date",
        "customer_segment",
    )
    unknown: TableRow = {
        **dict.fromkeys(columns),
        **dict.fromkeys(("customer_sk", "customer_email", "shop_domain"), UNKNOWN),
    }
    return [unknown, *table]


def dim_annotator_table(annotators: History, annotations: Sequence[TableRow]) -> list[TableRow]:
    """`dim_annotator`: one row per e-mail with an annotation or a version, and `unknown`."""
    of_annotator: dict[str, list[TableRow]] = defaultdict(list)
    for fact in annotations:
        of_annotator[fact["annotator_sk"]].append(fact)
    table = []
    for email in {*of_annotator, *annotators, UNKNOWN}:
        own = of_annotator.get(email, [])
        versions = annotators.get(email)
        if versions:
            known = dict(versions[-1].attributes)
            known["is_active"] = known["is_active"] and versions[-1].is_open
        else:
            known = dict.fromkeys(attributes(ANNOTATORS))
            known["is_active"] = None if email == UNKNOWN else True
        dates = [fact["date"] for fact in own]
        table.append(
            {
                "annotator_sk": email,
                "annotator_email": email,
                **known,
                "total_annotations": len(own),
                "avg_quality_score": mean(given(own, "overall_score")),
                "first_annotation_date": min(dates, default=None),
                "last_annotation_date": max(dates, default=None),
            }
        )
    return table
