"""`harvey segments-summary`: a week's segments for IT, as files and by e-mail."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from harvey_pipeline.cli.app import (
    OK,
    DagsterHome,
    Debug,
    FailedError,
    UnusableError,
    WarehouseFile,
    refuse_address,
)
from harvey_pipeline.cli.pages import Section, html_of, text_of, write_file
from harvey_pipeline.cli.published import Row, open_published, rows_of
from harvey_pipeline.cli.segments import (
    FOUR_WEEKS,
    SEGMENTS,
    WEEK,
    choose_monday,
    nothing_run,
    percent,
    points_against,
    refuse_unknown,
)
from harvey_pipeline.cli.show import output, plural, say

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.settings import Settings

_COMMAND: Final = "harvey segments-summary"
_PEOPLE: Final = 20
"""Users whom to look at first."""

_HASH_DIGITS: Final = 16
"""Digits of a pseudonym that are enough to find it."""


def write_summary(
    week: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Its Monday, as YYYY-MM-DD; else the last one run."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="ID", help="This tenant only; else all together.")
    ] = None,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where to write.")] = "reports",
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Write a week's segments for IT as text and HTML, and send it if HARVEY_SMTP_URL is set."""
    from harvey_pipeline.cli.mail import send_mail
    from harvey_pipeline.conversations.settings import INSIGHTS_TO, read_conversation_settings
    from harvey_pipeline.settings import read_settings

    refuse_address("--out", out)
    settings, mail = read_settings(), read_conversation_settings().insights
    with open_published(settings, "segments", nothing_run(settings)) as connection:
        monday = choose_monday(connection, week, settings, "--week")
        refuse_unknown(connection, "tenant", tenant, monday)
        board, *sections = _tell_board(connection, monday, tenant)
        tenants = _tenants_at_risk(connection, monday, tenant)
    sections.append(_whom_to_look_at(settings, monday, tenants))
    sections.append(_checks(settings))
    subject = f"Harvey segments of {monday}, {tenant or 'all tenants'}: {board.note}"
    text, html = text_of(subject, sections), html_of(subject, sections)
    whose = "" if tenant is None else f"-{quote(tenant, safe='')}"
    path = Path(out) / f"segments-summary-{monday}{whose}"
    for suffix, content in ((".txt", text), (".html", html)):
        write_file(path.with_name(path.name + suffix), content.encode())
    console = output()
    say(console, f"{subject}. Written: {path}.txt and {path}.html.")
    if mail is not None:
        refused = send_mail(mail, subject, text, html)
        if refused:
            raise FailedError(f"{mail.host} refused {', '.join(refused)}. Correct {INSIGHTS_TO}.")
        say(console, f"Sent to {', '.join(mail.to)}.")
    return OK


# --- figures -------------------------------------------------------------------------------------


def _tell_board(
    connection: "duckdb.DuckDBPyConnection", monday: date, tenant: str | None
) -> Iterator[Section]:
    """First, as its note, the week in a line; then the sections of its figures."""
    rows = rows_of(
        connection,
        "select * from segments.segmentation_dashboard where tenant_id = ? and date in (?, ?, ?)",
        ["all" if tenant is None else tenant, monday, monday - WEEK, monday - FOUR_WEEKS],
    )
    boards = {row["date"]: row for row in rows}
    if monday not in boards:
        raise UnusableError(
            f"segments.segmentation_dashboard of {monday} was not computed. Run "
            f"`harvey run --from {monday} --to {monday}`."
        )
    board, before = boards[monday], boards.get(monday - WEEK)
    earlier = boards.get(monday - FOUR_WEEKS)
    told = f"{plural(board['users'], 'user')}, {board['churn_high']:,} at high risk"
    yield Section("", note=told)
    yield Section(
        "Distribution",
        ("segment", "users", "share", "against a week before", "four weeks before"),
        [
            (
                segment,
                f"{board[f'{segment}_users']:,}",
                percent(board[f"{segment}_percent"]),
                points_against(board, before, f"{segment}_percent"),
                points_against(board, earlier, f"{segment}_percent"),
            )
            for segment in SEGMENTS
        ],
    )
    yield Section(
        "Figures",
        ("", "now", "a week before", "four weeks before"),
        [
            (label, *(_count(one, name) for one in (board, before, earlier)))
            for name, label in _COUNTS.items()
        ],
        "Segments of some users are held back: too many would change at once"
        if board["is_held_back"]
        else "",
    )


