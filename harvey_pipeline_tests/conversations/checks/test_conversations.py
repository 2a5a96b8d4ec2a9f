"""Checks of conversations and intents: each fails for its own reason, and for no other."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.plan import Judging
from harvey_pipeline.checks.report import ERROR, Report
from harvey_pipeline.conversations.checks.conversations import CHECKS
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY
from harvey_pipeline.conversations.transforms.conversations import cut_conversations
from harvey_pipeline.conversations.transforms.intents import tell_intents
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces
from harvey_pipeline_tests.builders import raw_store
from harvey_pipeline_tests.conversations.dailies import MONDAY, Row, dailies, daily

DAYS = DayRange(MONDAY - timedelta(days=14), MONDAY + timedelta(days=13)).days
ACTIVE = (0, 3, 7, 9)
EVERY_ACTIVE_DAY = "every_active_day_is_in_one_conversation"


class Place:
    """A warehouse with sums, conversations and intents, and what the checks find in it."""

    def __init__(self, root: Path) -> None:
        self.raw_store = raw_store(root, str(DAYS[0]))
        self.warehouse = self.raw_store.warehouse

    def sum_up(self, rows: Sequence[Row], days: Sequence[date] = DAYS) -> None:
        self._write(CONVERSATION_DAILY, dailies(rows), days)

    def compute(self, days: Sequence[date] = DAYS) -> None:
        """Conversations and intents of some days, from the sums as they are."""
        active = self.warehouse.read(CONVERSATION_DAILY).collect().lazy()
        self._write(CONVERSATIONS, Pieces(cut_conversations(active, days, ())), days)
        found = self.warehouse.read(CONVERSATIONS, DayRange(days[0], days[-1])).collect().lazy()
        self._write(INTENTS, tell_intents(found, (), LLM_CACHE.empty().collect()), days)

    def _write(self, table: Any, rows: pl.LazyFrame | Pieces, days: Sequence[date]) -> None:
        self.warehouse.write({table: rows}, DayRange(days[0], days[-1]))

    def execute(self, sql: str) -> None:
        """Change rows by hand."""
        with self.warehouse.connect() as connection:
            connection.execute(sql)

    def failing(self, days: Sequence[date] = DAYS) -> dict[tuple[str, str], dg.AssetCheckResult]:
        """The checks that do not pass, by table and name."""
        found = {}
        for some in CHECKS:
            report = Report(some.table, some.checks, days)
            with self.warehouse.connect() as connection:
                self.warehouse.prepare(connection, [some.table, *map(_as_table, some.needs)])
                some.judge(Judging(connection, self.warehouse, self.raw_store, days, report))
            for one in report.results():
                if not one.passed:
                    found[some.table.own_name, str(one.check_name)] = one
        return found


def _as_table(one: Any) -> Any:
    assert not isinstance(one, str)
    return one


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """One user's conversation from Monday to Wednesday of the week after, another's of a day."""
    made = Place(tmp_path)
    with made.warehouse.connect():
        rows = [daily(MONDAY + timedelta(days=offset)) for offset in ACTIVE]
        made.sum_up([*rows, daily(user="u2")])
        made.compute()
        yield made


def test_all_is_well(place: Place) -> None:
    assert place.failing() == {}


def test_without_rows_all_is_well(tmp_path: Path) -> None:
    assert Place(tmp_path).failing() == {}


def test_all_block() -> None:
    checks = [check for some in CHECKS for check in some.checks]
    assert all(check.is_blocking and check.severity == ERROR for check in checks)


@pytest.mark.parametrize(
    ("change", "failing_count"),
    [
        # The Wednesday of the week after is cut off; with three days less the Monday is too.
        ("last_event_at = last_event_at - interval 1 day", 1),
        ("last_event_at = last_event_at - interval 3 day", 2),
        ("user_id = 'u3'", 4),
        ("conversation_id = 'c3'", 4),
    ],
)
def test_an_active_day_in_no_row(place: Place, change: str, failing_count: int) -> None:
    place.execute(f"update {CONVERSATIONS} set {change} where user_id = 'u1'")
    failing = place.failing()[CONVERSATIONS.own_name, EVERY_ACTIVE_DAY]
    assert failing.metadata["failing_count"].value == failing_count


def test_an_active_day_in_two_rows(place: Place) -> None:
    place.execute(
        f"insert into {CONVERSATIONS} by name select * replace (date '{MONDAY}' + 7 as date) "
        f"from {CONVERSATIONS} where user_id = 'u1'"
    )
    failing = place.failing()[CONVERSATIONS.own_name, EVERY_ACTIVE_DAY]
    assert failing.metadata["failing_count"].value == 2
    assert "conversations" in str(failing.metadata["examples"].value)


def test_a_day_is_left_out_while_rows_that_it_may_lie_in_are_overtaken(place: Place) -> None:
    """Its sums came after the row that begins earlier; once that is computed again, it counts."""
    friday = MONDAY + timedelta(days=11)
    place.sum_up([daily(friday)], [friday])
    place.compute([friday])
    assert place.failing([friday]) == {}
    place.compute(DayRange(friday - timedelta(days=13), friday).days)
    assert place.failing([friday]) == {}
    place.execute(f"delete from {CONVERSATIONS} where user_id = 'u1'")
    assert (CONVERSATIONS.own_name, EVERY_ACTIVE_DAY) in place.failing([friday])


def test_days_that_a_row_of_the_run_reaches_count_too(place: Place) -> None:
    place.execute(f"update {CONVERSATIONS} set last_event_at = started_at where user_id = 'u1'")
    failing = place.failing([MONDAY])[CONVERSATIONS.own_name, EVERY_ACTIVE_DAY]
    assert failing.metadata["failing_count"].value == 3


@pytest.mark.parametrize("signal", ["-1", "11"])
@pytest.mark.parametrize(
    ("table", "column"),
    [(CONVERSATIONS, "user_satisfaction_signal"), (INTENTS, "satisfaction_signal")],
)
def test_satisfaction_out_of_bounds(place: Place, table: Any, column: str, signal: str) -> None:
    place.execute(f"update {table} set {column} = {signal} where user_id = 'u2'")
    assert list(place.failing()) == [(table.own_name, "satisfaction_is_0_to_10")]


@pytest.mark.parametrize("signal", ["0", "10"])
def test_satisfaction_at_its_bounds(place: Place, signal: str) -> None:
    place.execute(f"update {CONVERSATIONS} set user_satisfaction_signal = {signal}")
    place.execute(f"update {INTENTS} set satisfaction_signal = {signal}")
    assert place.failing() == {}


@pytest.mark.parametrize(
    "change",
    [
        f"delete from {INTENTS} where user_id = 'u2'",
        f"insert into {INTENTS} by name select * replace ('c9' as conversation_id) from {INTENTS}",
        f"update {INTENTS} set conversation_key = 'another' where user_id = 'u2'",
        f"update {INTENTS} set date = date + 1 where user_id = 'u2'",
    ],
)
def test_intents_that_do_not_match(place: Place, change: str) -> None:
    place.execute(change)
    assert list(place.failing()) == [(INTENTS.own_name, "intents_match_conversations")]


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ("primary_intent = 'x'", True),
        ("primary_intent = repeat('x', 200)", True),
        ("primary_intent = repeat('x', 201)", False),
        ("primary_intent = ''", False),
        ("blockers = list_resize(['x'], 10, 'x')", True),
        ("blockers = list_resize(['x'], 11, 'x')", False),
        ("blockers = ['']", False),
        ("blockers = ['x', null]", False),
        ("feature_requests = [repeat('x', 200)]", True),
        ("feature_requests = [repeat('x', 201)]", False),
    ],
)
def test_output_of_a_model(place: Place, change: str, *, is_valid: bool) -> None:
    named = "model = 'm', prompt_version = 'v1', input_hash = 'h'"
    place.execute(f"update {INTENTS} set method = 'llm', {named}, {change} where user_id = 'u2'")
    assert list(place.failing()) == (
        [] if is_valid else [(INTENTS.own_name, "model_output_is_valid")]
    )


def test_rules_are_not_held_to_what_a_model_may_say(place: Place) -> None:
    place.execute(f"update {INTENTS} set primary_intent = repeat('x', 201)")
    assert place.failing() == {}
