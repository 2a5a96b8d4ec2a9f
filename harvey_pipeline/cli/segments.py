"""`harvey segments`: a Monday and what follows from it, all about one user, or what a role sees."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.published import Row, open_published, read_day, rows_of
from harvey_pipeline.cli.segments_of_role import read_viewer, show_role
from harvey_pipeline.cli.segments_of_user import days_ago, show_user
from harvey_pipeline.cli.show import columns_of, listing_output, plural, say

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings

_SHOWN: Final = 20
"""Users of a list, and licences."""

_TENANTS_SHOWN: Final = 10
WEEK, FOUR_WEEKS = timedelta(days=7), timedelta(days=28)
_CONVERTED_SHARE: Final = 0.2
"""Of the casual users, those whose conversion is counted as worth something."""

SEGMENTS: Final = ("power", "regular", "casual")


def show_segments(
    day: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="A Monday, as YYYY-MM-DD; else the last one run."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="ID", help="This tenant only; else all together.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="All about this user instead.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="What ceo, finance, manager, it_hr or employee sees of --tenant instead.",
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="With --role: whose; not of ceo and finance."),
    ] = None,
    is_clear: Annotated[
        bool,
        typer.Option("--clear", help="With --role it_hr: ids, names and addresses in clear."),
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --role it_hr: why; it is written down."),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Show a Monday's segments, changes, churn and idle licences, or all about one user."""
    from harvey_pipeline.settings import read_settings

    if tenant is not None and user is not None:
        raise UnusableError("--tenant and --user exclude each other; give one of them.")
    settings = read_settings()
    console = listing_output()
    if role is not None:
        if user is not None:
            raise UnusableError("--role and --user exclude each other; whose it is says --as.")
        viewer = read_viewer(role, tenant, person)
        show_role(console, settings, viewer, day=day, is_clear=is_clear, reason=reason)
        return OK
    if person is not None or is_clear or reason is not None:
        raise UnusableError("--as, --clear and --reason are of a role: give one by --role.")
    with open_published(settings, "segments", nothing_run(settings)) as connection:
        chosen = choose_monday(connection, day, settings)
        if user is not None:
            refuse_unknown(connection, "user", user, chosen)
            show_user(console, connection, chosen, user)
        else:
            refuse_unknown(connection, "tenant", tenant, chosen)
            _show_monday(console, connection, chosen, tenant)
    return OK


def nothing_run(settings: "Settings") -> str:
    """What is said where no segments are published."""
    return (
        f"Nothing of the segments is published beside {settings.warehouse}. They are of Mondays: "
        f"put drops of users, firms and events into {settings.landing_dir} and compute days up to "
        "a Monday with `harvey run`."
    )


def choose_monday(
    connection: "duckdb.DuckDBPyConnection",
    text: str | None,
    settings: "Settings",
    option: str = "--day",
) -> date:
    """The Monday that an option names, else the last one run.

    Raises:
        UnusableError: It is no day, or no Monday, or was not run.
    """
    last = rows_of(connection, "select max(date) as day from segments.user_segments")[0]["day"]
    if last is None:
        raise UnusableError(nothing_run(settings))
    chosen = read_day(text, last, option)
    monday = chosen - timedelta(days=chosen.weekday())
    if chosen != monday:
        raise UnusableError(
            f"{chosen} is no Monday, and segments are of Mondays: give {option} {monday}."
        )
    found = "select 1 from segments.user_segments where date = ? limit 1"
    if not rows_of(connection, found, [chosen]):
        raise UnusableError(
            f"{chosen} has no segments: the last Monday run is {last}. Run it with "
            f"`harvey run --from {chosen} --to {chosen}`, or choose another {option}."
        )
    return chosen


def refuse_unknown(
    connection: "duckdb.DuckDBPyConnection", what: str, name: str | None, day: date
) -> None:
    """Make sure that a user or tenant has segments on that day.

    Raises:
        UnusableError: It has none; names those that may have been meant.
    """
    if name is None:
        return
    column = f"{what}_id"
    rows = rows_of(
        connection,
        f"select distinct {column} as name, jaro_winkler_similarity({column}, $name) as closeness "
        "from segments.user_segments where date = $day "
        f"and ({column} = $name or jaro_winkler_similarity({column}, $name) > 0.8) "
        "order by closeness desc, name limit 3",
        {"name": name, "day": day},
    )
    if name in [row["name"] for row in rows]:
        return
    meant = " or ".join(row["name"] for row in rows)
    hint = f"Did you mean {meant}?" if meant else "The table segments.user_segments lists them."
    raise UnusableError(f"no {what} is named {name} on {day}. {hint}")


# --- the Monday ----------------------------------------------------------------------------------


