"""The one way to rows of the segments for people: the filter added, columns picked, ids hashed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.access.aggregates import READ_WITH, anonymise
from harvey_pipeline.access.audit import write_down
from harvey_pipeline.access.roles import (
    AGGREGATED,
    EMPLOYEES,
    EMPLOYEES_OWN,
    READOUT,
    RECOMMENDATIONS,
    UNTOLD_KIND,
    UNTOLD_RULES,
    USER_SEGMENTS,
    AccessError,
    ForbiddenError,
    Role,
    UnavailableError,
    Viewer,
    refuse_unseen,
)
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.segments.tables.labels import UNKNOWN
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import published_path, quoted

_IDS: Final = ("user_id", "manager_id", "labelled_by", "employee_dim_key", "license_dim_key")
"""Columns that hold a person's id, alone or with more."""

_OTHERS: Final = ("manager_id", "labelled_by")
"""Of these the columns that may hold the id of somebody of another tenant."""

_IN_CLEAR: Final = ("email", "name")
"""Columns that name a person in other words than an id."""

_STARTS: Final = "intervention_starts"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for.

    Args:
        command: As what it is written down: the command, or the path over HTTP.
        tables: Own names of tables.
        day: Only rows of this day (of tables of months: of its month; of versions: valid then).
        is_latest: Only rows of the latest day that the viewer has of each table (of versions: those
            that are valid today). `day` goes before it.
        first: How many rows of each table to leave out before the first.
        most: How many rows of each table at most; None for all.
        is_clear: Whether ids, names and addresses stand in clear where the role has hashes.
        reason: Why; needed for ids in clear.
    """

    command: str
    tables: tuple[str, ...]
    day: date | None = None
    _: KW_ONLY
    is_latest: bool = False
    first: int = 0
    most: int | None = None
    is_clear: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Page:
    """Rows of a table as the viewer may see them, the latest first, and how many there are."""

    rows: pl.DataFrame
    total: int


@contextmanager
def opened_copy(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the published copy that is there now.

    Raises:
        UnavailableError: There is none.
    """
    path = published_path(warehouse)
    if not path.exists():
        raise UnavailableError(
            f"Nothing is published beside {warehouse}. Compute days with `harvey run`."
        )
    # Opened by its path, DuckDB would give the file that has had the name before for as long as
    # another connection of this process reads that. Attaching looks at the name anew.
    # One thread leaves the processors to whoever runs, or is served, beside it.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"attach {quoted(path)} as published (read_only)")
        connection.execute("use published")
        yield connection


def today_utc() -> date:
    """The day that it is now, UTC."""
    return datetime.now(UTC).date()


def read_as(
    copy: duckdb.DuckDBPyConnection,
    viewer: Viewer,
    wanted: Wanted,
    *,
    log: Path,
    secret: Callable[[], str],
    today: date,
) -> dict[str, Page]:
    """Rows of tables as a viewer may see them, by the tables' own names.

    What `it_hr` reads is written down in the log before it is returned.

    Args:
        copy: A connection to the published copy.
        viewer: Who looks.
        wanted: What at.
        log: The account of reads.
        secret: Gives what pseudonyms are made with; called only where they are needed.
        today: The day on which a manager's users are theirs.

    Raises:
        ForbiddenError: The role does not see one of the tables, or no ids in clear.
        UnavailableError: A table was not computed, or the log cannot be written.
        AccessError: Ids in clear are wanted without a reason.
        SettingsError: Pseudonyms are needed, and the secret is not set.
    """
    for name in wanted.tables:
        refuse_unseen(viewer.role, name)
    _refuse_clear(viewer, wanted)
    is_hashed = viewer.role is Role.IT_HR and not wanted.is_clear
    hash_secret = secret() if is_hashed else ""
    there = _tables_there(copy)
    pages = {}
    for name in wanted.tables:
        if viewer.role in AGGREGATED:
            page = _read_aggregate(copy, viewer, wanted, name, there)
        else:
            page = _read_rows(copy, viewer, wanted, name, there, today)
        pages[name] = _hashed(page, viewer, hash_secret) if is_hashed else page
    if viewer.role is Role.IT_HR:
        write_down(log, _entry(viewer, wanted, pages))
    return pages


