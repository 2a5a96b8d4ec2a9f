"""Endpoints for the roles: what a token may see of the segments, and nothing that it may not.

Role, tenant and person come from the token alone; no parameter changes them. Every row comes
through `access/reading.py`, which the command line and exports use too.
"""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from harvey_pipeline.access.audit import log_beside
from harvey_pipeline.access.reading import (
    Page,
    Wanted,
    opened_copy,
    read_as,
    tables_there,
    today_utc,
)
from harvey_pipeline.access.roles import (
    DASHBOARD,
    LICENSES,
    READOUT,
    RECOMMENDATIONS,
    ROI,
    STABILITY,
    USER_SEGMENTS,
    AccessError,
    ForbiddenError,
    Role,
    UnavailableError,
    Viewer,
    tables_of,
)
from harvey_pipeline.access.tokens import find_viewer, read_tokens, tokens_beside
from harvey_pipeline.access.words import tell_own
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.settings import SettingsError, read_hash_secret

if TYPE_CHECKING:
    from fastapi import APIRouter

ON_DASHBOARD: Final = (DASHBOARD, ROI, STABILITY, READOUT, LICENSES)
"""Tables below `/dashboard/`; all others are below `/segments/`."""

MOST_ROWS: Final = 1000
_USUAL_ROWS: Final = 100
_PARAMETERS: Final = frozenset({"day", "first", "most", "clear", "reason"})
_BEARER: Final = "bearer "


def path_of(table: str) -> str:
    """Where a table is served, by its own name."""
    return f"/{'dashboard' if table in ON_DASHBOARD else 'segments'}/{table}"


def router(
    warehouse: Path,
    *,
    secret: Callable[[], str] = read_hash_secret,
    today: Callable[[], date] = today_utc,
) -> "APIRouter":
    """The endpoints over the copy that is published beside a warehouse, all of them read-only.

    Args:
        warehouse: The DuckDB file; the published copy, the tokens and the account of reads are
            beside it. Each request looks at them anew.
        secret: Gives what pseudonyms are made with; raises SettingsError where none is set.
        today: The day on which a manager's users are theirs.
    """
    from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
    from fastapi.responses import JSONResponse

    def find_out(
        authorization: Annotated[
            str | None, Header(description="`Bearer` and a token of `harvey token make`.")
        ] = None,
    ) -> Viewer:
        """Whom the token stands for."""
        shown = authorization or ""
        viewer = None
        if shown.lower().startswith(_BEARER):
            viewer = find_viewer(_attempt(lambda: read_tokens(tokens_beside(warehouse))), shown[7:])
        if viewer is None:
            raise HTTPException(
                401, "A token is needed that is known here.", {"WWW-Authenticate": "Bearer"}
            )
        return viewer

    def _attempt(act: Callable[[], Any]) -> Any:
        """What an act gives, its refusals as answers."""
        try:
            return act()
        except ForbiddenError as error:
            raise HTTPException(403, str(error)) from None
        except (UnavailableError, SettingsError) as error:
            raise HTTPException(503, str(error)) from None
        except AccessError as error:
            raise HTTPException(422, str(error)) from None

    def read(viewer: Viewer, wanted: Wanted) -> dict[str, Page]:
        with opened_copy(warehouse) as copy:
            return read_as(
                copy, viewer, wanted, log=log_beside(warehouse), secret=secret, today=today()
            )

    Asking = Annotated[Viewer, Depends(find_out)]  # noqa: N806

    def know_parameters(request: Request, _: Asking) -> None:
        """Refuse what would be ignored: whoever gives it expects something of it."""
        names = [name for name, _ in request.query_params.multi_items()]
        for name in names:
            if name not in _PARAMETERS or names.count(name) > 1:
                known = ", ".join(sorted(_PARAMETERS))
                raise HTTPException(422, f"There are the parameters {known}, each at most once.")

    def serve_table(table: str) -> Callable[..., Any]:
        def answer(
            viewer: Asking,
            day: Annotated[
                date | None, Query(description="Only rows of this day, or of its month.")
            ] = None,
            first: Annotated[
                int, Query(ge=0, le=10**9, description="How many rows to leave out before.")
            ] = 0,
            most: Annotated[
                int, Query(ge=1, le=MOST_ROWS, description="How many rows at most.")
            ] = _USUAL_ROWS,
            clear: Annotated[
                bool, Query(description="Of `it_hr`: ids in clear, with a reason.")
            ] = False,
            reason: Annotated[
                str | None, Query(max_length=500, description="Why; it is written down.")
            ] = None,
        ) -> Any:
            wanted = Wanted(
                f"GET {path_of(table)}",
                (table,),
                day,
                first=first,
                most=most,
                is_clear=clear,
                reason=reason,
            )
            page = _attempt(lambda: read(viewer, wanted))[table]
            return JSONResponse(_body(table, page, first), headers=_UNSTORED)

        return answer

    def list_tables(viewer: Asking) -> Any:
        def look() -> tuple[str, ...]:
            with opened_copy(warehouse) as copy:
                return tables_there(copy, tables_of(viewer.role))

        tables = [{"table": name, "path": path_of(name)} for name in _attempt(look)]
        body = {"role": viewer.role.value, "tenant_id": viewer.tenant_id, "tables": tables}
        return JSONResponse(body, headers=_UNSTORED)

    def tell_me(viewer: Asking) -> Any:
        if viewer.role is not Role.EMPLOYEE:
            raise HTTPException(403, f"The role {viewer.role} has no rows of its own.")
        wanted = Wanted("GET /segments/me", (USER_SEGMENTS, RECOMMENDATIONS))
        pages = _attempt(lambda: read(viewer, wanted))
        lines = list(tell_own(pages[USER_SEGMENTS], pages[RECOMMENDATIONS]))
        return JSONResponse({"lines": lines}, headers=_UNSTORED)

    routes = APIRouter(dependencies=[Depends(know_parameters)], responses=_REFUSALS)
    routes.add_api_route(
        "/segments",
        list_tables,
        methods=["GET"],
        tags=["roles"],
        summary="The tables that the token may see",
        responses=_example(_EXAMPLE_OF_TABLES),
    )
    routes.add_api_route(
        "/segments/me",
        tell_me,
        methods=["GET"],
        tags=["roles"],
        summary="One's own segment in words (employee)",
        responses=_example(_EXAMPLE_OF_WORDS),
    )
    for name, table in TABLES.items():
        roles = ", ".join(role for role in Role if name in tables_of(role))
        routes.add_api_route(
            path_of(name),
            serve_table(name),
            methods=["GET"],
            name=name,
            tags=["roles"],
            summary=f"{table.name} ({roles})",
            description=f"{table.description} For the roles {roles}; the latest rows first.",
            responses=_example(_example_page(name)),
        )
    return routes


