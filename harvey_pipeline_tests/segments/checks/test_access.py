"""The checks of the use of apps: each fails for what it is there for, and for nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest

from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.definitions import check_plans, tables_of
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.checks.access import CHECKS, cycles_of
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.segments.tables.access import DIM_EMPLOYEE, USER_DAILY_ACCESS
from harvey_pipeline.segments.transforms.access import SSO_SUMS, sum_access
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
from harvey_pipeline_tests.builders import csv_text, landing_file, raw_store
from harvey_pipeline_tests.segments.parts import SUBJECTS
from harvey_pipeline_tests.segments.signins import DAY, Row, queries

PLANS = {plan.table.name: plan for plan in check_plans(SUBJECTS)}
ACTIVITY = tables_of(SUBJECTS)["core.user_daily_activity"]

NEXT = DAY + timedelta(days=1)
DAYS = DayRange(DAY, NEXT)
HEADER = "event_id,published,tenant_id,actor_id,outcome,target_id,device,session_minutes"
SIGN_INS = {
    DAY: (
        f"e1,{DAY} 09:00,f1,u1,success,mail,Phone,30",
        f"e2,{DAY} 09:05,f1,u1,failure,mail,Laptop,",
        f"e3,{DAY} 09:10,f1,u1,success,vault,Phone,",
        f"e4,{DAY} 09:10,f2,u2,success,chat,,",
    ),
    NEXT: (
        # Late ones of the day before: one is new, one comes again and is worth nothing.
        f"e5,{DAY} 23:00,f1,u1,success,mail,Phone,",
        f"e1,{DAY} 09:00,f1,u1,failure,mail,Phone,30",
        f"e6,{NEXT} 08:00,f1,u2,failure,,,",
    ),
}


@dataclass(frozen=True)
class Office:
    """A warehouse with two days of use, and what its checks say of it."""

    store: RawStore

    @property
    def warehouse(self) -> Warehouse:
        return self.store.warehouse

    def failing(self, table: str = USER_DAILY_ACCESS.name) -> dict[str, dg.AssetCheckResult]:
        results = evaluate_days(PLANS[table], self.warehouse, self.store, DAYS)
        return {str(one.check_name): one for one in results if not one.passed}

    def use(self, activity: Sequence[Row]) -> None:
        """Write the queries of both days, and the use of apps that follows from them."""
        used = pl.LazyFrame(activity, schema=ACTIVITY.polars_schema)
        sso = self.store.sums(SSO_SUMS, DayRange(DAY, NEXT))
        self.warehouse.write({ACTIVITY: used}, DAYS)
        access = sum_access(used, sso, DAYS.days)
        self.warehouse.write({USER_DAILY_ACCESS: Pieces(access)}, DAYS)

    def employ(self, *versions: tuple[str, str | None, date, date]) -> None:
        """Write `dim_employee`: who, under whom, from and until when."""
        rows = [
            {
                "employee_dim_key": f"{user}_{first:%Y%m%d}",
                "user_id": user,
                "manager_id": manager,
                "effective_start_date": first,
                "effective_end_date": last,
                "is_current": last.year == 9999,
            }
            for user, manager, first, last in versions
        ]
        columns = {name: [row.get(name) for row in rows] for name in DIM_EMPLOYEE.polars_schema}
        frame = pl.LazyFrame(columns, schema=DIM_EMPLOYEE.polars_schema)
        self.warehouse.write({DIM_EMPLOYEE: frame}, DAYS)

    def spoil(self, *statements: str) -> None:
        with duckdb.connect(self.warehouse.database) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    for day, lines in SIGN_INS.items():
        landing_file(tmp_path, f"sso_events/{day}.csv", csv_text(HEADER, *lines))
    office = Office(raw_store(tmp_path))
    office.store.ingest(SSO_EVENTS, DAYS)
    office.use(
        [
            queries(2, 1, 0, seconds=1000),
            queries(0, 3, 0, user="u2", firm="f2", seconds=1),
            queries(1, 0, 0, day=NEXT),
        ]
    )
    return office


def assert_fails(
    office: Office,
    check: str,
    *,
    naming: str,
    days: Sequence[date] = (DAY,),
    severity: dg.AssetCheckSeverity = ERROR,
    table: str = USER_DAILY_ACCESS.name,
) -> None:
    result = office.failing(table)[check]
    assert result.severity == severity
    assert result.metadata["failing_days"].value == [str(day) for day in days]
    assert naming in str(result.metadata["examples"].value)


def test_of_what_is_sound_nothing_fails(office: Office) -> None:
    assert office.failing() == {}
    # The late event counts, the one that comes again does not.
    found = office.warehouse.query(
        "select app, accesses, auth_successes, auth_failures, devices from "
        f"{USER_DAILY_ACCESS} where date = '{DAY}' and user_id = 'u1' "
        "and app in ('mail', 'sign_in') order by app"
    )
    assert found == [("mail", 2, 2, 1, ["Laptop", "Phone"]), ("sign_in", 0, 1, 0, ["Phone"])]


def test_of_nothing_nothing_fails(tmp_path: Path) -> None:
    office = Office(raw_store(tmp_path))
    office.store.ingest(SSO_EVENTS, DAYS)
    office.use([])
    assert office.failing() == {}


def test_which_checks_hold_back_what_follows() -> None:
    blocking = {check.name for one in CHECKS for check in one.checks if check.is_blocking}
    assert blocking == {
        "event_rows_are_conserved",
        "accesses_agree_with_events",
        "active_time_is_conserved",
    }


@pytest.mark.parametrize(
    ("change", "where", "checks"),
    [
        pytest.param(
            "auth_failures = auth_failures + 1",
            "app = 'mail'",
            {"event_rows_are_conserved": "auth_failures"},
            id="a failed sign-in too many",
        ),
        pytest.param(
            "auth_successes = 0",
            "app = 'sign_in'",
            {"event_rows_are_conserved": "auth_successes"},
            id="a sign-in too few",
        ),
        pytest.param(
            "accesses = 3, auth_successes = 3",
            "app = 'mail'",
            {
                "event_rows_are_conserved": "auth_successes",
                "accesses_agree_with_events": "other_accesses",
            },
            id="an access too many",
        ),
        pytest.param(
            "accesses = 1",
            "app = 'assistant'",
            {"accesses_agree_with_events": "assistant_accesses"},
            id="a query too few",
        ),
        pytest.param(
            "active_seconds = active_seconds + 1",
            "app = 'vault' and user_id = 'u2'",
            {"active_time_is_conserved": "361"},
            id="a second too many",
        ),
        pytest.param(
            "user_id = 'u3'",
            "app = 'vault' and user_id = 'u2'",
            {"active_time_is_conserved": "u3"},
            id="another user",
        ),
    ],
)
def test_sums_that_do_not_agree_are_told(
    office: Office, change: str, where: str, checks: dict[str, str]
) -> None:
    office.spoil(f"update {USER_DAILY_ACCESS} set {change} where date = '{DAY}' and {where}")
    failing = office.failing()
    assert {name for name in failing if name in {check.name for check in CHECKS[0].checks}} == set(
        checks
    )
    for check, naming in checks.items():
        assert_fails(office, check, naming=naming)


def test_a_row_that_breaks_the_schema_is_told(office: Office) -> None:
    office.spoil(
        f"update {USER_DAILY_ACCESS} set devices = ['a', 'b'] where app = 'chat'",
        f"update {USER_DAILY_ACCESS} set auth_successes = 9 where app = 'assistant'",
    )
    told = str(office.failing()["schema_holds"].description)
    assert "lists_are_short: 1 row" in told
    assert "accesses_are_authorised: 2 rows" in told


@pytest.mark.parametrize(("untimed", "is_failing"), [(9, False), (10, True)])
def test_dates_without_times_are_told(office: Office, untimed: int, is_failing: bool) -> None:
    # Of ten users with two queries 9 are 90 %, which is not over it; of one query nothing is said.
    activity = [queries(2, seconds=0 if n < untimed else 1, user=f"u{n}") for n in range(10)]
    office.use([*activity, queries(1, user="u11"), queries(1, day=NEXT)])
    if is_failing:
        assert_fails(office, "sessions_can_be_timed", naming="10", severity=WARN)
    else:
        assert office.failing() == {}


def test_users_of_whom_no_employee_is_known_are_told(office: Office) -> None:
    open_end = date(9999, 12, 31)
    office.employ(("u1", None, DAY, open_end), ("u2", "u1", NEXT, open_end))
    assert_fails(office, "employees_are_known", naming="u2", severity=WARN)
    # A version that has ended was known all the same.
    before = DAY - timedelta(days=9)
    office.employ(("u1", None, before, before), ("u2", "u1", before, open_end))
    assert office.failing() == {}


def test_before_the_first_day_of_employees_nobody_has_to_be_one(office: Office) -> None:
    open_end = date(9999, 12, 31)
    office.employ(("u1", None, NEXT, open_end), ("u2", None, NEXT, open_end))
    assert office.failing() == {}


def test_managers_who_are_their_own_are_told(office: Office) -> None:
    open_end = date(9999, 12, 31)
    tree = [("u1", None, DAY, open_end), ("u2", "u1", DAY, open_end)]
    office.employ(*tree, ("u3", "u2", DAY, open_end))
    assert office.failing(DIM_EMPLOYEE.name) == {}
    # A version that ended before the last day has no say.
    office.employ(*tree, ("u3", "u3", DAY, DAY), ("u3", "u2", NEXT, open_end))
    assert office.failing(DIM_EMPLOYEE.name) == {}
    office.employ(*tree, ("u3", "u4", DAY, open_end), ("u4", "u3", DAY, open_end))
    assert_fails(
        office,
        "hierarchy_has_no_cycles",
        naming="u4",
        days=[NEXT],
        severity=WARN,
        table=DIM_EMPLOYEE.name,
    )


@pytest.mark.parametrize(
    ("managers", "expected"),
    [
        ({}, []),
        ({"a": "b"}, []),
        ({"a": "a"}, ["a"]),
        ({"a": "b", "b": "a"}, ["a", "b"]),
        ({"a": "b", "b": "c", "c": "d"}, []),
        ({"a": "b", "b": "c", "c": "b"}, ["b", "c"]),
        ({"a": "b", "b": "c", "c": "a", "d": "a", "e": "f"}, ["a", "b", "c"]),
        ({f"p{n:03}": f"p{n + 1:03}" for n in range(300)}, []),
        (
            {f"p{n:03}": f"p{(n + 1) % 300:03}" for n in range(300)},
            [f"p{n:03}" for n in range(300)],
        ),
    ],
    ids=["nobody", "one", "self", "two", "chain", "led into", "among others", "long", "round"],
)
def test_who_is_on_a_cycle(managers: dict[str, str], expected: list[str]) -> None:
    rows = pl.DataFrame(
        {"user_id": list(managers), "manager_id": list(managers.values())},
        schema={"user_id": pl.String, "manager_id": pl.String},
    )
    assert cycles_of(rows)["user_id"].to_list() == expected
