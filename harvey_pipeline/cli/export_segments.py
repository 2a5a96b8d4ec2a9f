"""`harvey export-segments`: what roles see, as files to hand out."""

import io
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from harvey_pipeline.cli.app import OK, Debug, WarehouseFile, refuse_address
from harvey_pipeline.cli.pages import Section, html_of, write_file
from harvey_pipeline.cli.segments_of_role import (
    HIDDEN,
    cell_text,
    own_words,
    read_pages,
    read_viewer,
)
from harvey_pipeline.cli.show import output, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.access.reading import Page
    from harvey_pipeline.access.roles import Viewer


class RoleFormat(StrEnum):
    """The forms of an export for a role."""

    PARQUET = "parquet"
    HTML = "html"


def export_segments(
    tenant: Annotated[str, typer.Option(metavar="ID", help="The tenant whose rows are exported.")],
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="ceo, finance, manager, it_hr or employee; may be repeated; else ceo and finance.",
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="Whose role it is; not of ceo and finance."),
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="As YYYY-MM-DD; else the latest of each.")
    ] = None,
    form: Annotated[
        RoleFormat, typer.Option("--format", help="A folder of tables, or one page, per role.")
    ] = RoleFormat.HTML,
    is_clear: Annotated[
        bool, typer.Option("--clear", help="Of it_hr: ids, names and addresses in clear.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why it_hr reads; it is written down.")
    ] = None,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where to write.")] = "reports",
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Write what roles see of a tenant, a file per role: rows filtered, columns picked, hashed."""
    from harvey_pipeline.settings import read_settings

    refuse_address("--out", out)
    settings = read_settings()
    viewers = [read_viewer(one, tenant, person) for one in dict.fromkeys(role or _USUAL)]
    console = output()
    for viewer in viewers:
        pages = read_pages(
            settings,
            viewer,
            "harvey export-segments",
            day=day,
            most=None,
            is_clear=is_clear,
            reason=reason,
        )
        path = _write(Path(out), viewer, pages, form)
        rows = sum(page.total for page in pages.values())
        say(console, f"{viewer.role}: {plural(rows, 'row')} in {path}")
    return OK


_USUAL = ("ceo", "finance")
"""Roles that are no particular person's."""


def _write(folder: Path, viewer: "Viewer", pages: dict[str, "Page"], form: RoleFormat) -> Path:
    from harvey_pipeline.access.roles import PERSONAL

    # Ids may hold what no file name holds.
    parts = [viewer.tenant_id, viewer.role.value]
    parts += [viewer.user_id or ""] if viewer.role in PERSONAL else []
    path = folder / "-".join(["segments", *(quote(part, safe="") for part in parts)])
    if form is RoleFormat.HTML:
        path = path.with_name(f"{path.name}.html")
        write_file(path, _page(viewer, pages).encode())
    else:
        for name, page in pages.items():
            body = io.BytesIO()
            page.rows.write_parquet(body)
            write_file(path / f"{name}.parquet", body.getvalue())
    return path


def _page(viewer: "Viewer", pages: dict[str, "Page"]) -> str:
    from harvey_pipeline.access.roles import AGGREGATED, Role

    sections = []
    if viewer.role is Role.EMPLOYEE:
        sections.append(Section("In words", (), [(line,) for line in own_words(pages)]))
    note = ""
    if viewer.role in AGGREGATED:
        note = f"Blank: {HIDDEN}."
    for name, page in pages.items():
        rows = [[cell_text(value) for value in row] for row in page.rows.iter_rows()]
        shown = note if rows else ""
        sections.append(Section(f"segments.{name}", page.rows.columns, rows, shown))
    return html_of(f"Segments of {viewer.tenant_id} for {viewer.role}", sections)
