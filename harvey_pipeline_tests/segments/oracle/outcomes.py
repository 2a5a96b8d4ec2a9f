"""Section 5: what would help whom, which licences lie idle, what it is worth."""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from math import fsum
from typing import Any

from harvey_pipeline_tests.oracle.history import History, version_on
from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle.access import PRODUCT_APPS
from harvey_pipeline_tests.segments.oracle.scores import ScoresByDay, by_day

ALL = "all"
PRIORITIES = ("high", "medium", "low")
RISKS = ("high", "medium", "low", "very_low")
SHARE_CONVERTED = 0.2
MOST_RECOMMENDED = 3

Condition = tuple[str, str, Any]
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

RULES: Sequence[tuple[str, str, Sequence[Condition], float, str, float]] = (
    (
        "workflow_automation",
        "Workflow Automation",
        [("segment", "=", "power"), ("earnest_apps", ">=", 3)],
        7.5,
        "high",
        600,
    ),
    (
        "advanced_training",
        "Advanced Training",
        [("segment", "=", "power"), ("depth_score", ">=", 0.5)],
        5,
        "medium",
        200,
    ),
    (
        "fewer_sign_in_steps",
        "Authentication",
        [
            ("segment", "=", "power"),
            ("auth_success_rate", ">=", 95),
            ("auth_successes", ">=", 100),
        ],
        2,
        "medium",
        0,
    ),
    (
        "widen_tools",
        "Guided Workflows",
        [("sub_segment", "=", "Single-tool Expert"), ("apps_on_offer", ">=", 3)],
        2,
        "medium",
        0,
    ),
    (
        "guided_workflows",
        "Guided Workflows",
        [("segment", "=", "regular"), ("trend", "!=", "increasing")],
        1,
        "low",
        0,
    ),
    ("check_in", "Retention", [("churn_risk", "=", "high")], 0, "high", 0),
    ("onboarding", "Onboarding", [("sub_segment", "=", "New")], 1, "medium", 50),
    (
        "simplified_start",
        "Simplified Experience",
        [("segment", "=", "casual"), ("is_dormant", "=", False), ("days_known", ">=", 30)],
        1,
        "medium",
        25,
    ),
    (
        "re_engagement",
        "Re-engagement",
        [("is_dormant", "=", True), ("total_accesses", ">", 0)],
        0,
        "medium",
        0,
    ),
    (
        "review_licence",
        "Licence",
        [("total_accesses", "=", 0), ("days_known", ">=", 90)],
        0,
        "high",
        0,
    ),
)


def holds(condition: Condition, row: TableRow) -> bool:
    """Null holds never."""
    column, sign, value = condition
    return row[column] is not None and OPERATORS[sign](row[column], value)


def recommendations_table(segments: Iterable[TableRow], scores: ScoresByDay) -> list[TableRow]:
    """`recommendations`: at most three per user, those that save most first.

    Without `suggestion` and `reasoning`, whose words the catalogue chooses.
    """
    table = []
    for row in segments:
        known = {**scores[row["date"]][row["user_id"]], **row}
        fitting = [rule for rule in RULES if all(holds(one, known) for one in rule[2])]
        fitting.sort(key=lambda rule: (PRIORITIES.index(rule[4]), -rule[3], rule[0]))
        table += [
            {
                "date": row["date"],
                "user_id": row["user_id"],
                "rule_id": rule_id,
                "tenant_id": row["tenant_id"],
                "segment": row["segment"],
                "category": category,
                "estimated_time_savings_hours_month": hours,
                "priority": priority,
                "implementation_cost_usd_year": cost,
            }
            for rule_id, category, _, hours, priority, cost in fitting[:MOST_RECOMMENDED]
        ]
    return table


# --- Licences -------------------------------------------------------------------------------