_COUNTS: Final = {
    "users": "users",
    "active_users": "active in 90 days",
    "dormant_users": "dormant",
    "new_users": "new",
    "churn_high": "churn risk high",
    "churn_medium": "churn risk medium",
    "changed_users": "changed in the week",
    "power_to_casual_28d": "from power to casual in four weeks",
    "needs_review_users": "to be reviewed",
}


def _count(board: Row | None, name: str) -> str:
    return "-" if board is None else f"{board[name]:,}"


# --- people --------------------------------------------------------------------------------------


def _tenants_at_risk(
    connection: "duckdb.DuckDBPyConnection", monday: date, tenant: str | None
) -> list[str]:
    """Tenants whose users may have to be looked at, those with most of them first."""
    rows = rows_of(
        connection,
        "select tenant_id from segments.segmentation_dashboard where date = $day "
        "and tenant_id not in ('all', 'unknown') and ($tenant is null or tenant_id = $tenant) "
        "and churn_high + churn_medium + needs_review_users > 0 "
        f"order by churn_high desc, churn_medium desc, tenant_id limit {_PEOPLE}",
        {"day": monday, "tenant": tenant},
    )
    return [row["tenant_id"] for row in rows]


def _whom_to_look_at(settings: "Settings", monday: date, tenants: Sequence[str]) -> Section:
    """Users by pseudonym; each read is one of `it_hr` and stands in the account of reads."""
    from harvey_pipeline.access.audit import log_beside
    from harvey_pipeline.access.reading import Wanted, opened_copy, read_as, today_utc
    from harvey_pipeline.access.roles import USER_SEGMENTS, AccessError, Role, Viewer
    from harvey_pipeline.settings import HASH_SECRET, SettingsError, read_hash_secret

    title = "Whom to look at first"
    try:
        read_hash_secret()
    except SettingsError:
        return Section(title, note=f"People are listed by hashes, and {HASH_SECRET} is not set.")
    found: list[Row] = []
    wanted = Wanted(_COMMAND, (USER_SEGMENTS,), monday, reason="weekly summary")
    try:
        with opened_copy(settings.warehouse) as copy:
            for tenant in tenants:
                pages = read_as(
                    copy,
                    Viewer(Role.IT_HR, tenant, _COMMAND),
                    wanted,
                    log=log_beside(settings.warehouse),
                    secret=read_hash_secret,
                    today=today_utc(),
                )
                rows = pages[USER_SEGMENTS].rows.iter_rows(named=True)
                found += [row for row in rows if _why(row)]
    except AccessError as error:
        raise UnusableError(str(error)) from None
    found.sort(key=_urgency)
    shown = [
        (row["user_id"][:_HASH_DIGITS], row["tenant_id"], row["segment"], _why(row))
        for row in found[:_PEOPLE]
    ]
    if len(found) > _PEOPLE:
        shown.append((f"and {len(found) - _PEOPLE:,} more", "", "", ""))
    header = ("user", "tenant", "segment", "why")
    return Section(title, header if shown else (), shown)


def _why(row: Row) -> str:
    """Why somebody should look at a user, the most urgent reason first; empty without one."""
    reasons = []
    if row["churn_risk"] in ("high", "medium"):
        reasons.append(f"churn risk {row['churn_risk']}")
    if row["previous_segment"] == "power" and row["segment"] != "power":
        reasons.append("was a power user a week before")
    if row["is_gaming_suspected"]:
        reasons.append("accesses look made up")
    if row["needs_review"]:
        reasons.append("needs review")
    return ", ".join(reasons)


def _urgency(row: Row) -> tuple[bool, bool, bool, float, str]:
    """High risk before medium before others, and then those first who use it most."""
    return (
        row["churn_risk"] != "high",
        row["churn_risk"] != "medium",
        row["previous_segment"] != "power",
        -row["engagement_score"],
        row["user_id"],
    )


# --- checks --------------------------------------------------------------------------------------


def _checks(settings: "Settings") -> Section:
    from harvey_pipeline.cli.status import failed_checks
    from harvey_pipeline.segments import SUBJECT

    failed = failed_checks(settings, [SUBJECT])[SUBJECT.name]
    return Section("Checks that did not pass", (), [(name,) for name in failed])
