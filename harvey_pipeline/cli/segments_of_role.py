"""The segments as a role sees them: what `harvey segments --role` and the exports share."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import UnusableError
from harvey_pipeline.cli.conversation_figures import printable
from harvey_pipeline.cli.published import read_day
from harvey_pipeline.cli.show import columns_of, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.access.reading import Page
    from harvey_pipeline.access.roles import Viewer
    from harvey_pipeline.settings import Settings

HIDDEN: Final = "not known, or a figure of fewer than 5 people, or one that would tell it"
"""Why a figure is missing in what ceo and finance see."""

_SHOWN: Final = 20
"""Rows of a table in a terminal."""


def read_viewer(role: str, tenant: str | None, person: str | None) -> "Viewer":
    """Who looks, by the options.

    Raises:
        UnusableError: The role is unknown, or tenant or person are missing or none.
    """
    from harvey_pipeline.access.roles import PERSONAL, AccessError, Role, Viewer

    if role not in list(Role):
        raise UnusableError(f"--role is {role!r}; there are {', '.join(Role)}.")
    if tenant is None:
        raise UnusableError(f"--role {role} needs a tenant: give its id by --tenant.")
    if role in PERSONAL and not person:
        raise UnusableError(f"--role {role} is a person's: give the user's id by --as.")
    try:
        return Viewer(Role(role), tenant, person)
    except AccessError as error:
        raise UnusableError(str(error)) from None


def read_pages(
    settings: "Settings",
    viewer: "Viewer",
    command: str,
    *,
    day: str | None,
    most: int | None,
    is_clear: bool,
    reason: str | None,
) -> dict[str, "Page"]:
    """What a viewer sees of a day, or of the latest one, by the tables' own names.

    Raises:
        UnusableError: Nothing of the tenant is published, or it may not be seen.
        SettingsError: Hashes are needed, and their secret is not set.
    """
    from harvey_pipeline.access.audit import log_beside
    from harvey_pipeline.access.reading import (
        Wanted,
        knows_tenant,
        opened_copy,
        read_as,
        tables_there,
        today_utc,
    )
    from harvey_pipeline.access.roles import AccessError, Role, tables_of
    from harvey_pipeline.settings import read_hash_secret

    chosen = None if day is None else read_day(day, date.min)
    try:
        with opened_copy(settings.warehouse) as copy:
            if not knows_tenant(copy, viewer.tenant_id):
                raise UnusableError(
                    f"no user of a tenant named {viewer.tenant_id} is published. The table "
                    "segments.user_segments has the tenants."
                )
            tables = tuple(tables_of(viewer.role))
            if viewer.role is Role.IT_HR:
                tables = tables_there(copy, tables)
            return read_as(
                copy,
                viewer,
                Wanted(
                    command,
                    tables,
                    chosen,
                    is_latest=True,
                    most=most,
                    is_clear=is_clear,
                    reason=reason,
                ),
                log=log_beside(settings.warehouse),
                secret=read_hash_secret,
                today=today_utc(),
            )
    except AccessError as error:
        raise UnusableError(str(error)) from None


def show_role(
    console: Console,
    settings: "Settings",
    viewer: "Viewer",
    *,
    day: str | None,
    is_clear: bool,
    reason: str | None,
) -> None:
    """Print what a viewer sees; of an employee in words."""
    from harvey_pipeline.access.roles import AGGREGATED, Role

    pages = read_pages(
        settings,
        viewer,
        "harvey segments",
        day=day,
        most=_SHOWN,
        is_clear=is_clear,
        reason=reason,
    )
    if viewer.role is Role.EMPLOYEE:
        for line in own_words(pages):
            say(console, printable(line))
        return
    for name, page in pages.items():
        say(console, Text(f"segments.{name}: {plural(page.total, 'row')}", style="bold"))
        _show_rows(console, page)
        more = page.total - page.rows.height
        if more > 0:
            told = f"  and {more:,} more: `harvey export-segments` writes all"
            say(console, Text(told, style="dim"))
        say(console, "")
    if viewer.role in AGGREGATED:
        say(console, Text(f"-: {HIDDEN}", style="dim"))


def own_words(pages: dict[str, "Page"]) -> list[str]:
    """What an employee is told of the latest day."""
    from harvey_pipeline.access.roles import RECOMMENDATIONS, USER_SEGMENTS
    from harvey_pipeline.access.words import tell_own

    return list(tell_own(pages[USER_SEGMENTS], pages[RECOMMENDATIONS]))


def _show_rows(console: Console, page: "Page") -> None:
    names = page.rows.columns
    if page.rows.height == 1:
        grid = columns_of(2)
        for name, value in zip(names, page.rows.row(0), strict=True):
            grid.add_row(f"  {name}", cell_text(value, "-"))
        console.print(grid)
        return
    for row in page.rows.iter_rows():
        say(console, f"  {_line(names, row)}")


def _line(names: Sequence[str], row: Sequence[Any]) -> str:
    """A row in a line: each column with its value."""
    return ", ".join(
        f"{name} {cell_text(value, '-')}" for name, value in zip(names, row, strict=True)
    )


def cell_text(value: Any, missing: str = "") -> str:
    """A value as people read it; null, which may be hidden, as `missing`."""
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return printable("; ".join(map(str, value)))
    return printable(str(value))