def days_of_use(
    access: Mapping[date, Sequence[TableRow]], end: date, of: Callable[[TableRow], Any]
) -> dict[Any, set[date]]:
    """In the window, the days with an access by what `of` gives of a row."""
    found: dict[Any, set[date]] = defaultdict(set)
    for back in range(90):
        day = end - timedelta(days=back)
        for row in access.get(day, []):
            if row["accesses"]:
                found[of(row)].add(day)
    return found


def licences_table(
    access: Iterable[TableRow],
    scores: ScoresByDay,
    segments: Iterable[TableRow],
    licenses: History,
    firms: History,
    days: Iterable[date],
) -> list[TableRow]:
    """`license_opportunities`: delivered licences by tenant, app and tier, and firms' seats."""
    rows_of: dict[date, list[TableRow]] = defaultdict(list)
    for row in access:
        rows_of[row["date"]].append(row)
    segment_of = by_day(segments, "user_id")
    table = []
    for day in days:
        if day.weekday() == 0:
            casual = {
                user_id: row["tenant_id"]
                for user_id, row in segment_of.get(day, {}).items()
                if row["segment"] == "casual"
            }
            table += delivered_rows(day, rows_of, scores.get(day, {}), casual, licenses)
            table += seat_rows(day, rows_of, casual, firms)
    return table


def delivered_rows(
    day: date,
    access: Mapping[date, Sequence[TableRow]],
    scores: Mapping[str, TableRow],
    casual: Mapping[str, str],
    licenses: History,
) -> list[TableRow]:
    """Licences that are valid on a day."""
    used = days_of_use(access, day, lambda row: (row["user_id"], row["app"]))
    apps_used = {app for _, app in used}
    groups: dict[tuple[str, str, str], list[tuple[str, int | None, float]]] = defaultdict(list)
    for (user_id, app), versions in licenses.items():
        version = version_on(licenses, (user_id, app), day)
        if version is None or version.end < day:
            continue
        tenant_id = scores[user_id]["tenant_id"] if user_id in scores else "unknown"
        is_new = min(one.start for one in versions) > day - timedelta(days=90)
        days = None if is_new else len(used.get((user_id, app), ()))
        group = (tenant_id, app, version.attributes["tier"])
        groups[group].append((user_id, days, version.attributes["annual_cost_usd"]))
    table = []
    for (tenant_id, app, tier), held in groups.items():
        is_measured = app in apps_used
        unused = [cost for _, days, cost in held if days == 0]
        underused = [cost for _, days, cost in held if days in (1, 2)]
        casual_costs = [cost for user, days, cost in held if days is not None and user in casual]
        table.append(
            {
                "date": day,
                "tenant_id": tenant_id,
                "app": app,
                "tier": tier,
                "licenses": len(held),
                "unused": len(unused) if is_measured else None,
                "underused": len(underused) if is_measured else None,
                "new_licenses": sum(days is None for _, days, _ in held),
                "casual_holders": len(casual_costs),
                "annual_cost_usd": fsum(cost for _, _, cost in held),
                "reclaimable_usd": fsum(unused) if is_measured else None,
                "underused_usd": fsum(underused) if is_measured else None,
                "casual_usd": fsum(casual_costs),
                "is_measured": is_measured,
            }
        )
    return table


def seat_rows(
    day: date,
    access: Mapping[date, Sequence[TableRow]],
    casual: Mapping[str, str],
    firms: History,
) -> list[TableRow]:
    """The product's seats of the firms that are valid on a day."""
    used = days_of_use(
        access,
        day,
        lambda row: (row["tenant_id"], row["user_id"]) if row["app"] in PRODUCT_APPS else None,
    )
    used.pop(None, None)
    is_measured = bool(used)
    table = []
    for firm_id in firms:
        version = version_on(firms, firm_id, day)
        if version is None or version.end < day:
            continue
        size, arr = version.attributes["firm_size"], version.attributes["arr_usd"]
        days = {user_id: len(some) for (firm, user_id), some in used.items() if firm == firm_id}
        unused = max(0, size - len(days))
        underused = sum(count <= 2 for count in days.values())
        holders = sum(casual.get(user_id) == firm_id for user_id in days)

        def worth(seats: int, size: int = size, arr: float = arr) -> float | None:
            return seats * arr / size if size else None

        table.append(
            {
                "date": day,
                "tenant_id": firm_id,
                "app": "product",
                "tier": "seat",
                "licenses": size,
                "unused": unused if is_measured else None,
                "underused": underused if is_measured else None,
                "new_licenses": 0,
                "casual_holders": holders,
                "annual_cost_usd": arr if size else None,
                "reclaimable_usd": worth(unused) if is_measured else None,
                "underused_usd": worth(underused) if is_measured else None,
                "casual_usd": worth(holders),
                "is_measured": is_measured,
            }
        )
    return table


