"""How what is live is read from hashes."""

from datetime import date
from typing import Final

from harvey_pipeline.live.keys import SUMS, Live, add_up, as_totals, live_key, totals_key

EARLY: Final = "2024-02-28T08:00:00.000000Z"
LATE: Final = "2024-02-29T08:00:00.000001Z"


def test_hashes_of_several_days_are_added_up() -> None:
    first = {
        b"events": b"2",
        b"credits_used": b"10",
        b"first_event_at": EARLY.encode(),
        b"last_event_at": EARLY.encode(),
        b"last_id": b"b",
        b"conversation_id": b"c1",
        b"tool_name": b"none",
    }
    second = {
        "events": "3",
        "failures": "1",
        "first_event_at": LATE,
        "last_event_at": LATE,
        "last_id": "a",
        "conversation_id": "c2",
        "tool_name": "search",
    }
    added = add_up([{}, second, first])
    sums = dict.fromkeys(SUMS, 0) | {"events": 5, "credits_used": 10, "failures": 1}
    assert added == Live(sums, EARLY, LATE, "c2", "search")


def test_without_events_there_is_nothing() -> None:
    assert add_up([{}, {}]) is None
    assert as_totals({}) == dict.fromkeys([*SUMS, "users"], 0)
    assert as_totals({b"users": b"2", b"events": b"7"})["users"] == 2


def test_names_hold_the_user_whatever_it_is_called() -> None:
    day = date(2024, 2, 28)
    assert live_key(day, "a/b%c:d") == "harvey:live:2024-02-28:a/b%c:d"
    assert totals_key(day) == "harvey:live:2024-02-28"
