"""First steps: the earliest day of all taken in, whatever the order and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.users import FIRST_STEPS, FirstSteps
from harvey_pipeline.conversations.transforms.first_steps import (
    STEPS,
    Steps,
    days_between_steps,
    is_completed,
    take_in_steps,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.conversations.transforms.sums_of_users import (
    ACCOUNTS,
    CONVERSATION_DAILY,
    DAY,
    EXHAUSTION,
    OPEN_END,
    USER_DAILY,
    Row,
    Rows,
    account,
    days_before,
    exhaustion,
    moment,
    talk,
    user_day,
)

NOBODY: Final = FIRST_STEPS.empty().collect()


def steps(
    daily: Sequence[Row] = (), talks: Sequence[Row] = (), exhausted: Sequence[Row] = ()
) -> Steps:
    return Steps(
        pl.LazyFrame(list(daily), schema=USER_DAILY),
        pl.LazyFrame(list(talks), schema=CONVERSATION_DAILY),
        pl.LazyFrame(list(exhausted), schema=EXHAUSTION),
    )


def taken_in(
    read: Steps,
    first: date = DAY,
    last: date | None = None,
    *,
    known: pl.DataFrame = NOBODY,
    later: Steps | None = None,
    accounts: Sequence[Row] = (),
) -> pl.DataFrame:
    """The table once a day, or the days from first to last, are taken in; checked by its schema."""
    rows = take_in_steps(
        known,
        read,
        later or steps(),
        pl.LazyFrame(list(accounts), schema=ACCOUNTS),
        first,
        last or first,
    ).collect()
    assert rows.schema == NOBODY.schema
    FirstSteps.validate(rows)
    return rows


def table(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of the table; steps that are not given are not done."""
    nothing = dict.fromkeys(FIRST_STEPS.polars_schema)
    return pl.DataFrame([nothing | dict(row) for row in rows], schema=FIRST_STEPS.polars_schema)


def test_each_step_has_the_first_of_its_days() -> None:
    read = steps(
        [
            user_day(9),
            user_day(8, user_messages=1),
            user_day(7, user_messages=2, tool_calls=1),
            user_day(6, tool_calls=4, creations=1),
            user_day(5, creations=3),
        ],
        [talk(4, completions=1), talk(3, completions=2)],
        [exhaustion(2), exhaustion(1)],
    )

    assert taken_in(read, days_before(9), DAY).row(0, named=True) == {
        "user_id": "u1",
        "signed_up_date": days_before(9),
        "first_active_date": days_before(9),
        "first_chat_date": days_before(8),
        "first_tool_date": days_before(7),
        "first_creation_date": days_before(6),
        "first_exhaustion_date": days_before(2),
        "first_completion_date": days_before(4),
    }


def test_who_is_only_near_the_limit_is_not_exhausted() -> None:
    read = steps([user_day()], exhausted=[exhaustion(is_exhausted=False)])

    assert taken_in(read)["first_exhaustion_date"].to_list() == [None]


@pytest.mark.parametrize(
    ("on", "is_taken_in"),
    [
        pytest.param(3, False, id="the-day-before-the-first"),
        pytest.param(2, True, id="the-first-day"),
        pytest.param(0, True, id="the-last-day"),
        pytest.param(-1, False, id="the-day-after-the-last"),
    ],
)
def test_only_days_of_the_range_are_taken_in(on: int, is_taken_in: bool) -> None:
    found = taken_in(steps([user_day(on)]), days_before(2), DAY)

    assert found["first_active_date"].to_list() == [days_before(on)] * is_taken_in


@pytest.mark.parametrize(
    ("known_ago", "active_ago", "first_ago"),
    [
        pytest.param(9, 0, 9, id="known-earlier-stays"),
        pytest.param(-9, 0, 0, id="known-later-gives-way"),
        pytest.param(0, 0, 0, id="the-same-day-again"),
    ],
)
def test_the_earlier_of_the_day_known_and_the_day_taken_in(
    known_ago: int, active_ago: int, first_ago: int
) -> None:
    day = days_before(known_ago)
    known = table({"user_id": "u1", "signed_up_date": day, "first_active_date": day})
    found = taken_in(steps([user_day(active_ago)]), known=known)

    assert found["first_active_date"].to_list() == [days_before(first_ago)]
    assert found["signed_up_date"].to_list() == [days_before(first_ago)]