# --- Return ---------------------------------------------------------------------------------


def roi_table(
    segments: Iterable[TableRow],
    recommendations: Iterable[TableRow],
    licences: Iterable[TableRow],
    hour_value_usd: float = 50,
    conversion_value_usd: float = 1000,
) -> list[TableRow]:
    """`roi_summary`: one row per Monday and tenant with a user."""
    users: dict[tuple[date, str], list[TableRow]] = defaultdict(list)
    for row in segments:
        users[row["date"], row["tenant_id"]].append(row)
    given: dict[tuple[date, str], list[TableRow]] = defaultdict(list)
    for row in recommendations:
        given[row["date"], row["user_id"]].append(row)
    reclaimable: dict[tuple[date, str], list[float]] = defaultdict(list)
    for row in licences:
        reclaimable[row["date"], row["tenant_id"]].append(row["reclaimable_usd"] or 0)
    table = []
    for (day, tenant_id), rows in users.items():
        power = [row["user_id"] for row in rows if row["segment"] == "power"]
        convertible = [
            row["user_id"]
            for row in rows
            if row["segment"] == "casual" and not row["is_dormant"] and row["sub_segment"] != "New"
        ]

        def total(users: Sequence[str], column: str, day: date = day) -> float:
            return fsum(one[column] for user in users for one in given.get((day, user), []))

        cost = "implementation_cost_usd_year"
        hours = total(power, "estimated_time_savings_hours_month")
        row = {
            "date": day,
            "tenant_id": tenant_id,
            "power_users": len(power),
            "power_hours_month": hours,
            "power_savings_usd_year": hours * 12 * hour_value_usd,
            "power_cost_usd_year": total(power, cost),
            "reclaimable_usd_year": fsum(reclaimable.get((day, tenant_id), [])),
            "convertible_users": len(convertible),
            "conversion_usd_year": len(convertible) * SHARE_CONVERTED * conversion_value_usd,
            "conversion_cost_usd_year": total(convertible, cost),
        }
        gains = ("power_savings_usd_year", "reclaimable_usd_year", "conversion_usd_year")
        row["total_usd_year"] = fsum(row[name] for name in gains)
        row["net_usd_year"] = fsum(
            (
                row["total_usd_year"],
                -row["power_cost_usd_year"],
                -row["conversion_cost_usd_year"],
            )
        )
        table.append(row)
    return table


# --- Dashboard ------------------------------------------------------------------------------


def percent(part: float, base: float) -> float | None:
    """A share from 0 to 100; null where the whole is 0."""
    return None if base == 0 else 100 * part / base


def change_percent(now: float | None, then: float | None) -> float | None:
    """By how many percent something grew; null without a base."""
    return None if now is None or not then else 100 * (now - then) / then


def of_all(tenants: Mapping[str, TableRow]) -> float | None:
    """The mean score over the active users of all tenants."""
    counts = [(row["mean_score"], row["active_users"]) for row in tenants.values()]
    users = sum(count for _, count in counts)
    return fsum(mean * count for mean, count in counts if count) / users if users else None


