"""What a model reads of a conversation, by hand."""

from datetime import timedelta
from typing import Any

import polars as pl

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
from harvey_pipeline.conversations.transforms.intent_inputs import drops_of_rows, tell_inputs
from harvey_pipeline_tests.conversations.raw_events import (
    CATALOGUE,
    DAY,
    Event,
    at,
    call,
    event,
    failed,
    raw_events,
    said,
)

NEXT = DAY + timedelta(days=1)


def rows_of(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {
        "date": DAY,
        "conversation_id": "c1",
        "user_id": "u1",
        "conversation_key": "k1",
        "last_event_at": at(1_000),
    }
    return pl.DataFrame([usual | row for row in rows], schema=CONVERSATIONS.polars_schema)


def told(*events: Event, rows: pl.DataFrame | None = None) -> list[tuple[Any, ...]]:
    """Key, text, tool and error of what is read."""
    wanted = rows_of({}) if rows is None else rows
    return tell_inputs(raw_events(*events), wanted, CATALOGUE).rows()


def test_user_messages_and_failures_are_read_in_order() -> None:
    assert told(
        said("first"),
        event("message", {"role": "assistant", "message": "hidden"}),
        call("search"),
        call("draft", success=False),
        failed("Disk 7 is full", tool_name="writer"),
        said("last"),
        event("completion"),
    ) == [
        ("k1", "first", None, None),
        ("k1", None, "draft", "unknown"),
        ("k1", None, "writer", "disk # is full"),
        ("k1", "last", None, None),
    ]


def test_events_of_a_moment_are_in_the_order_of_their_ids() -> None:
    events = [said(one, id=one, timestamp=at(1)) for one in ("b", "c", "a")]
    assert [text for _, text, *_ in told(*events)] == ["a", "b", "c"]


def test_a_message_that_failed_is_both() -> None:
    assert told(said("hello", success=False)) == [
        ("k1", "hello", None, None),
        ("k1", None, "none", "unknown"),
    ]


def test_texts_are_redacted_and_cut() -> None:
    [(_, text, *_)] = told(said("anna@example.com " + "\u00e4" * 600))
    assert text == ("<email> " + "\u00e4" * 600)[:500]
    [(_, _, _, error)] = told(failed("no mail to bob@example.com, call +49 30 1234567"))
    assert "bob" not in error
    assert "1234567" not in error


def test_only_the_first_and_the_last_twenty_are_read() -> None:
    events = [said(f"m{number}", id=f"e{number:03}") for number in range(50)]
    kept = [text for _, text, *_ in told(*events)]
    assert kept == [f"m{number}" for number in (*range(20), *range(30, 50))]
    assert len(told(*events[:40])) == 40


def test_only_the_rows_own_events_are_read() -> None:
    events = [
        said("before", timestamp=at(-1)),
        said("own", timestamp=at(10)),
        said("of another", timestamp=at(11), conversation_id="c2"),
        said("by another", timestamp=at(12), user_id="u2"),
        said("own too", timestamp=at(5, NEXT), drop_date=NEXT),
        said("after", timestamp=at(5, NEXT + timedelta(days=1)), drop_date=NEXT),
    ]
    row = {"last_event_at": at(5, NEXT)}
    assert [text for _, text, *_ in told(*events, rows=rows_of(row))] == ["own", "own too"]
    second = row | {"conversation_id": "c2", "conversation_key": "k2"}
    found = told(*events, rows=rows_of(row, second))
    assert ("k2", "of another", None, None) in found
    assert len(found) == 3


def test_what_a_later_drop_repeats_is_read_once() -> None:
    again = said("once", id="e1", timestamp=at(1), drop_date=NEXT)
    assert len(told(said("once", id="e1", timestamp=at(1)), again)) == 1


def test_the_drops_reach_to_the_last_event_and_what_comes_late() -> None:
    drops = drops_of_rows(rows_of({}, {"last_event_at": at(5, NEXT)}))
    assert (drops.first, drops.last) == (DAY, NEXT + timedelta(days=1))


def test_nothing_to_read() -> None:
    assert told(call("search")) == []