def test_a_step_that_is_lost_is_looked_for_on_later_days() -> None:
    known = taken_in(steps([user_day(user_messages=1, tool_calls=1), user_day(user_id="u2")]))
    later = steps(
        [
            user_day(-3, tool_calls=1),
            user_day(-2, user_messages=1, tool_calls=1),
            user_day(-2, user_id="u3", user_messages=1),
        ]
    )

    # u1 wrote nothing that day after all; u2 was not there at all, and is not anywhere else.
    found = taken_in(steps([user_day(tool_calls=1)]), known=known, later=later)

    assert found.equals(
        table(
            {
                "user_id": "u1",
                "signed_up_date": DAY,
                "first_active_date": DAY,
                "first_chat_date": days_before(-2),
                "first_tool_date": DAY,
            }
        )
    )


def test_later_days_are_read_only_where_a_step_is_lost() -> None:
    unreadable = pl.LazyFrame({"date": [DAY]}).select(pl.col("nowhere"))
    never = Steps(unreadable, unreadable, unreadable)
    known = taken_in(steps([user_day()]))

    assert taken_in(steps([user_day()]), known=known, later=never).equals(known)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        taken_in(steps(), known=known, later=never)


@pytest.mark.parametrize(
    ("accounts", "active_ago", "signed_up"),
    [
        pytest.param([account(5)], 3, days_before(5), id="account-first"),
        pytest.param([account(3)], 5, days_before(5), id="active-first"),
        pytest.param([account(3)], None, days_before(3), id="never-active"),
        pytest.param([account(9, 8), account(3)], 5, days_before(9), id="the-first-version"),
        pytest.param([account(-2)], None, days_before(-2), id="an-account-of-a-later-day"),
        pytest.param(
            [account(3, account_created_at=moment(300))], 3, days_before(3), id="not-its-creation"
        ),
    ],
)
def test_signed_up(accounts: Rows, active_ago: int | None, signed_up: date) -> None:
    read = steps([] if active_ago is None else [user_day(active_ago)])
    found = taken_in(read, days_before(9), DAY, accounts=accounts)

    assert found["signed_up_date"].to_list() == [signed_up]
    assert found["first_active_date"].is_null().to_list() == [active_ago is None]


def test_signing_up_follows_the_account_alone_once_nothing_else_is_known() -> None:
    known = taken_in(steps([user_day()]), accounts=[account(-4)])
    assert known["signed_up_date"].to_list() == [DAY]

    found = taken_in(steps(), known=known, accounts=[account(-4)])

    assert found.equals(table({"user_id": "u1", "signed_up_date": days_before(-4)}))


def test_an_account_that_is_gone_is_forgotten() -> None:
    known = taken_in(steps(), accounts=[account()])

    assert known.height == 1
    assert taken_in(steps(), known=known).is_empty()


@pytest.mark.parametrize(
    ("completions", "creations", "success", "failure", "is_done"),
    [
        pytest.param(0, 0, None, None, False, id="nothing"),
        pytest.param(1, 0, None, None, True, id="a-completion"),
        pytest.param(1, 0, None, moment(0, 9), True, id="a-completion-and-a-failure"),
        pytest.param(0, 1, moment(0, 8), None, True, id="a-creation"),
        pytest.param(0, 1, moment(0, 8), moment(0, 7), True, id="a-failure-before"),
        pytest.param(0, 1, moment(0, 8), moment(0, 8), False, id="at-the-same-moment"),
        pytest.param(0, 1, moment(0, 8), moment(0, 9), False, id="a-failure-after"),
        pytest.param(0, 0, moment(0, 8), None, False, id="a-success-that-creates-nothing"),
    ],
)
def test_what_a_conversation_says_of_a_day_alone_is_completed(
    completions: int,
    creations: int,
    success: datetime | None,
    failure: datetime | None,
    is_done: bool,
) -> None:
    row = talk(
        completions=completions,
        creations=creations,
        last_success_at=success,
        last_failure_at=failure,
    )
    found = taken_in(steps([user_day()], [row]))

    assert pl.DataFrame([row], schema=CONVERSATION_DAILY).select(is_completed()).item() is is_done
    assert found["first_completion_date"].to_list() == [DAY if is_done else None]


