"""What the segments are worth: idle licences, the return, and what would help whom."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.segment_blocks import (
    ESTIMATED,
    MOST_BARS,
    MOST_ROWS,
    RISK_COLOURS,
    Row,
    bars,
    cells_of,
    missing,
    rows_of,
    tenant_link,
)
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import (
    Block,
    Column,
    Figure,
    Grid,
    Statement,
    Statements,
    Unit,
    shown,
)
from harvey_pipeline.reports.wording import counted, distinct, named
from harvey_pipeline.segments.tables.labels import PRIORITIES
from harvey_pipeline.segments.tables.outcomes import (
    LICENSE_OPPORTUNITIES,
    RECOMMENDATIONS,
    ROI_SUMMARY,
)

_WHAT_IDLE_IS: Final = (
    "Unused are licences without a day of use in 90 days, and seats (app product) beyond the users "
    "with one; those that began within 90 days are neither. An app that nobody signs in to is not "
    "measured, and no waste."
)


def licences(figures: Figures, monday: date) -> list[Block]:
    """Licences and seats that lie idle, by tenant and one by one."""
    title = "Licence opportunities"
    rows = rows_of(
        figures,
        LICENSE_OPPORTUNITIES,
        f"""
        select *, count(*) over () as found from {LICENSE_OPPORTUNITIES} where date = $monday
        order by reclaimable_usd desc nulls last, underused_usd desc nulls last, tenant_id, app,
            tier
        limit {MOST_ROWS}
        """,
        monday=monday,
    )
    if not rows:
        return [missing(title, f"{LICENSE_OPPORTUNITIES} has no row of {monday}")]
    columns: Mapping[str, tuple[Unit, str]] = {
        "app": ("text", "App"),
        "tier": ("text", "Tier"),
        "licenses": ("count", "Licences"),
        "unused": ("count", "Unused"),
        "underused": ("count", "Used on 1 or 2 days"),
        "casual_holders": ("count", "Casual holders"),
        "annual_cost_usd": ("usd", "Cost, USD a year"),
        "reclaimable_usd": ("usd", "Unused, USD a year"),
        "underused_usd": ("usd", "Used on 1 or 2 days, USD a year"),
        "casual_usd": ("usd", "Casual holders, USD a year"),
        "is_measured": ("flag", "Measured"),
    }
    units = {name: unit for name, (unit, _) in columns.items()}
    key = ("date", "tenant_id", "app", "tier")
    grid = Grid(
        title,
        [Column("Tenant"), *(Column(name, unit) for unit, name in columns.values())],
        [[tenant_link(row), *cells_of(row, units, LICENSE_OPPORTUNITIES, *key)] for row in rows],
        f"Those with most to reclaim first. {_WHAT_IDLE_IS} {LICENSE_OPPORTUNITIES}.",
        left_out=rows[0]["found"] - len(rows),
        is_searchable=True,
    )
    return [_idle_by_tenant(figures, monday), grid]


def _idle_by_tenant(figures: Figures, monday: date) -> Block:
    title = "Idle licences and seats"
    rows = figures.rows(
        f"""
        select tenant_id, sum(reclaimable_usd) as unused, sum(underused_usd) as underused
        from {LICENSE_OPPORTUNITIES} where date = $monday and is_measured
        group by tenant_id having unused is not null
        order by unused desc, underused desc nulls last, tenant_id
        """,
        monday=monday,
    ).to_dicts()
    if not rows:
        return missing(title, f"no app is measured on {monday}, or what it costs is not known")
    unused = sum(row["unused"] for row in rows)
    underused = sum(row["underused"] or 0 for row in rows)
    if not unused + underused:
        return Statements(title, [Statement("No licence and no seat lies idle.")], _WHAT_IDLE_IS)
    drawn = [row for row in rows if row["unused"] + (row["underused"] or 0)][:MOST_BARS]
    names = distinct([named(row["tenant_id"]) for row in drawn])
    kinds = {"unused": "Unused", "underused": "Used on 1 or 2 days"}
    more = len(rows) - len(drawn)
    return bars(
        [
            {"tenant": name, "kind": kind, "usd": row[column] or 0}
            for name, row in zip(names, drawn, strict=True)
            for column, kind in kinds.items()
        ],
        ("tenant", "Tenant"),
        ("usd", "USD a year", "$~s"),
        charts.coloured("kind", "Use in 90 days", list(kinds.values())),
        f"Unused licences and seats cost {shown(unused, 'usd')} a year, those used on 1 or 2 days "
        f"of 90 {shown(underused, 'usd')}",
        f"{_WHAT_IDLE_IS} {LICENSE_OPPORTUNITIES}.",
        f"{counted(more, 'tenant')} with less, or nothing, not drawn." if more else "",
    )


def worth(figures: Figures, board: Row) -> Block:
    """What acting on the segments brings and costs a year."""
    title = "Return"
    gains = {
        "Idle licences": "reclaimable_usd_year",
        "Power users' hours": "power_savings_usd_year",
        "Casual made regular": "conversion_usd_year",
    }
    costs = {
        "Helping power users": "power_cost_usd_year",
        "Helping casual users": "conversion_cost_usd_year",
    }
    sums = ", ".join(f"sum({column}) as {column}" for column in (gains | costs).values())
    rows = rows_of(
        figures,
        ROI_SUMMARY,
        f"select {sums} from {ROI_SUMMARY} where date = $monday having count(*) > 0",
        monday=board["date"],
    )
    if not rows:
        return missing(title, f"{ROI_SUMMARY} has no row of {board['date']}")
    parts = [
        *({"what": name, "kind": "Gain", "usd": rows[0][column]} for name, column in gains.items()),
        *(
            {"what": name, "kind": "Cost", "usd": -rows[0][column]}
            for name, column in costs.items()
        ),
    ]
    finding = (
        f"Acting on the segments is worth {shown(board['net_usd_year'], 'usd')} a year net, "
        f"estimated: gains of {shown(board['total_usd_year'], 'usd')}"
    )
    if not any(part["usd"] for part in parts):
        return Statements(title, [Statement(f"{finding}.")], ESTIMATED)
    largest = max(parts, key=lambda part: part["usd"])
    return bars(
        parts,
        ("what", "What"),
        ("usd", "USD a year, estimated", "$~s"),
        charts.coloured("kind", "Gain or cost", ("Gain", "Cost")),
        f"{finding}, most from {largest['what'][0].lower()}{largest['what'][1:]} "
        f"({shown(largest['usd'], 'usd')})",
        f"{ESTIMATED} Sums over tenants of {ROI_SUMMARY}.",
    )


def interventions(figures: Figures, monday: date) -> list[Block]:
    """What is recommended, by rule of the catalogue."""
    title = "Recommended interventions"
    rows = rows_of(
        figures,
        RECOMMENDATIONS,
        f"""
        select rule_id, any_value(category) as category, any_value(suggestion) as suggestion,
            priority, count(*) as users, sum(estimated_time_savings_hours_month) as hours,
            sum(implementation_cost_usd_year) as usd
        from {RECOMMENDATIONS} where date = $monday
        group by rule_id, priority order by users desc, rule_id, priority
        """,
        monday=monday,
    )
    if not rows:
        return [missing(title, f"{RECOMMENDATIONS} has no row of {monday}")]
    words = [named(row["rule_id"]).replace("_", " ") for row in rows]
    finding = f"Recommended to most users: {words[0]} ({rows[0]['users']:,})"
    hours, saving = max((row["hours"], word) for row, word in zip(rows, words, strict=True))
    if hours:
        finding += f"; estimated to save most time: {saving} ({hours:,.0f} hours a month)"
    definition = (
        f"What the catalogue's rules recommend, at most three a user. {ESTIMATED} "
        f"{RECOMMENDATIONS}."
    )
    more = max(0, len(rows) - MOST_BARS)
    labels = distinct(words[:MOST_BARS])
    chart = bars(
        [row | {"what": label} for label, row in zip(labels, rows, strict=False)],
        ("what", "Intervention"),
        ("users", "Users", "~d"),
        charts.coloured("priority", "Priority", PRIORITIES, RISK_COLOURS),
        finding,
        definition,
        f"{counted(more, 'intervention')} for fewer users not drawn." if more else "",
    )
    grid = Grid(
        title,
        [
            Column("Intervention"),
            Column("What to do", "text", "As the person concerned may read it."),
            Column("Category"),
            Column("Priority"),
            Column("Users", "count"),
            Column("Hours a month", "number", "That it saves all of them, estimated."),
            Column("Cost, USD a year", "usd", "For all of them, estimated."),
        ],
        [
            [
                row["rule_id"].replace("_", " "),
                row["suggestion"],
                row["category"],
                row["priority"],
                Figure(row["users"], "count"),
                Figure(row["hours"], "number"),
                Figure(row["usd"], "usd"),
            ]
            for row in rows[:MOST_ROWS]
        ],
        definition,
        left_out=max(0, len(rows) - MOST_ROWS),
    )
    return [chart, grid]