def tables_there(copy: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> tuple[str, ...]:
    """Those of some tables that the copy has."""
    there = _tables_there(copy)
    return tuple(name for name in tables if name in there)


def knows_tenant(copy: duckdb.DuckDBPyConnection, tenant: str) -> bool:
    """Whether the copy has a user with a segment, or an employee, of a tenant."""
    placed = _placed(_tables_there(copy))
    query = f"select count(*) from ({placed}) where tenant_id = $tenant"
    [(count,)] = copy.execute(query, {"tenant": tenant}).fetchall()
    return bool(count)


def _refuse_clear(viewer: Viewer, wanted: Wanted) -> None:
    if not wanted.is_clear:
        return
    if viewer.role is not Role.IT_HR:
        raise ForbiddenError(f"The role {viewer.role} has no hashes that could be shown in clear.")
    if not (wanted.reason or "").strip():
        raise AccessError("Ids in clear are shown for a reason only; give one.")


def _entry(viewer: Viewer, wanted: Wanted, pages: Mapping[str, Page]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "tenant_id": viewer.tenant_id,
        "day": "latest" if wanted.is_latest else None,
        "first": wanted.first,
        "most": wanted.most,
    }
    if wanted.day is not None:
        chosen["day"] = str(wanted.day)
    return {
        "as": viewer.user_id,
        "role": viewer.role.value,
        "command": wanted.command,
        "tables": list(wanted.tables),
        "filter": {name: value for name, value in chosen.items() if value is not None},
        "rows": sum(page.rows.height for page in pages.values()),
        "is_clear": wanted.is_clear,
        "reason": wanted.reason,
    }


def _hashed(page: Page, viewer: Viewer, secret: str) -> Page:
    """The page with pseudonyms instead of ids, and nothing else that names a person."""
    rows = page.rows

    def pseudonym(value: str) -> str:
        # An empty text is what stands where nobody is told.
        return user_hash(secret, viewer.tenant_id, value) if value else value

    for name in _IDS:
        if name in rows.columns:
            values = rows[name].unique().drop_nulls().to_list()
            known = {value: pseudonym(value) for value in values}
            rows = rows.with_columns(
                pl.col(name).replace_strict(known, default=None, return_dtype=pl.String)
            )
    named = [name for name in _IN_CLEAR if name in rows.columns]
    return Page(
        rows.with_columns(pl.lit(None, pl.String).alias(name) for name in named), page.total
    )


# --- aggregates ----------------------------------------------------------------------------------


def _read_aggregate(
    copy: duckdb.DuckDBPyConnection,
    viewer: Viewer,
    wanted: Wanted,
    name: str,
    there: set[str],
) -> Page:
    """All of the tenant's rows are read, for what one hides depends on the others."""
    _refuse_missing(name, there)
    frames = {}
    for other in READ_WITH[name]:
        table = TABLES[other]
        if other in there:
            condition, values = _of_tenant(table, viewer.tenant_id, there)
            query = f"select {_listed(table)} from {table} where {condition} {_order(table)}"
            frames[other] = _run(copy, query, values, there).pl()
        else:
            frames[other] = table.empty().collect()
    rows = anonymise(name, frames)
    table = TABLES[name]
    if wanted.day is not None:
        day = wanted.day.replace(day=1) if table.is_monthly else wanted.day
        rows = rows.filter(pl.col(table.day_column or "") == day)
    elif wanted.is_latest:
        rows = rows.filter(pl.col(table.day_column or "") == pl.col(table.day_column or "").max())
    return Page(rows.slice(wanted.first, wanted.most), rows.height)


# --- rows ----------------------------------------------------------------------------------------


def _read_rows(
    copy: duckdb.DuckDBPyConnection,
    viewer: Viewer,
    wanted: Wanted,
    name: str,
    there: set[str],
    today: date,
) -> Page:
    _refuse_missing(name, there)
    table = TABLES[name]
    condition, values = _of_tenant(table, viewer.tenant_id, there)
    shown = _listed(table)
    if viewer.role is Role.MANAGER:
        _refuse_missing(EMPLOYEES, there)
        shown = f"{shown}, employee_name as name"
        table_read = f"(select * from {table} join ({_TEAM}) team using (user_id))"
        values |= {"person": viewer.user_id, "today": today}
    else:
        table_read = str(table)
    if viewer.role is Role.EMPLOYEE:
        condition, shown = f"{condition} and user_id = $person", _own_columns(table)
        values |= {"person": viewer.user_id}
        if name == RECOMMENDATIONS:
            condition = f"{condition} and rule_id not in {UNTOLD_RULES}"
    if viewer.role is Role.IT_HR:
        shown = ", ".join(_guarded(column) for column in table.polars_schema)
        values |= {"tenant": viewer.tenant_id}
    if wanted.day is not None:
        condition = f"{condition} and {_on_day(table)}"
        values |= {"day": wanted.day}
    elif wanted.is_latest and table.day_column is not None:
        last = f"(select max({table.day_column}) from {table_read} where {condition})"
        condition = f"{condition} and {table.day_column} = {last}"
    elif wanted.is_latest:
        condition = f"{condition} and {_on_day(table)}"
        values |= {"day": today}
    [(total,)] = _run(
        copy, f"select count(*) from {table_read} where {condition}", values, there
    ).fetchall()
    limit = "" if wanted.most is None else f"limit {wanted.most:d}"
    rows = _run(
        copy,
        f"select {shown} from {table_read} where {condition} {_order(table)} {limit} "
        f"offset {wanted.first:d}",
        values,
        there,
    ).pl()
    return Page(rows, total)


_TEAM: Final = (
    f"select user_id, any_value(name) as employee_name from {TABLES[EMPLOYEES]} "
    "where manager_id = $person and $today between effective_start_date and effective_end_date "
    "group by user_id"
)
"""The users whose manager the person is today, with their names."""


def _run(
    copy: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any], there: set[str]
) -> duckdb.DuckDBPyRelation:
    """A query with what it names of the values, and of where people are placed."""
    used = {name: value for name, value in values.items() if f"${name}" in query}
    placed = f"with placed as materialized ({_placed(there)})" if "from placed" in query else ""
    return copy.sql(f"{placed} {query}", params=used)


