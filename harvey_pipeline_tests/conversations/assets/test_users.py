"""How the assets of users are wired: what they read, and what a change of first steps reaches."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, cast

import polars as pl
import pytest

from harvey_pipeline.conversations.assets.users import (
    ASSETS,
    credit_exhaustion,
    first_steps,
    user_profiles,
)
from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY, USER_DAILY
from harvey_pipeline.conversations.tables.users import (
    CREDIT_EXHAUSTION,
    FIRST_STEPS,
    TABLES,
    USER_PROFILES,
)
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Pieces, Warehouse
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    ACCOUNTS,
    DAY,
    EXHAUSTION,
    TOOL_DAILY,
    TRAIT_DAILY,
    Row,
    Rows,
    account,
    calls,
    days_before,
    moment,
    talk,
    user_day,
)
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    CONVERSATION_DAILY as OF_CONVERSATIONS,
)
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    USER_DAILY as OF_USERS,
)

_NOUGHT: Final[Mapping[Any, Any]] = {
    pl.Int64: 0,
    pl.String: "",
    pl.List: [],
    pl.Datetime: moment(0),
}


def whole(table: Table, row: Row) -> Row:
    """A row with something in every column that has to hold something."""
    return {
        name: _NOUGHT[column.dtype.base_type()]
        if row.get(name) is None and not column.nullable
        else row.get(name)
        for name, column in table.schema.columns().items()
    }


class Office:
    """A warehouse, whose days are taken in one after the other."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(database=str(folder / "warehouse.duckdb"))

    def active(self, ago: int, *daily: Row) -> None:
        """Write the sums of a day."""
        talks = [talk(ago, user_id=row["user_id"]) for row in daily]
        day = DayRange(days_before(ago), days_before(ago))
        for table, rows in ((USER_DAILY, daily), (CONVERSATION_DAILY, talks)):
            frame = pl.DataFrame([whole(table, row) for row in rows], schema=table.polars_schema)
            self.warehouse.write({table: frame.lazy()}, day)
        self.warehouse.write({CREDIT_EXHAUSTION: CREDIT_EXHAUSTION.empty()}, day)

    def take_in(self, ago: int) -> None:
        """Take a day in, as a run does."""
        days = DayRange(days_before(ago), days_before(ago))
        compute = cast(Any, first_steps.compute)
        deferred: Deferred = compute(
            days=days.days,
            user_daily=self.warehouse.read(USER_DAILY, days),
            conversation_daily=self.warehouse.read(CONVERSATION_DAILY, days),
            credit_exhaustion=self.warehouse.read(CREDIT_EXHAUSTION, days),
            dim_account=pl.LazyFrame(schema=ACCOUNTS),
            warehouse=self.warehouse,
        )
        self.warehouse.write(deferred.plan(), days)

    def first_chats(self) -> dict[str, date | None]:
        rows = self.warehouse.read(FIRST_STEPS).select("user_id", "first_chat_date").collect()
        return dict(rows.iter_rows())


def test_the_tables_of_users_are_computed() -> None:
    assert {asset.table for asset in ASSETS} == set(TABLES)


def test_a_step_that_a_day_loses_is_found_on_later_days_that_were_taken_in(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for ago in (2, 1, 0):
        office.active(ago, user_day(ago, user_messages=1))
    office.take_in(2)
    office.take_in(0)
    assert office.first_chats() == {"u1": days_before(2)}

    office.active(2, user_day(2))
    office.take_in(2)
    # The day between has a message, but was not taken in.
    assert office.first_chats() == {"u1": DAY}

    office.take_in(1)
    assert office.first_chats() == {"u1": days_before(1)}


def test_what_a_change_reaches() -> None:
    compute = cast(Any, first_steps.compute)
    deferred: Deferred = compute(
        days=[DAY],
        user_daily=pl.LazyFrame(schema=OF_USERS),
        conversation_daily=pl.LazyFrame(schema=OF_CONVERSATIONS),
        credit_exhaustion=pl.LazyFrame(schema=EXHAUSTION),
        dim_account=pl.LazyFrame(schema=ACCOUNTS),
        warehouse=None,
    )
    nothing = dict.fromkeys(FIRST_STEPS.polars_schema)
    one = nothing | {"user_id": "u1", "signed_up_date": DAY}
    tables = [pl.DataFrame(rows, schema=FIRST_STEPS.polars_schema) for rows in ([], [one])]

    assert list(deferred.reach[FIRST_STEPS](*tables)) == [DayRange(DAY, OPEN_END)]


@pytest.mark.parametrize("day", [date(2024, 5, 31), date(2024, 3, 1), date(2024, 2, 29)])
def test_credits_are_read_from_the_first_of_the_month_on(day: date) -> None:
    read = credit_exhaustion.inputs["user_daily"].days_of(day)

    assert read.first <= day.replace(day=1)
    assert read.last == day


def test_profiles_read_their_window() -> None:
    window = DayRange(DAY - timedelta(days=89), DAY)
    dated = {name: one for name, one in user_profiles.inputs.items() if one.has_window}

    assert set(dated) == {
        "user_daily",
        "conversation_daily",
        "tool_daily",
        "trait_daily",
        "credit_exhaustion",
    }
    assert {one.days_of(DAY) for one in dated.values()} == {window}
    assert user_profiles.windows == {FIRST_STEPS.name: None}


def test_limits_and_profiles_go_by_the_settings() -> None:
    limited: Pieces = cast(Any, credit_exhaustion.compute)(
        days=[DAY],
        user_daily=pl.LazyFrame([user_day(credits_used=90)], schema=OF_USERS),
        dim_account=pl.LazyFrame([account()], schema=ACCOUNTS),
    )
    assert [frame.collect()["credit_limit"].to_list() for frame in limited.plans] == [[100]]

    steps: Rows = [{"user_id": "u1", "signed_up_date": DAY, "first_creation_date": None}]
    messages = '{"contract_review":1,"legal_research":1,"other":3}'
    profiles: Pieces = cast(Any, user_profiles.compute)(
        days=[DAY],
        user_daily=pl.LazyFrame([user_day()], schema=OF_USERS),
        conversation_daily=pl.LazyFrame(
            [talk(user_messages=2, use_case_messages=messages)], schema=OF_CONVERSATIONS
        ),
        tool_daily=pl.LazyFrame([calls()], schema=TOOL_DAILY),
        trait_daily=pl.LazyFrame(schema=TRAIT_DAILY),
        credit_exhaustion=pl.LazyFrame(schema=EXHAUSTION),
        first_steps=pl.LazyFrame(
            steps, schema={name: FIRST_STEPS.polars_schema[name] for name in steps[0]}
        ),
        dim_account=pl.LazyFrame([account()], schema=ACCOUNTS),
    )
    (frame,) = profiles.plans
    (row,) = frame.collect().rows(named=True)
    assert list(row) == list(USER_PROFILES.polars_schema)
    assert (row["primary_use_case"], row["preferred_tools"]) == ("contract_review", ["search"])