_UNSTORED: Final = {"Cache-Control": "no-store"}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No token, or one that is not known."},
    403: {"description": "The token's role does not see this."},
    422: {"description": "A parameter is unknown or cannot be used."},
    503: {"description": "Nothing is published, or what is needed is not set up."},
}


def _body(table: str, page: Page, first: int) -> dict[str, Any]:
    rows = [
        {name: _plain(value) for name, value in row.items()}
        for row in page.rows.iter_rows(named=True)
    ]
    after = first + len(rows)
    following = after if rows and after < page.total else None
    return {"table": table, "total": page.total, "first": first, "next": following, "rows": rows}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


# --- examples ------------------------------------------------------------------------------------

_EXAMPLE_OF_TABLES: Final = {
    "role": "ceo",
    "tenant_id": "f1",
    "tables": [{"table": DASHBOARD, "path": path_of(DASHBOARD)}],
}
_EXAMPLE_OF_WORDS: Final = {
    "lines": [
        "You are a regular user (Steady Regular), as of 2024-06-24.",
        "Your score is 0.48 of 1: you are in the top 35 % of your organisation.",
    ]
}
_EXAMPLE_ROWS: Final[Mapping[str, dict[str, Any]]] = {
    DASHBOARD: {"date": "2024-06-24", "tenant_id": "f1", "users": 43, "power_users": 9},
    ROI: {"date": "2024-06-24", "tenant_id": "f1", "net_usd_year": 43150.0},
    LICENSES: {"date": "2024-06-24", "tenant_id": "f1", "app": "crm", "unused": 12},
    USER_SEGMENTS: {"date": "2024-06-24", "user_id": "u1", "segment": "regular"},
}


def _example_page(table: str) -> dict[str, Any]:
    row = _EXAMPLE_ROWS.get(table, dict.fromkeys(TABLES[table].key))
    return {"table": table, "total": 1, "first": 0, "next": None, "rows": [row]}


def _example(body: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": body}}}}
