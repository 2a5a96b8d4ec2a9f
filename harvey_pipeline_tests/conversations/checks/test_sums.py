"""The checks of each day's sums: each fails for what it is there for, and for nothing else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from harvey_pipeline import engagement
from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.conversations.assets.sums import ASSETS
from harvey_pipeline.conversations.checks.sums import CHECKS
from harvey_pipeline.conversations.dimensions import DIMENSIONS
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS, SOURCES
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TABLES,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.sums import (
    SESSIONS,
    conversation_sums,
    sum_conversations,
    sum_tools,
    sum_traits,
    sum_users,
    tool_sums,
    trait_sums,
)
from harvey_pipeline.definitions import check_plans
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
from harvey_pipeline_tests.builders import landing_file, raw_store
from harvey_pipeline_tests.conversations.raw_events import CATALOGUE, DAY

SUMS = Subject(
    name="conversations",
    title="The sums of each day.",
    sources=SOURCES,
    tables=TABLES,
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
)
PLANS = {plan.table.name: plan for plan in check_plans((engagement.SUBJECT, SUMS))}

NEXT = DAY + timedelta(days=1)
DAYS = DayRange(DAY, NEXT)
RAW = CONVERSATION_EVENTS.table.name


def event(name: str, at: str, kind: str = "message", user: str = "u1", **values: Any) -> str:
    """A line of a drop."""
    columns = {"id": name, "conversation_id": f"c-{user}", "user_id": user, "timestamp": at}
    return json.dumps({**columns, "event_type": kind, **values})


EVENTS = {
    DAY: (
        event("e1", f"{DAY} 09:00", content={"message": "review the contract"}),
        event("e2", f"{DAY} 09:01", "tool_call", tool_name="search", credits_consumed=2),
        event("e3", f"{DAY} 09:02", user="u2", content={"message": "sing a song"}),
    ),
    NEXT: (
        event("e4", f"{DAY} 23:00", "tool_call", tool_name="search", success=False),
        event("e5", f"{NEXT} 08:00", content={"message": "draft a memo"}, credits_consumed=1),
    ),
}


@dataclass(frozen=True)
class Office:
    """A warehouse with two days of sums, and what its checks say of it."""

    store: RawStore

    @property
    def warehouse(self) -> Warehouse:
        return self.store.warehouse

    def failing(self, table: str) -> dict[str, dg.AssetCheckResult]:
        results = evaluate_days(PLANS[table], self.warehouse, self.store, DAYS)
        return {str(one.check_name): one for one in results if not one.passed}

    def fill(self, root: Path, more: Sequence[str] = (), day: date = NEXT) -> None:
        """Take in both drops, one of them with some more lines, and sum them up."""
        for drop, lines in EVENTS.items():
            added = more if drop == day else ()
            text = "".join(f"{line}\n" for line in (*lines, *added))
            landing_file(root, f"conversation_events/{drop}.jsonl", text)
        self.sum_up()

    def sum_up(self) -> None:
        self.store.ingest(CONVERSATION_EVENTS, DAYS)
        events = self.store.sums(conversation_sums(CATALOGUE), DAYS)
        days = DAYS.days
        of_conversations = pl.concat([CONVERSATION_DAILY.empty(), *sum_conversations(events, days)])
        for table, pieces in (
            (CONVERSATION_DAILY, sum_conversations(events, days)),
            (USER_DAILY, sum_users(of_conversations, self.store.sums(SESSIONS, DAYS), days)),
            (TOOL_DAILY, sum_tools(self.store.sums(tool_sums(CATALOGUE), DAYS), days)),
            (TRAIT_DAILY, sum_traits(self.store.sums(trait_sums(CATALOGUE), DAYS), days)),
        ):
            self.warehouse.write({table: Pieces(pieces)}, DAYS)

    def register(self, *versions: tuple[str, date, datetime]) -> None:
        """Write `dim_account`: who, from when on, and when the account was created."""
        rows = [
            {
                "account_dim_key": f"{user}_{first:%Y%m%d}",
                "user_id": user,
                "account_created_at": created,
                "effective_start_date": first,
                "effective_end_date": date(9999, 12, 31),
                "is_current": True,
            }
            for user, first, created in versions
        ]
        columns = {name: [row.get(name) for row in rows] for name in DIM_ACCOUNT.polars_schema}
        self.warehouse.write(
            {DIM_ACCOUNT: pl.LazyFrame(columns, schema=DIM_ACCOUNT.polars_schema)}, DAYS
        )

    def spoil(self, *statements: str) -> None:
        with duckdb.connect(self.warehouse.database) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(raw_store(tmp_path))


def assert_fails(
    office: Office,
    table: str,
    check: str,
    *,
    naming: str,
    days: Sequence[date] = (DAY,),
    severity: dg.AssetCheckSeverity = ERROR,
) -> None:
    result = office.failing(table)[check]
    assert result.severity == severity
    assert result.metadata["failing_days"].value == [str(day) for day in days]
    assert naming in str(result.metadata["examples"].value)


def test_of_what_is_sound_nothing_fails(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path)
    created = datetime(2024, 4, 23, 9)
    office.register(("u1", DAY, created), ("u2", DAY, created))
    for table in (RAW, *(one.name for one in TABLES)):
        assert office.failing(table) == {}


def test_of_nothing_nothing_fails(office: Office) -> None:
    office.sum_up()
    for table in TABLES[1:]:
        assert office.failing(table.name) == {}


def test_a_late_event_counts_on_its_date(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path)
    found = office.warehouse.query(
        f"select date, user_id, events, failures from {CONVERSATION_DAILY} order by all"
    )
    assert found == [(DAY, "u1", 3, 1), (DAY, "u2", 1, 0), (NEXT, "u1", 1, 0)]


def test_hard_texts_arrive_unharmed(office: Office, tmp_path: Path) -> None:
    text = "can you add a\x00b\u2028 e\u0301 שלום\u200f 😀 <script>\ufffd"
    lines = [
        event("h1", f"{NEXT} 10:00", user="u9", content={"message": text}),
        event("h2", f"{NEXT} 10:01", user="u9", content=json.dumps({"message": text})),
        # Half of a surrogate pair, as an object and as a text that holds one.
        event("h3", f"{NEXT} 10:02", user="u9", content={"message": "can you add \ud800"}),
        event("h4", f"{NEXT} 10:03", user="u9", content='{"message":"can you add \\ud800"}'),
    ]
    office.fill(tmp_path, lines)
    ((first, requests),) = office.warehouse.query(
        f"select first_message, feature_requests from {CONVERSATION_DAILY} where user_id = 'u9'"
    )
    assert first == text
    assert requests == [text, text, "can you add \ufffd", "can you add \ufffd"]
    assert "schema_holds" not in office.failing(CONVERSATION_DAILY.name)


def test_which_checks_hold_back_what_follows() -> None:
    blocking = {check.name for one in CHECKS for check in one.checks if check.is_blocking}
    assert blocking == {"event_rows_are_conserved", "sums_agree_with_events"}


@pytest.mark.parametrize("table", [CONVERSATION_DAILY.name, USER_DAILY.name])
def test_sums_that_do_not_agree_are_told(office: Office, tmp_path: Path, table: str) -> None:
    office.fill(tmp_path)
    for figure in ("events", "messages", "credits_used"):
        office.spoil(f"update {table} set {figure} = {figure} + 1 where date = '{NEXT}'")
        assert_fails(office, table, "sums_agree_with_events", naming=figure, days=[NEXT])
        office.spoil(f"update {table} set {figure} = {figure} - 1 where date = '{NEXT}'")
    assert "sums_agree_with_events" not in office.failing(table)


def test_a_day_without_rows_is_told(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path)
    office.spoil(f"delete from {USER_DAILY} where date = '{NEXT}'")
    assert_fails(office, USER_DAILY.name, "sums_agree_with_events", naming="events", days=[NEXT])


@pytest.mark.parametrize(
    "statement",
    [
        "update raw.drops set rows_read = rows_read + 1 where drop_date = '2024-04-24'",
        "update raw.drops set rows_rejected = 1, rows_accepted = 1 where drop_date = '2024-04-24'",
    ],
)
def test_rows_that_are_lost_are_told(office: Office, tmp_path: Path, statement: str) -> None:
    office.fill(tmp_path)
    office.spoil(statement)
    table = CONVERSATION_DAILY.name
    assert_fails(office, table, "event_rows_are_conserved", naming=str(NEXT), days=[NEXT])


def test_rejected_rows_are_not_lost(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path, ["5"])
    assert office.failing(CONVERSATION_DAILY.name) == {}


def test_an_event_that_comes_again_is_told_and_not_counted(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path, [event("e2", f"{DAY} 09:01", "tool_call", credits_consumed=2)])
    table = CONVERSATION_DAILY.name
    assert set(office.failing(table)) == {"events_are_not_repeated_across_drops"}
    name = "events_are_not_repeated_across_drops"
    assert_fails(office, table, name, naming="e2", severity=WARN)


def test_a_conversation_of_two_users_is_told(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path, [event("e6", f"{NEXT} 09:00", user="u2", conversation_id="c-u1")])
    table = CONVERSATION_DAILY.name
    assert_fails(
        office, table, "conversations_have_one_user", naming="c-u1", days=[NEXT], severity=WARN
    )


@pytest.mark.parametrize(
    ("others", "named", "is_failing"), [(2, 1, True), (2, 2, False), (3, 2, True), (0, 0, False)]
)
def test_messages_of_no_use_case_are_told(
    office: Office, tmp_path: Path, others: int, named: int, is_failing: bool
) -> None:
    # The day has one of a use case already; 1 of 2 is 50 %, which is not over it.
    more = [event(f"o{n}", f"{NEXT} 10:00", content={"message": "hm"}) for n in range(others)]
    more += [event(f"n{n}", f"{NEXT} 10:00", content={"message": "gdpr"}) for n in range(named - 1)]
    office.fill(tmp_path, more)
    assert ("use_cases_are_recognised" in office.failing(CONVERSATION_DAILY.name)) is is_failing


@pytest.mark.parametrize(("unnamed", "is_failing"), [(1, False), (2, True)])
def test_tools_without_a_name_are_told(
    office: Office, tmp_path: Path, unnamed: int, is_failing: bool
) -> None:
    # Of 50 calls one is 2 %, which is not over it.
    more = [
        event(f"t{n}", f"{NEXT} 10:00", "tool_call", tool_name="" if n < unnamed else "search")
        for n in range(50)
    ]
    office.fill(tmp_path, more)
    assert ("tools_are_named" in office.failing(TOOL_DAILY.name)) is is_failing


@pytest.mark.parametrize(("unreadable", "severity"), [(2, None), (3, WARN), (5, WARN), (6, ERROR)])
def test_contents_that_cannot_be_read_are_told(
    office: Office, tmp_path: Path, unreadable: int, severity: dg.AssetCheckSeverity | None
) -> None:
    # With the drop's own two rows there are 100.
    more = [
        event(f"t{n}", f"{NEXT} 10:00", content="text" if n < unreadable else None)
        for n in range(98)
    ]
    office.fill(tmp_path, more)
    found = office.failing(RAW).get("contents_are_readable")
    assert (found and found.severity) == severity
    if severity is not None:
        assert_fails(
            office, RAW, "contents_are_readable", naming="100", days=[NEXT], severity=severity
        )


def test_users_without_accounts_are_told_where_there_are_accounts(
    office: Office, tmp_path: Path
) -> None:
    office.fill(tmp_path)
    assert office.failing(USER_DAILY.name) == {}
    created = datetime(2024, 4, 1)
    office.register(("u1", NEXT, created), ("u3", DAY, created))
    # u1 begins a day late, u2 never.
    assert_fails(office, USER_DAILY.name, "users_have_accounts", naming="u2", severity=WARN)
    found = office.failing(USER_DAILY.name)["users_have_accounts"]
    assert found.metadata["failing_count"].value == 2


@pytest.mark.parametrize(("second", "is_failing"), [(0, False), (1, True)])
def test_events_before_their_account_are_told(
    office: Office, tmp_path: Path, second: int, is_failing: bool
) -> None:
    office.fill(tmp_path)
    nine = datetime(2024, 4, 23, 9)
    office.register(("u1", DAY, nine + timedelta(seconds=second)), ("u2", DAY, nine))
    found = office.failing(USER_DAILY.name)
    assert set(found) == ({"events_after_account_creation"} if is_failing else set())
    if is_failing:
        name = "events_after_account_creation"
        assert_fails(office, USER_DAILY.name, name, naming="u1", severity=WARN)


def test_a_row_that_breaks_the_schema_is_told(office: Office, tmp_path: Path) -> None:
    office.fill(tmp_path)
    office.spoil(
        f"update {CONVERSATION_DAILY} set first_message = repeat('é', 201), failures = 0 "
        f"where user_id = 'u1' and date = '{DAY}'",
        f"update {USER_DAILY} set sessions = 9 where date = '{NEXT}'",
        f"update {TOOL_DAILY} set error_type = '' where error_type <> ''",
    )
    told = str(office.failing(CONVERSATION_DAILY.name)["schema_holds"].description)
    assert "texts_are_short: 1 row" in told
    assert "last_moments_are_those_of_something: 1 row" in told
    told = str(office.failing(USER_DAILY.name)["schema_holds"].description)
    assert "sessions_fit_into_the_day: 1 row" in told
    told = str(office.failing(TOOL_DAILY.name)["schema_holds"].description)
    assert "failures_have_an_error_type" in told