def _show_monday(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, tenant: str | None
) -> None:
    boards = {
        row["date"]: row
        for row in rows_of(
            connection,
            "select * from segments.segmentation_dashboard "
            "where tenant_id = ? and date in (?, ?, ?)",
            ["all" if tenant is None else tenant, day, day - WEEK, day - FOUR_WEEKS],
        )
    }
    board = boards.get(day)
    if board is None:
        raise UnusableError(
            f"segments.segmentation_dashboard of {day} was not computed. Run "
            f"`harvey run --from {day} --to {day}`."
        )
    whose = "all tenants" if tenant is None else tenant
    say(console, Text(f"Segments of {day}, {whose}\n", style="bold"))
    _show_distribution(console, board, boards.get(day - WEEK), boards.get(day - FOUR_WEEKS))
    _show_changes(console, connection, board, tenant)
    _show_churn(console, connection, board, tenant)
    _show_returns(console, connection, day, tenant)
    _show_licenses(console, connection, day, tenant)


def _show_distribution(
    console: Console, board: Row, week_before: Row | None, four_weeks_before: Row | None
) -> None:
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(no_wrap=True)
    for _ in range(4):
        grid.add_column(no_wrap=True, justify="right")
    grid.add_row("", "users", "share", "against a week before", "four weeks before", style="dim")
    for segment in SEGMENTS:
        share = f"{segment}_percent"
        grid.add_row(
            f"  {segment}",
            f"{board[f'{segment}_users']:,}",
            percent(board[share]),
            points_against(board, week_before, share),
            points_against(board, four_weeks_before, share),
        )
    console.print(grid)
    say(
        console,
        f"\n  {plural(board['users'], 'user')}, of them {board['active_users']:,} active in 90 "
        f"days, {board['dormant_users']:,} dormant, {board['sign_in_only_users']:,} with sign-ins "
        f"only, {board['new_users']:,} new; {board['needs_review_users']:,} to be reviewed",
    )
    score = board["mean_score"]
    if score is not None:
        change = board["mean_score_change_28d_percent"]
        told = "" if change is None else f", {change:+.1f} % against four weeks before"
        say(console, f"  Mean score {score:.3f}{told}")
    if board["is_held_back"]:
        held = "  Segments are held back where many users would change at once: the check "
        held += "segments_are_not_held_back says where, and how to let them through"
        say(console, Text(held, style="yellow"))


def _show_changes(
    console: Console, connection: "duckdb.DuckDBPyConnection", board: Row, tenant: str | None
) -> None:
    share = board["changed_percent"]
    told = "" if share is None else f" ({percent(share)} of those with a segment a week before)"
    say(console, Text("\nChanges of the week", style="bold"))
    say(console, f"  {plural(board['changed_users'], 'user')}{told}")
    say(
        console,
        f"  In four weeks {board['moved_up_28d']:,} moved up and {board['moved_down_28d']:,} "
        f"down, {board['power_to_casual_28d']:,} from power to casual",
    )
    rows = rows_of(
        connection,
        "select user_id, tenant_id, previous_segment, segment, sub_segment "
        "from segments.user_segments where date = $day and is_changed "
        f"{_of_tenant(tenant)} order by user_id limit {_SHOWN}",
        _parameters(board["date"], tenant),
    )
    grid = columns_of(4)
    for row in rows:
        change = f"{row['previous_segment']} to {row['segment']}"
        grid.add_row(f"  {row['user_id']}", change, row["sub_segment"], row["tenant_id"])
    console.print(grid)
    _show_more(console, board["changed_users"], len(rows), "segments.segment_changes")


def _show_churn(
    console: Console, connection: "duckdb.DuckDBPyConnection", board: Row, tenant: str | None
) -> None:
    say(console, Text("\nChurn", style="bold"))
    say(
        console,
        f"  high {board['churn_high']:,}, medium {board['churn_medium']:,}, low "
        f"{board['churn_low']:,}, very low {board['churn_very_low']:,}; of the low "
        f"{board['churn_suppressed']:,} in holidays or a dip of the whole tenant",
    )
    rows = rows_of(
        connection,
        "select user_id, tenant_id, churn_risk, segment, last_access_days_ago, score_30d, "
        "round((score_30_60d + score_60_90d) / 2, 7) as score_before "
        "from segments.user_segments left join (select date, user_id, last_access_days_ago, "
        "score_30d, score_30_60d, score_60_90d from segments.engagement_scores where date = $day) "
        "using (date, user_id) "
        f"where date = $day and churn_risk in ('high', 'medium') {_of_tenant(tenant)} "
        "order by churn_risk = 'high' desc, score_before desc nulls last, user_id "
        f"limit {_SHOWN}",
        _parameters(board["date"], tenant),
    )
    grid = columns_of(6)
    for row in rows:
        is_high = row["churn_risk"] == "high"
        grid.add_row(
            f"  {row['user_id']}",
            Text(row["churn_risk"], style="red" if is_high else "yellow"),
            row["segment"],
            _fall(row),
            days_ago(row["last_access_days_ago"]),
            row["tenant_id"],
        )
    console.print(grid)
    listed = board["churn_high"] + board["churn_medium"]
    _show_more(console, listed, len(rows), "segments.churn_list")


