"""What comes from Redis as it comes out: lines of the landing file, and sums."""

import json
import signal
from typing import Any

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.faults.at_point import command
from harvey_pipeline_tests.live.streams import (
    DAY,
    NOON,
    STREAM,
    Place,
    consuming,
    counters,
    event,
    live_of,
    send,
    take,
)

pytestmark = pytest.mark.services


def test_markup_and_line_ends_arrive_on_one_line_unharmed(place: Place, client: Any) -> None:
    said = "<script>alert('x')</script>\nand\u2028more\u0085 \r\n \x7f \U0001f44d &amp;"
    sent = json.dumps(
        json.loads(event(1, NOON, content={"role": "user", "message": said})),
        ensure_ascii=False,
        indent=2,
    )
    assert "\n" in sent
    assert "\u2028" in sent
    send(client, sent)
    take(place, client, 1)
    (line,) = place.lines(DAY)
    assert json.loads(line) == json.loads(sent)
    assert live_of(client, DAY)["u1"]["user_messages"] == "1"


def test_what_is_no_object_is_kept_as_a_text(place: Place, client: Any) -> None:
    odd: list[str | bytes] = ["[1]", "", "{cut", '{"a": NaN}', "two\nlines", b"\xff\x00", "5"]
    send(client, *odd)
    client.xadd(STREAM, {"other": "field"})
    take(place, client, 8)
    lines = [json.loads(line) for line in place.lines(DAY)]
    assert lines[:5] == odd[:5]
    assert lines[5:] == ["\\xff\x00", "5", '{"other":"field"}']
    assert counters(client, DAY)["lines_appended"] == 8
    assert live_of(client, DAY) == {}


def test_messages_of_the_channel_become_events(place: Place, client: Any) -> None:
    calls = ["Search", {"tool": "draft_memo", "success": True, "credits": 3, "params": {"a": "b"}}]
    data = {"message": "Review the contract", "toolCalls": calls, "id": 77}
    told = {"userId": "u 1:x", "event": "chat", "data": data}
    with consuming(place) as consumer:
        wait_until(lambda: client.pubsub_numsub("user_context")[0][1] == 1, 60, 0.05)
        client.publish("user_context", json.dumps(told))
        client.publish("user_context", json.dumps(told))
        client.publish("user_context", json.dumps(told | {"data": {"message": "hello"}}))
        client.publish("user_context", "no object")
        wait_until(lambda: len(place.lines(DAY)) == 5, 60, 0.05)
        wait_until(lambda: counters(client, DAY).get("entries_read") == 8, 60, 0.05)
        assert consumer.stop() == 0
    *events, odd = [json.loads(line) for line in place.lines(DAY)]
    assert odd == "no object"
    assert [one["id"] for one in events[:3]] == ["77", "77/1", "77/2"]
    assert events[3]["id"] not in ("", "77")
    assert {one["conversation_id"] for one in events} == {f"pubsub_u 1:x_{DAY}"}
    assert {one["timestamp"][:10] for one in events} == {str(DAY)}
    assert counters(client, DAY) == {"entries_read": 8, "lines_appended": 5, "duplicates": 3}
    live = live_of(client, DAY)["u 1:x"]
    wanted = {
        "events": "4",
        "messages": "2",
        "user_messages": "2",
        "tool_calls": "2",
        "successful_calls": "1",
        "creations": "1",
        "credits_used": "3",
    }
    assert wanted.items() <= live.items()


def test_what_a_dead_consumer_left_is_taken_over(place: Place, client: Any) -> None:
    send(client, event(1, NOON), event(2, NOON))
    client.xgroup_create(STREAM, "harvey", "0")
    assert client.xreadgroup("harvey", "elsewhere", {STREAM: ">"}, count=1)
    printed = take(place, client, 2, "--claim-after", "0.5")
    assert "Entries of another consumer taken over: 1." in printed
    assert sorted(place.lines(DAY)) == [event(1, NOON), event(2, NOON)]


def test_an_entry_that_was_deleted_meanwhile_is_done_with(place: Place, client: Any) -> None:
    send(client, event(1, NOON), event(2, NOON))
    with consuming(place, command=command("stream_lines_read")) as killed:
        assert killed.end() == -signal.SIGKILL
    assert not place.file_of(DAY).exists()
    (first, _), _ = client.xrange(STREAM)
    client.xdel(STREAM, first)
    take(place, client, 2)
    assert place.lines(DAY) == [event(2, NOON)]
    assert counters(client, DAY) == {"entries_read": 1, "lines_appended": 1, "duplicates": 0}


def test_of_the_last_event_is_told_where_it_was(place: Place, client: Any) -> None:
    call: dict[str, Any] = {"event_type": "tool_call", "tool_name": "Search", "success": False}
    send(
        client,
        event(9, "2024-02-28T11:00:00.5Z", conversation_id="late", **call),
        event(10, "2024-02-28T11:00:00.5Z", conversation_id="of equals the larger id is last"),
        event(2, "2024-02-28T08:00:00Z", conversation_id="early"),
    )
    take(place, client, 3)
    live = live_of(client, DAY)["u1"]
    assert live["conversation_id"] == "late"
    assert live["tool_name"] == "search"
    assert live["first_event_at"] == "2024-02-28T08:00:00.000000Z"
    assert live["last_event_at"] == "2024-02-28T11:00:00.500000Z"
    assert (live["attempts"], live["failures"], live["refusals"]) == ("1", "1", "0")
    kept = client.ttl(f"harvey:live:{DAY}:u1")
    assert 71 * 3600 < kept <= 72 * 3600
    assert 71 * 3600 < client.ttl(f"harvey:ids:{DAY}") <= 72 * 3600
    assert 71 * 3600 < client.ttl(f"harvey:live:{DAY}") <= 72 * 3600
