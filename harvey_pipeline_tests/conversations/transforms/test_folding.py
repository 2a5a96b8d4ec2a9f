"""Several days of a conversation as one: what is added up, what is first, and how it ended."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.transforms.folding import fold
from harvey_pipeline_tests.conversations.dailies import MONDAY, Row, at, dailies, daily

TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
ORDER = ("drafting", "compliance", "litigation")


def folded(*rows: Row) -> dict[str, Any]:
    """What the days of one conversation are together."""
    return fold(dailies(rows), ["conversation_id", "user_id"], ORDER).collect().row(0, named=True)


def status(**values: Any) -> str:
    return str(folded(daily(**values))["completion_status"])


def test_sums_add_up() -> None:
    found = folded(
        daily(events=2, messages=3, credits_used=5), daily(TUESDAY, events=4, credits_used=7)
    )
    assert (found["events"], found["messages"], found["credits_used"]) == (6, 3, 12)
    assert found["active_days"] == 2


def test_moments_are_the_earliest_and_the_latest_that_there_are() -> None:
    found = folded(
        daily(last_message_at=at(5), last_success_at=at(6)),
        daily(TUESDAY, last_message_at=at(1, TUESDAY)),
    )
    assert found["first_event_at"] == at(720)
    assert found["last_event_at"] == at(720, TUESDAY)
    assert found["last_message_at"] == at(1, TUESDAY)
    assert found["last_success_at"] == at(6)
    assert found["last_failure_at"] is None


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_first_and_last_are_by_date_whatever_the_order_of_rows(order: tuple[int, ...]) -> None:
    rows = [
        daily(last_failure_at=at(1), last_error_type="early", feature_requests=["d", "c", "b"]),
        daily(
            TUESDAY,
            last_failure_at=at(1, TUESDAY),
            last_error_type="late",
            first_message="hello",
            feature_requests=["a"],
        ),
        daily(WEDNESDAY, first_message="again", feature_requests=["x", "y", "z"]),
    ]
    found = folded(*(rows[place] for place in order))
    assert found["last_error_type"] == "late"
    assert found["first_message"] == "hello"
    assert found["feature_requests"] == ["d", "c", "b", "a", "x"]


def test_a_single_day_stays_as_it_is() -> None:
    row = daily(
        tool_calls=3,
        tools_used='{"draft":1,"find":2}',
        user_messages=1,
        messages=1,
        use_case_messages='{"drafting":1}',
        first_message="draft it",
        feature_requests=["more"],
    )
    found = folded(row)
    assert {name: found[name] for name in row if name != "date"} == {
        name: value for name, value in row.items() if name != "date"
    }


def test_without_anything_to_tell_there_is_nothing() -> None:
    found = folded(daily(), daily(TUESDAY))
    assert found["tools_used"] == found["use_case_messages"] == "{}"
    assert found["feature_requests"] == []
    assert found["first_message"] is None
    assert found["extracted_use_case"] is None


def test_no_days_fold_into_none() -> None:
    found = fold(dailies([]), ["conversation_id", "user_id"], ORDER).collect()
    assert found.is_empty()
    assert found.schema["user_satisfaction_signal"] == pl.Int64


def test_groups_are_as_asked_for() -> None:
    rows = dailies([daily(), daily(TUESDAY), daily(user="u2"), daily(conversation="c2")])
    found = fold(rows.with_columns(since=pl.lit(7)), ["conversation_id", "user_id", "since"])
    assert found.sort("conversation_id", "user_id").select(
        "conversation_id", "user_id", "since", "active_days"
    ).collect().rows() == [("c1", "u1", 7, 2), ("c1", "u2", 7, 1), ("c2", "u1", 7, 1)]


# --- counts by name ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ('{"a":1}', '{"a":2}', '{"a":3}'),
        ('{"b":1}', '{"a":12}', '{"a":12,"b":1}'),
        ("{}", '{"a":1}', '{"a":1}'),
        # By code points `"` is before `Z`, though its escape is after it.
        (r'{"a\"":1}', '{"aZ":2}', r'{"a\"":1,"aZ":2}'),
        (r'{"a\n":1,"b":1}', r'{"a\u0000":2}', r'{"a\u0000":2,"a\n":1,"b":1}'),
        # What looks like the end of an object, of a name or of a count, within a name.
        (r'{"x\\\"}{\"y\":3,":1}', r'{"x\\\"}{\"y\":3,":4}', r'{"x\\\"}{\"y\":3,":5}'),
        ('{"":1,"é":1}', '{"😀":1,"￿":1}', '{"":1,"é":1,"￿":1,"😀":1}'),
    ],
)
def test_counts_by_name_add_up(one: str, other: str, together: str) -> None:
    assert folded(daily(tools_used=one), daily(TUESDAY, tools_used=other))["tools_used"] == together
    assert folded(daily(tools_used=other), daily(TUESDAY, tools_used=one))["tools_used"] == together


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ('{"compliance":2,"drafting":1}', "compliance"),
        ('{"compliance":1,"drafting":1}', "drafting"),
        ('{"compliance":1,"litigation":1,"other":9}', "compliance"),
        ('{"other":1}', "other"),
        # Not of the catalogue: after all that are, but before `other`.
        ('{"another":1,"litigation":1,"other":1}', "litigation"),
        ('{"another":1,"other":2}', "another"),
        ("{}", None),
    ],
)
def test_use_case_is_the_one_with_most_messages(messages: str, expected: str | None) -> None:
    assert folded(daily(use_case_messages=messages))["extracted_use_case"] == expected


def test_use_case_is_that_of_all_days() -> None:
    found = folded(
        daily(use_case_messages='{"drafting":2}'),
        daily(TUESDAY, use_case_messages='{"litigation":3}'),
        daily(WEDNESDAY, use_case_messages='{"drafting":2}'),
    )
    assert found["extracted_use_case"] == "drafting"


# --- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("success", "failure", "expected"),
    [(5, None, "completed"), (5, 4, "completed"), (5, 5, "abandoned"), (5, 6, "abandoned")],
)
def test_a_creation_completes_without_a_failure_at_or_after_the_last_success(
    success: int, failure: int | None, expected: str
) -> None:
    failed = {} if failure is None else {"failures": 1, "last_failure_at": at(failure)}
    assert status(creations=1, last_success_at=at(success), **failed) == expected


def test_a_completion_completes_whatever_failed() -> None:
    assert status(completions=1, refusals=1, failures=1, last_refusal_at=at(9)) == "completed"


def test_a_success_that_creates_nothing_does_not_complete() -> None:
    assert status(successful_calls=1, last_success_at=at(5)) == "abandoned"


@pytest.mark.parametrize(
    ("success", "expected"),
    [
        (None, "blocked_by_credits"),
        (4, "blocked_by_credits"),
        (5, "blocked_by_credits"),
        (6, "abandoned"),
    ],
)
def test_a_refusal_blocks_without_a_success_after_it(success: int | None, expected: str) -> None:
    found = folded(
        daily(
            failures=1,
            refusals=1,
            last_failure_at=at(5),
            last_refusal_at=at(5),
            last_error_type="no credit",
            last_success_at=None if success is None else at(success),
        )
    )
    assert found["completion_status"] == expected
    assert found["blocker_reason"] == ("credits" if expected == "blocked_by_credits" else None)


@pytest.mark.parametrize(
    ("success", "expected"), [(None, "timeout"), (4, "timeout"), (5, "timeout"), (6, None)]
)
def test_an_error_blocks_without_a_success_after_it(success: int | None, expected: str) -> None:
    values: dict[str, Any] = {"failures": 1, "last_failure_at": at(5), "last_error_type": "timeout"}
    last = None if success is None else at(success)
    assert folded(daily(last_success_at=last, **values))["blocker_reason"] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"messages": 1, "user_messages": 1}, "no_reply"),
        ({"messages": 2, "user_messages": 1}, None),
        ({"messages": 1, "user_messages": 1, "tool_calls": 1}, None),
        ({"messages": 0, "user_messages": 0}, None),
        ({"messages": 1, "user_messages": 1, "completions": 1}, None),
    ],
)
def test_only_user_messages_are_without_reply(values: dict[str, Any], expected: str | None) -> None:
    assert folded(daily(**values))["blocker_reason"] == expected


def test_an_error_comes_before_no_reply() -> None:
    values: dict[str, Any] = {"messages": 1, "user_messages": 1, "failures": 1}
    found = folded(daily(last_failure_at=at(1), last_error_type="timeout", **values))
    assert found["blocker_reason"] == "timeout"


def test_a_success_on_a_later_day_unblocks() -> None:
    failed = daily(failures=1, last_failure_at=at(5), last_error_type="timeout")
    assert folded(failed, daily(TUESDAY, last_success_at=at(0, TUESDAY)))["blocker_reason"] is None


# --- satisfaction --------------------------------------------------------------------------------

FAILED = {"last_failure_at": at(5), "last_error_type": "timeout"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 5),
        ({"completions": 1}, 7),
        ({"completions": 2}, 7),
        ({"positive_messages": 3}, 6),
        ({"loved_messages": 3}, 6),
        ({"negative_messages": 3}, 3),
        ({"repeated_prompts": 3}, 4),
        # 5 + 2 + 1 + 1: the most there is.
        ({"completions": 1, "positive_messages": 1, "loved_messages": 1}, 9),
        # A failure costs 1, and 1 more as nothing succeeded after it.
        ({"failures": 1, **FAILED}, 3),
        ({"failures": 2, "last_success_at": at(6), **FAILED}, 3),
        ({"failures": 3, "last_success_at": at(6), **FAILED}, 2),
        ({"failures": 4, "last_success_at": at(6), **FAILED}, 2),
        # Refusals cost nothing, and credits block without a cost.
        ({"failures": 2, "refusals": 2, "last_refusal_at": at(5), **FAILED}, 5),
        ({"failures": 3, "refusals": 1, "last_success_at": at(6), **FAILED}, 3),
        ({"messages": 1, "user_messages": 1}, 4),
        # 5 - 2 - 3 = 0, and not below with - 1 - 1 more.
        ({"negative_messages": 1, "failures": 3, "last_success_at": at(6), **FAILED}, 0),
        ({"negative_messages": 1, "failures": 2, "last_success_at": at(6), **FAILED}, 1),
        ({"negative_messages": 1, "failures": 9, "repeated_prompts": 1, **FAILED}, 0),
    ],
)
def test_satisfaction(values: dict[str, Any], expected: int) -> None:
    assert folded(daily(**values))["user_satisfaction_signal"] == expected