_ACTIVE: Final = {"signed_up_date": days_before(9), "first_active_date": days_before(9)}


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [
        pytest.param(_ACTIVE, _ACTIVE, [], id="nothing"),
        pytest.param(
            _ACTIVE,
            _ACTIVE | {"first_chat_date": days_before(5)},
            [DayRange(days_before(5), OPEN_END)],
            id="a-step-more",
        ),
        pytest.param(
            _ACTIVE | {"first_chat_date": days_before(5)},
            _ACTIVE,
            [DayRange(days_before(5), OPEN_END)],
            id="a-step-less",
        ),
        pytest.param(
            _ACTIVE | {"first_chat_date": days_before(5)},
            _ACTIVE | {"first_chat_date": days_before(3)},
            [DayRange(days_before(5), days_before(4))],
            id="a-step-later",
        ),
        pytest.param(
            _ACTIVE | {"first_tool_date": days_before(3)},
            _ACTIVE | {"first_tool_date": days_before(4)},
            [DayRange(days_before(4), days_before(4))],
            id="a-step-a-day-earlier",
        ),
        pytest.param(
            _ACTIVE,
            _ACTIVE | {"signed_up_date": days_before(12)},
            [DayRange(days_before(12), OPEN_END)],
            id="signed-up-earlier",
        ),
        pytest.param(
            _ACTIVE | {"signed_up_date": days_before(12)},
            {"signed_up_date": days_before(12), "first_active_date": days_before(7)},
            [DayRange(days_before(9), OPEN_END)],
            id="active-later",
        ),
    ],
)
def test_the_days_for_which_a_change_matters(before: Row, after: Row, days: list[DayRange]) -> None:
    user = {"user_id": "u1"}

    assert days_between_steps(table(user | before), table(user | after)) == days


def test_whom_only_one_table_has_matters_from_the_first_day_on() -> None:
    of_nobody, of_one = table(), table({"user_id": "u1"} | _ACTIVE)
    expected = [DayRange(days_before(9), OPEN_END)]

    assert days_between_steps(of_nobody, of_one) == expected
    assert days_between_steps(of_one, of_nobody) == expected
    assert days_between_steps(of_nobody, of_nobody) == []


_DAYS: Final = 6
_USES: Final = st.lists(
    st.tuples(
        st.integers(0, _DAYS - 1),
        st.sampled_from(["u1", "u2"]),
        st.sets(st.sampled_from(["chat", "tool", "creation", "exhaustion", "completion"])),
    ),
    max_size=8,
    unique_by=lambda one: one[:2],
)


def _as_steps(uses: list[tuple[int, str, set[str]]]) -> Steps:
    daily, talks, exhausted = [], [], []
    for ago, user, done in uses:
        daily.append(
            user_day(
                ago,
                user_id=user,
                user_messages=int("chat" in done),
                tool_calls=int("tool" in done),
                creations=int("creation" in done),
            )
        )
        talks.append(talk(ago, user_id=user, completions=int("completion" in done)))
        exhausted.append(exhaustion(ago, "exhaustion" in done, user_id=user))
    return steps(daily, talks, exhausted)


@settings(max_examples=25, deadline=None)
@given(_USES, _USES, st.permutations(range(_DAYS)), st.integers(1, 3))
def test_any_order_and_grouping_of_days_gives_the_same(
    old: list[tuple[int, str, set[str]]],
    new: list[tuple[int, str, set[str]]],
    order: list[int],
    length: int,
) -> None:
    accounts = [account(3, user_id="u2"), account(1, user_id="u3")]
    whole = taken_in(_as_steps(new), days_before(_DAYS - 1), DAY, accounts=accounts)

    # Days are taken in with other rows first, some of them, and then all anew.
    known = NOBODY
    seen: dict[int, Steps] = {}
    for uses, agos in ((old, order[:3]), (new, order)):
        for ago in agos:
            first, last = days_before(min(ago + length - 1, _DAYS - 1)), days_before(ago)
            read = _as_steps(uses)
            later = [one for other, one in seen.items() if days_before(other) > last]
            known = taken_in(
                read, first, last, known=known, later=_together(later), accounts=accounts
            )
            for day in DayRange(first, last).days:
                seen[(DAY - day).days] = read.filter(pl.col("date") == day)

    assert known.equals(whole)


def _together(parts: list[Steps]) -> Steps:
    names = ("user_daily", "conversation_daily", "credit_exhaustion")
    tables = {name: pl.concat([getattr(one, name) for one in (steps(), *parts)]) for name in names}
    return replace(steps(), **tables)


def test_every_step_is_a_column() -> None:
    assert ["user_id", "signed_up_date", *STEPS] == list(FIRST_STEPS.polars_schema)