def dashboard_table(
    segments: Iterable[TableRow],
    scores: ScoresByDay,
    tenants: Mapping[date, Mapping[str, TableRow]],
    roi: Iterable[TableRow],
) -> list[TableRow]:
    """`segmentation_dashboard`: one row per Monday and tenant with a user, and one for all."""
    by_monday = by_day(segments, "user_id")
    worth = by_day(roi, "tenant_id")
    table = []
    for day, users in by_monday.items():
        for tenant_id in (*{row["tenant_id"] for row in users.values()}, ALL):
            is_all = tenant_id == ALL
            then = by_monday.get(day - timedelta(weeks=4), {})

            def belongs(row: TableRow, tenant_id: str = tenant_id, is_all: bool = is_all) -> bool:
                return is_all or row["tenant_id"] == tenant_id

            def mean_on(
                back: int, day: date = day, tenant_id: str = tenant_id, is_all: bool = is_all
            ) -> float | None:
                known = tenants.get(day - timedelta(days=back), {})
                if is_all:
                    return of_all(known)
                mean = known.get(tenant_id, {}).get("mean_score")
                return None if mean is None else float(mean)

            rows = [row for row in users.values() if belongs(row)]
            own_scores = [scores[day][row["user_id"]] for row in rows]
            table.append(
                dashboard_row(
                    day,
                    tenant_id,
                    rows,
                    sum(row["total_accesses"] > 0 for row in own_scores),
                    then,
                    [row for row in then.values() if belongs(row)],
                    [mean_on(back) for back in (0, 28, 364)],
                    [row for row in worth[day].values() if belongs(row)],
                )
            )
    return table


def dashboard_row(
    day: date,
    tenant_id: str,
    rows: Sequence[TableRow],
    active_users: int,
    then: Mapping[str, TableRow],
    then_rows: Sequence[TableRow],
    means: Sequence[float | None],
    worth: Sequence[TableRow],
) -> TableRow:
    """The figures of a Monday; `then` is four weeks before, `then_rows` those of the tenant."""
    users = len(rows)
    order = ("casual", "regular", "power")
    moves = [
        (order.index(then[row["user_id"]]["segment"]), order.index(row["segment"]))
        for row in rows
        if row["user_id"] in then
    ]

    def count(column: str, value: Any, among: Sequence[TableRow] = rows) -> int:
        return sum(row[column] == value for row in among)

    def casual_percent(among: Sequence[TableRow]) -> float | None:
        return percent(count("segment", "casual", among), len(among))

    now, before = casual_percent(rows), casual_percent(then_rows)
    changed = count("is_changed", True)
    return {
        "date": day,
        "tenant_id": tenant_id,
        "users": users,
        "active_users": active_users,
        **{f"{one}_users": count("segment", one) for one in order},
        **{f"{one}_percent": percent(count("segment", one), users) for one in order},
        "dormant_users": count("is_dormant", True),
        "sign_in_only_users": count("sub_segment", "Sign-in Only"),
        "new_users": count("sub_segment", "New"),
        **{f"churn_{one}": count("churn_risk", one) for one in RISKS},
        "churn_suppressed": count("is_churn_suppressed", True),
        "changed_users": changed,
        "changed_percent": percent(
            changed, sum(row["previous_segment"] is not None for row in rows)
        ),
        "power_to_casual_28d": moves.count((2, 0)),
        "moved_up_28d": sum(there < here for there, here in moves),
        "moved_down_28d": sum(there > here for there, here in moves),
        "casual_percent_change_28d": (None if now is None or before is None else now - before),
        "needs_review_users": count("needs_review", True),
        "mean_confidence": fsum(row["confidence"] for row in rows) / users,
        "mean_score": means[0],
        "mean_score_change_28d_percent": change_percent(means[0], means[1]),
        "mean_score_change_364d_percent": change_percent(means[0], means[2]),
        "is_held_back": any(row["is_held_back"] for row in rows),
        **{
            name: fsum(row[name] for row in worth)
            for name in ("reclaimable_usd_year", "total_usd_year", "net_usd_year")
        },
    }