def _own_columns(table: Table) -> str:
    if table.own_name != USER_SEGMENTS:
        return _listed(table)
    kind = f"case when sub_segment <> '{UNTOLD_KIND}' then sub_segment end as sub_segment"
    return ", ".join(kind if name == "sub_segment" else name for name in EMPLOYEES_OWN)


def _guarded(column: str) -> str:
    """A column as it is; the id of somebody whom only other tenants have is null."""
    if column not in _OTHERS:
        return _name(column)
    return (
        f"case when {column} not in (select user_id from placed where tenant_id <> $tenant) "
        f"or {column} in (select user_id from placed where tenant_id = $tenant) "
        f"then {column} end as {column}"
    )


# --- the filter ----------------------------------------------------------------------------------


def _of_tenant(table: Table, tenant: str, there: set[str]) -> tuple[str, dict[str, Any]]:
    """A condition, with its values: a row is of a tenant.

    Rows that name no tenant are those of people whom something places in this tenant, and nothing
    in another one. The read-out of experiments is of all tenants together: of a tenant are the
    months in which only its people took part.
    """
    columns = table.polars_schema
    own = (
        "user_id in (select user_id from placed group by user_id "
        "having bool_and(tenant_id = $tenant))"
    )
    if table.own_name == READOUT:
        _refuse_missing(_STARTS, there)
        starts = TABLES[_STARTS]
        condition = (
            f"activity_month in (select date_trunc('month', date)::date from {starts} "
            f"group by all having bool_and({own}))"
        )
    elif table.own_name == EMPLOYEES:
        condition = f"(tenant_id = $tenant or (tenant_id is null and {own}))"
    elif "tenant_id" in columns:
        condition = "tenant_id = $tenant"
    elif "user_id" in columns:
        condition = own
    else:
        condition = "false"
    return condition, ({"tenant": tenant} if "$tenant" in condition else {})


def _placed(there: set[str]) -> str:
    """A query: which tenants people are placed in, by their segments and as employees."""
    parts = [
        f"select distinct user_id, tenant_id from {TABLES[name]} "
        f"where tenant_id is not null and tenant_id <> '{UNKNOWN}'"
        for name in (USER_SEGMENTS, EMPLOYEES)
        if name in there
    ]
    return " union ".join(parts) or "select '' as user_id, '' as tenant_id where false"


def _on_day(table: Table) -> str:
    if table.is_monthly:
        return f"{table.day_column} = date_trunc('month', $day)"
    if table.day_column is not None:
        return f"{table.day_column} = $day"
    return "$day between effective_start_date and effective_end_date"


def _order(table: Table) -> str:
    """The latest first, then by the key."""
    keys = [_name(name) for name in table.key if name != table.day_column]
    latest = [f"{table.day_column} desc"] if table.day_column else []
    return f"order by {', '.join(latest + keys)}"


def _listed(table: Table) -> str:
    """The declared columns: what else a copy may have is not shown."""
    return ", ".join(_name(name) for name in table.polars_schema)


def _name(column: str) -> str:
    return f'"{column}"'


def _refuse_missing(name: str, there: set[str]) -> None:
    if name not in there:
        raise UnavailableError(f"{TABLES[name]} was not computed. Compute days with `harvey run`.")


def _tables_there(copy: duckdb.DuckDBPyConnection) -> set[str]:
    """Own names of the subject's tables that the copy has."""
    found = copy.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = current_database()"
    ).fetchall()
    names = {name for (name,) in found}
    return {own for own, table in TABLES.items() if table.name in names}
