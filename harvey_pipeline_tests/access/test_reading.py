"""What each role gets, row by row, over a copy with two tenants."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.access.audit import write_down
from harvey_pipeline.access.kept import locked
from harvey_pipeline.access.reading import Page, Wanted, opened_copy, read_as, tables_there
from harvey_pipeline.access.roles import (
    AccessError,
    ForbiddenError,
    Role,
    UnavailableError,
    Viewer,
    tables_of,
)
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.settings import SettingsError, read_hash_secret
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.access.copies import (
    EARLIER,
    MONDAY,
    TODAY,
    employee,
    publish_rows,
    rows_of_tenant,
    segment,
    two_tenants,
)
from harvey_pipeline_tests.reports.warehouses import make_table

SECRET = "pepper"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_rows(tmp_path_factory.mktemp("copy"), two_tenants())


@pytest.fixture(scope="module")
def copy(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened_copy(warehouse) as connection:
        yield connection


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access_log.jsonl"


def read(
    copy: duckdb.DuckDBPyConnection,
    viewer: Viewer,
    table: str,
    log: Path,
    today: date = TODAY,
    **wanted: Any,
) -> Page:
    asked = Wanted("test", (table,), **wanted)
    return read_as(copy, viewer, asked, log=log, secret=lambda: SECRET, today=today)[table]


def who(page: Page) -> list[tuple[date, str]]:
    return page.rows.select("date", "user_id").rows()


MANAGER = Viewer(Role.MANAGER, "t1", "t1-m")
EMPLOYEE = Viewer(Role.EMPLOYEE, "t1", "t1-a")
IT = Viewer(Role.IT_HR, "t1", "t1-it")
CEO = Viewer(Role.CEO, "t1")
FINANCE = Viewer(Role.FINANCE, "t1")


# --- aggregates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("viewer", "tables"),
    [
        (CEO, ("segmentation_dashboard", "roi_summary", "stability", "ab_readout")),
        (FINANCE, ("license_opportunities", "roi_summary")),
    ],
)
def test_ceo_and_finance_see_their_tenants_aggregates(
    copy: duckdb.DuckDBPyConnection, log: Path, viewer: Viewer, tables: tuple[str, ...]
) -> None:
    assert tables_of(viewer.role) == tables
    for table in tables:
        page = read(copy, viewer, table, log)
        assert page.total == page.rows.height == 1
        assert page.rows.columns == list(TABLES[table].polars_schema)
        if table != "ab_readout":
            assert page.rows["tenant_id"].to_list() == ["t1"]
    assert not log.exists()


def test_figures_of_few_are_hidden_from_them_alone(tmp_path: Path, log: Path) -> None:
    tables = rows_of_tenant("t1")
    tables["segmentation_dashboard"][0] |= {"new_users": 3}
    with opened_copy(publish_rows(tmp_path, tables)) as own:
        assert read(own, CEO, "segmentation_dashboard", log).rows["new_users"].to_list() == [None]
        assert read(own, IT, "segmentation_dashboard", log).rows["new_users"].to_list() == [3]


def test_experiments_are_of_months_in_which_only_the_tenant_took_part(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    months = read(copy, CEO, "ab_readout", log).rows["activity_month"].to_list()
    assert months == [date(2024, 4, 1)]
    assert read(copy, Viewer(Role.CEO, "t2"), "ab_readout", log).total == 0
    assert read(copy, IT, "ab_readout", log).total == 1


# --- managers ------------------------------------------------------------------------------------


def test_a_manager_sees_the_users_who_are_theirs_today_by_name(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    page = read(copy, MANAGER, "user_segments", log)
    assert who(page) == [(MONDAY, "t1-a"), (MONDAY, "t1-b"), (EARLIER, "t1-a")]
    assert page.rows["name"].to_list() == ["Name of t1-a", "Name of t1-b", "Name of t1-a"]
    assert page.rows.columns == [*TABLES["user_segments"].polars_schema, "name"]
    advice = read(copy, MANAGER, "recommendations", log).rows
    assert advice.select("user_id", "rule_id").rows() == [
        ("t1-a", "check_in"),
        ("t1-a", "onboarding"),
        ("t1-a", "review_licence"),
    ]


def test_a_version_that_has_ended_gives_a_manager_nothing(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    manager = Viewer(Role.MANAGER, "t1", "t1-n")
    assert who(read(copy, manager, "user_segments", log)) == [(MONDAY, "t1-c")]
    # In 2023 b was theirs, and c had no version yet; its rows are shown whatever their day.
    in_2023 = read(copy, manager, "user_segments", log, today=date(2023, 6, 1))
    assert who(in_2023) == [(MONDAY, "t1-b")]


@pytest.mark.parametrize("person", ["t1-a", "t2-m", "nobody", "' or true --"])
def test_who_manages_nobody_sees_nobody(
    copy: duckdb.DuckDBPyConnection, log: Path, person: str
) -> None:
    page = read(copy, Viewer(Role.MANAGER, "t1", person), "user_segments", log)
    assert (page.total, page.rows.height) == (0, 0)


def test_a_manager_of_two_tenants_sees_those_of_the_one_asked_for(
    tmp_path: Path, log: Path
) -> None:
    tables = {
        "dim_employee": [employee("u", "t1", "m"), employee("v", "t2", "m")],
        "user_segments": [segment("u", "t1"), segment("v", "t2")],
    }
    with opened_copy(publish_rows(tmp_path, tables)) as own:
        for tenant, user in (("t1", "u"), ("t2", "v")):
            viewer = Viewer(Role.MANAGER, tenant, "m")
            assert who(read(own, viewer, "user_segments", log)) == [(MONDAY, user)]


# --- employees -----------------------------------------------------------------------------------


def test_an_employee_sees_some_columns_of_own_rows_and_is_not_told_to_be_at_risk(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    rows = read(copy, EMPLOYEE, "user_segments", log).rows
    assert rows.columns == [
        *("date", "segment", "sub_segment", "engagement_score", "percentile", "trend"),
        "evidence",
    ]
    assert rows.select("date", "sub_segment").rows() == [
        (MONDAY, None),
        (EARLIER, "Occasional"),
    ]
    assert rows["evidence"].to_list() == [["Few days."], []]


def test_an_employee_gets_no_advice_that_is_for_others(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    page = read(copy, EMPLOYEE, "recommendations", log)
    assert page.rows.select("user_id", "rule_id").rows() == [("t1-a", "onboarding")]
    other = Viewer(Role.EMPLOYEE, "t2", "t1-a")
    assert read(copy, other, "recommendations", log).total == 0
    assert read(copy, other, "user_segments", log).total == 0


# --- IT and HR -----------------------------------------------------------------------------------


def test_it_sees_all_tables_of_the_tenant_by_hashes(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    assert set(tables_of(Role.IT_HR)) == set(TABLES)
    assert set(tables_there(copy, tables_of(Role.IT_HR))) == set(two_tenants())
    own = rows_of_tenant("t1")
    for table, rows in own.items():
        # Nothing tells who else than t1-d's own rows name its tenant.
        expected = 1 if table == "ab_readout" else len(rows) + (table == "intervention_starts")
        page = read(copy, IT, table, log)
        assert page.total == page.rows.height == expected, table
        shown = page.rows.write_json()
        assert "t1-" not in shown, table
        assert "t2" not in shown, table
        assert "@" not in shown, table
        assert "Name of" not in shown, table


def test_hashes_are_those_of_the_tenant_and_clear_ones_need_a_reason(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    hashed = read(copy, IT, "user_segments", log, day=EARLIER)
    assert hashed.rows["user_id"].to_list() == [user_hash(SECRET, "t1", "t1-a")]
    clear = read(copy, IT, "user_segments", log, day=EARLIER, is_clear=True, reason="ticket 7")
    assert clear.rows["user_id"].to_list() == ["t1-a"]
    labels = read(copy, IT, "labels", log).rows
    assert labels["labelled_by"].to_list() == [user_hash(SECRET, "t1", "t1-m"), ""]
    employees = read(copy, IT, "dim_employee", log, is_clear=True, reason="ticket 7").rows
    assert "t1-a@example.com" in employees["email"].to_list()
    for reason in (None, " "):
        with pytest.raises(AccessError, match="reason"):
            read(copy, IT, "user_segments", log, is_clear=True, reason=reason)
    for viewer in (CEO, FINANCE, MANAGER, EMPLOYEE):
        with pytest.raises(ForbiddenError, match="no hashes"):
            read(copy, viewer, tables_of(viewer.role)[0], log, is_clear=True, reason="ticket 7")


def test_without_a_secret_only_hashes_fail(copy: duckdb.DuckDBPyConnection, log: Path) -> None:
    def secret() -> str:
        return read_hash_secret({})

    def attempt(viewer: Viewer, **wanted: Any) -> int:
        asked = Wanted("test", ("user_segments",), **wanted)
        pages = read_as(copy, viewer, asked, log=log, secret=secret, today=TODAY)
        return pages["user_segments"].total

    with pytest.raises(SettingsError, match="HARVEY_HASH_SECRET is not set"):
        attempt(IT)
    assert not log.exists()
    assert attempt(IT, is_clear=True, reason="ticket 7") == 5
    assert attempt(MANAGER) == 3
    assert attempt(EMPLOYEE) == 2


def test_ids_of_people_of_other_tenants_are_left_out(tmp_path: Path, log: Path) -> None:
    tables = {
        "user_segments": [segment("u", "t1"), segment("boss", "t2"), segment("own", "t1")],
        "dim_employee": [
            employee("u", "t1", "boss"),
            employee("own", "t1", "outside"),
            employee("moved", "t1", "own"),
            employee("moved", "t2", "own", effective_start_date=date(2023, 1, 1)),
        ],
        "labels": [
            {"date": EARLIER, "user_id": "u", "labelled_by": "boss"},
            {"date": EARLIER, "user_id": "moved", "labelled_by": "own"},
            {"date": EARLIER, "user_id": "unknown", "labelled_by": "own"},
        ],
    }
    with opened_copy(publish_rows(tmp_path, tables)) as own:
        clear: dict[str, Any] = {"is_clear": True, "reason": "ticket 7"}
        rows = read(own, IT, "dim_employee", log, **clear).rows
        assert rows.select("user_id", "manager_id").rows() == [
            ("moved", "own"),
            ("own", "outside"),
            ("u", None),
        ]
        # A label of somebody who is, or was, in another tenant too is of neither.
        assert read(own, IT, "labels", log, **clear).rows.select(
            "user_id", "labelled_by"
        ).rows() == [("u", None)]


# --- the account ---------------------------------------------------------------------------------


def test_what_it_reads_is_written_down(copy: duckdb.DuckDBPyConnection, log: Path) -> None:
    asked = Wanted("harvey segments", ("labels", "user_segments"), most=3, reason="audit")
    read_as(copy, IT, asked, log=log, secret=lambda: SECRET, today=TODAY)
    [line] = [json.loads(line) for line in log.read_text().splitlines()]
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "as": "t1-it",
        "role": "it_hr",
        "command": "harvey segments",
        "tables": ["labels", "user_segments"],
        "filter": {"tenant_id": "t1", "first": 0, "most": 3},
        "rows": 5,
        "is_clear": False,
        "reason": "audit",
    }
    assert log.stat().st_mode & 0o777 == 0o600


def test_nothing_is_shown_that_cannot_be_written_down(
    copy: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(UnavailableError, match="nothing is shown"):
        read(copy, IT, "labels", tmp_path / "missing" / "access_log.jsonl")


def test_a_torn_line_does_not_swallow_the_next(copy: duckdb.DuckDBPyConnection, log: Path) -> None:
    log.write_text('{"time": "2024')
    read(copy, IT, "labels", log)
    read(copy, IT, "labels", log)
    torn, *lines = log.read_text().splitlines()
    assert torn == '{"time": "2024'
    assert [json.loads(line)["rows"] for line in lines] == [2, 2]


def test_a_line_is_not_lost_where_the_log_is_replaced_meanwhile(tmp_path: Path) -> None:
    log = tmp_path / "access_log.jsonl"
    is_over = threading.Event()

    def replace() -> None:
        """What takes people out does: reads the lines, and puts others in their place."""
        while not is_over.is_set():
            with locked(log):
                text = log.read_bytes() if log.exists() else b""
                log.with_suffix(".next").write_bytes(text)
                log.with_suffix(".next").replace(log)

    replacing = threading.Thread(target=replace)
    replacing.start()
    for number in range(50):
        write_down(log, {"number": number})
    is_over.set()
    replacing.join()
    lines = [json.loads(line)["number"] for line in log.read_text().splitlines()]
    assert lines == list(range(50))


# --- refusals, days and pages --------------------------------------------------------------------


def test_every_role_is_refused_what_it_does_not_see(
    copy: duckdb.DuckDBPyConnection, log: Path
) -> None:
    for viewer in (CEO, FINANCE, MANAGER, EMPLOYEE):
        for table in set(TABLES) - set(tables_of(viewer.role)):
            with pytest.raises(ForbiddenError, match=f"{viewer.role} does not see {table}"):
                read(copy, viewer, table, log)
    for table in ("quarantine", "segments.user_segments", "user_segments; drop"):
        with pytest.raises(ForbiddenError):
            read(copy, IT, table, log)
    assert not log.exists()


@pytest.mark.parametrize("tenant", ["all", "unknown", "", " "])
def test_what_is_no_tenant_is_refused(tenant: str) -> None:
    with pytest.raises(AccessError, match="is no tenant"):
        Viewer(Role.CEO, tenant)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.IT_HR, Role.EMPLOYEE])
def test_roles_of_people_need_a_person(role: Role) -> None:
    for person in (None, ""):
        with pytest.raises(AccessError, match="is a person's"):
            Viewer(role, "t1", person)


def test_days_choose_days_months_and_versions(copy: duckdb.DuckDBPyConnection, log: Path) -> None:
    def total(viewer: Viewer, table: str, day: date) -> int:
        return read(copy, viewer, table, log, day=day).total

    assert total(MANAGER, "user_segments", EARLIER) == 1
    assert total(CEO, "segmentation_dashboard", MONDAY) == 1
    assert total(CEO, "segmentation_dashboard", EARLIER) == 0
    assert total(CEO, "stability", date(2024, 5, 20)) == 1
    assert total(IT, "stability", date(2024, 5, 20)) == 1
    assert total(CEO, "stability", MONDAY) == 0
    assert total(IT, "dim_employee", date(2023, 6, 1)) == 1
    assert total(IT, "dim_employee", MONDAY) == 5


@pytest.mark.parametrize(("viewer", "table"), [(MANAGER, "user_segments"), (CEO, "roi_summary")])
def test_pages_follow_each_other(
    copy: duckdb.DuckDBPyConnection, log: Path, viewer: Viewer, table: str
) -> None:
    whole = read(copy, viewer, table, log)
    pages = [read(copy, viewer, table, log, first=first, most=1) for first in range(4)]
    assert [page.total for page in pages] == [whole.total] * 4
    assert pl.concat(page.rows for page in pages).equals(whole.rows)


def test_what_is_not_there_is_told(tmp_path: Path, log: Path) -> None:
    with pytest.raises(UnavailableError, match="harvey run"), opened_copy(tmp_path / "w.duckdb"):
        pass
    tables = rows_of_tenant("t1")
    del tables["dim_employee"], tables["roi_summary"]
    with opened_copy(publish_rows(tmp_path, tables)) as own:
        with pytest.raises(UnavailableError, match=r"segments\.dim_employee was not computed"):
            read(own, MANAGER, "user_segments", log)
        with pytest.raises(UnavailableError, match=r"segments\.roi_summary was not computed"):
            read(own, CEO, "roi_summary", log)
        assert read(own, CEO, "segmentation_dashboard", log).total == 1
        assert read(own, EMPLOYEE, "user_segments", log).total == 2


def test_a_newer_copy_is_read_while_the_older_one_is_open(tmp_path: Path, log: Path) -> None:
    warehouse = publish_rows(tmp_path, {"user_segments": [segment("t1-a", "t1")]})
    (tmp_path / "newer").mkdir()
    newer = publish_rows(tmp_path / "newer", {"user_segments": []})
    with opened_copy(warehouse) as old:
        published_path(newer).replace(published_path(warehouse))
        with opened_copy(warehouse) as new:
            assert read(new, EMPLOYEE, "user_segments", log).total == 0
        assert read(old, EMPLOYEE, "user_segments", log).total == 1


# --- no id of another tenant, whatever the rows --------------------------------------------------

_IDS = {tenant: [f"{tenant}-{n}" for n in range(4)] for tenant in ("t1", "t2", "unknown")}
_ALL = [one for ids in _IDS.values() for one in ids]
_TENANTS = st.sampled_from([*_IDS, None])
_DAYS = st.sampled_from([EARLIER, MONDAY])


@st.composite
def copies(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows in which people stay in their tenant, and managers, labels and licences go across."""
    anybody = st.sampled_from(_ALL)
    people = draw(st.lists(anybody, max_size=8, unique=True))

    def tenant_of(user: str) -> str:
        return user.rpartition("-")[0]

    return {
        "user_segments": [segment(user, tenant_of(user), date=draw(_DAYS)) for user in people],
        "engagement_scores": [
            {"date": MONDAY, "user_id": user, "tenant_id": tenant_of(user)} for user in people
        ],
        "dim_employee": [
            employee(
                user,
                draw(st.sampled_from([tenant_of(user), None]))
                if tenant_of(user) != "unknown"
                else None,
                draw(st.none() | anybody),
            )
            for user in draw(st.lists(anybody, max_size=8, unique=True))
        ],
        "labels": [
            {"date": draw(_DAYS), "user_id": user, "labelled_by": draw(anybody)}
            for user in draw(st.lists(anybody, max_size=4, unique=True))
        ],
        "dim_license": [
            {"user_id": user, "app": "crm", "license_dim_key": f"{user}_crm_20240101"}
            for user in draw(st.lists(anybody, max_size=4, unique=True))
        ],
        "intervention_starts": [
            {"date": draw(_DAYS), "user_id": user, "kind": "training"}
            for user in draw(st.lists(anybody, max_size=4, unique=True))
        ],
        "ab_readout": [
            {"activity_month": date(2024, 6, 1), "kind": kind, "segment": "all"}
            for kind in draw(st.lists(st.sampled_from(["training", "all"]), unique=True))
        ],
    }