def _fall(row: Row) -> str:
    if row["score_before"] is None:
        return "score not kept"
    return f"score {row['score_before']:.3f} before, {row['score_30d']:.3f} in 30 days"


# --- what it is worth ----------------------------------------------------------------------------


def _show_returns(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, tenant: str | None
) -> None:
    rows = rows_of(
        connection,
        "select * from segments.roi_summary where date = $day "
        f"{_of_tenant(tenant)} order by net_usd_year desc, tenant_id",
        _parameters(day, tenant),
    )
    say(console, Text("\nReturn, estimated, highest net first", style="bold"))
    for row in rows[:_TENANTS_SHOWN]:
        say(
            console,
            f"  {row['tenant_id']}: net {_usd(row['net_usd_year'])} a year = gains of "
            f"{_usd(row['total_usd_year'])} less costs of "
            f"{_usd(row['power_cost_usd_year'] + row['conversion_cost_usd_year'])}",
        )
        for line in _estimates(row):
            say(console, f"    {line}")
    _show_more(console, len(rows), min(len(rows), _TENANTS_SHOWN), "segments.roi_summary")


def _estimates(row: Row) -> Iterator[str]:
    """How each gain comes about; the values of an hour and a conversion are those used then."""
    hours, savings = row["power_hours_month"], row["power_savings_usd_year"]
    worth = f" x 12 x {_usd(savings / (12 * hours))} an hour" if hours else ""
    yield (
        f"{plural(row['power_users'], 'power user')}: estimated {hours:,.1f} hours a month"
        f"{worth} = {_usd(savings)}; costs {_usd(row['power_cost_usd_year'])}"
    )
    yield f"idle licences and seats: {_usd(row['reclaimable_usd_year'])}"
    users, gain = row["convertible_users"], row["conversion_usd_year"]
    each = f" x {_usd(gain / (_CONVERTED_SHARE * users))} each" if users else ""
    yield (
        f"{plural(users, 'casual user')}, {_CONVERTED_SHARE:.0%} of them converted{each} = "
        f"{_usd(gain)}; costs {_usd(row['conversion_cost_usd_year'])}"
    )


def _show_licenses(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, tenant: str | None
) -> None:
    rows = rows_of(
        connection,
        "select * from segments.license_opportunities where date = $day "
        f"and (coalesce(reclaimable_usd, 0) > 0 or not is_measured) {_of_tenant(tenant)} "
        "order by is_measured desc, reclaimable_usd desc nulls last, annual_cost_usd desc nulls "
        "last, tenant_id, app, tier",
        _parameters(day, tenant),
    )
    say(console, Text("\nIdle licences and seats, most USD a year first", style="bold"))
    if not rows:
        say(console, "  none")
    for row in rows[:_SHOWN]:
        say(console, f"  {row['tenant_id']}, {row['app']} ({row['tier']}): {_idle(row)}")
    _show_more(console, len(rows), min(len(rows), _SHOWN), "segments.license_opportunities")


def _idle(row: Row) -> str:
    if not row["is_measured"]:
        cost = "" if row["annual_cost_usd"] is None else f", {_usd(row['annual_cost_usd'])} a year"
        return (
            f"{plural(row['licenses'], 'licence')}{cost}; not measured, for nobody's access of "
            "the app is known"
        )
    more = "" if row["underused_usd"] is None else f", {_usd(row['underused_usd'])}"
    casual = "" if row["casual_usd"] is None else f", {_usd(row['casual_usd'])}"
    return (
        f"{_usd(row['reclaimable_usd'])} = {row['unused']:,} of {row['licenses']:,} without use "
        f"in 90 days (all: {_usd(row['annual_cost_usd'])}); {row['underused']:,} used on one or "
        f"two days{more}; {row['casual_holders']:,} held by casual users{casual}; "
        f"{row['new_licenses']:,} new"
    )


# --- words ---------------------------------------------------------------------------------------


def _of_tenant(tenant: str | None) -> str:
    return "" if tenant is None else "and tenant_id = $tenant"


def _parameters(day: date, tenant: str | None) -> dict[str, object]:
    return {"day": day} if tenant is None else {"day": day, "tenant": tenant}


def _show_more(console: Console, count: int, shown: int, table: str) -> None:
    if count > shown:
        say(console, Text(f"  and {count - shown:,} more: {table}", style="dim"))


def percent(value: float | None) -> str:
    """A share; a dash where it is not known."""
    return "-" if value is None else f"{value:.1f} %"


def points_against(board: Row, before: Row | None, column: str) -> str:
    """How much a share has changed; a dash where that is not known."""
    if before is None or board[column] is None or before[column] is None:
        return "-"
    return f"{board[column] - before[column]:+.1f} points"


def _usd(value: float) -> str:
    return f"{value:,.0f} USD"