def placed_elsewhere(tables: dict[str, list[dict[str, Any]]], tenant: str) -> set[str]:
    """People whom a row names as of another tenant than this."""
    return {
        row["user_id"]
        for name in ("user_segments", "dim_employee")
        for row in tables[name]
        if row["tenant_id"] not in (tenant, None, "unknown")
    }


@settings(max_examples=20, deadline=None)
@given(copies(), st.sampled_from(["t1", "t2"]), st.sampled_from(_ALL), st.booleans())
def test_no_answer_holds_an_id_of_another_tenant(
    tmp_path_factory: pytest.TempPathFactory,
    tables: dict[str, list[dict[str, Any]]],
    tenant: str,
    person: str,
    is_clear: bool,
) -> None:
    log = tmp_path_factory.getbasetemp() / "access_log.jsonl"
    elsewhere = placed_elsewhere(tables, tenant)
    months = {row["user_id"].rpartition("-")[0] for row in tables["intervention_starts"]}
    with duckdb.connect() as copy:
        for name, rows in tables.items():
            make_table(copy, TABLES[name], rows)
        for role in Role:
            viewer = Viewer(role, tenant, person)
            for table in tables_there(copy, tables_of(role)):
                clear: dict[str, Any] = (
                    {"is_clear": True, "reason": "x"} if is_clear and role == "it_hr" else {}
                )
                page = read(copy, viewer, table, log, **clear)
                shown = page.rows.write_json()
                assert {one for one in elsewhere if f'"{one}' in shown} == set(), (role, table)
                if role == "it_hr" and not is_clear:
                    assert {one for one in _ALL if f'"{one}' in shown} == set(), table
                if "tenant_id" in page.rows.columns:
                    assert set(page.rows["tenant_id"]) <= {tenant, None}
                if table == "ab_readout" and page.total:
                    assert months == {tenant}
