"""From what Redis delivers to lines of a landing file."""

import json
from datetime import datetime
from typing import Any, Final

import pytest

from harvey_pipeline.live.lines import line_of, line_of_entry, lines_of_message

NOON: Final = datetime(2024, 2, 28, 12, 0, 0, 5)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ('{"a":1.50,"a":2}', '{"a":1.50,"a":2}'),
        ('\ufeff {"a":\r\n 1}\n', '{"a":   1}'),
        ('{"a":"\u2028\u0085"}', '{"a":"\u2028\u0085"}'),
        ("{}", "{}"),
        ("[]", '"[]"'),
        ("", '""'),
        ("null", '"null"'),
        ('{"a":NaN}', '"{\\"a\\":NaN}"'),
        ('{"a":"two\nlines"}', '"{\\"a\\":\\"two\\nlines\\"}"'),
        ('{"a":"\x00"}', '"{\\"a\\":\\"\\u0000\\"}"'),
    ],
)
def test_an_object_stays_and_anything_else_becomes_a_text(sent: str, line: str) -> None:
    assert line_of(sent) == line
    assert "\n" not in line


def test_an_object_nested_beyond_measure_becomes_a_text() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert json.loads(line_of(deep)) == deep


def test_of_what_is_too_long_for_a_line_the_beginning_is_kept() -> None:
    line = line_of('{"a":"' + "x" * (17 << 20) + '"}')
    assert json.loads(line) == '{"a":"' + "x" * ((1 << 20) - 6)


def test_an_entry_is_its_event_or_all_that_it_holds() -> None:
    assert line_of_entry({b"event": b'{"id":1}', b"more": b"x"}) == '{"id":1}'
    assert line_of_entry({b"event": b'{"id":"\xe4"}'}) == '"{\\"id\\":\\"\\\\xe4\\"}"'
    assert json.loads(json.loads(line_of_entry({b"EVENT": b"{}", b"n": b"1"}))) == {
        "EVENT": "{}",
        "n": "1",
    }


def told(payload: Any) -> list[Any]:
    return [json.loads(line) for line in lines_of_message(json.dumps(payload).encode(), NOON)]


def test_a_message_is_an_event_and_one_for_each_tool() -> None:
    data = {
        "message": "draft a memo",
        "conversationId": "c1",
        "id": "m1",
        "toolCalls": [
            "Search",
            {"tool": "gen", "success": False, "credits": 2, "params": {"n": 5}},
        ],
    }
    common = {
        "conversation_id": "c1",
        "user_id": "u1",
        "timestamp": "2024-02-28T12:00:00.000005Z",
    }
    assert told({"userId": "u1", "event": "chat", "data": data}) == [
        {
            "id": "m1",
            **common,
            "event_type": "message",
            "content": {"role": "user", "message": "draft a memo"},
        },
        {"id": "m1/1", **common, "event_type": "tool_call", "tool_name": "Search"},
        {
            "id": "m1/2",
            **common,
            "event_type": "tool_call",
            "tool_name": "gen",
            "success": False,
            "credits_consumed": 2,
            "content": {"params": {"n": 5}},
        },
    ]


@pytest.mark.parametrize("data", [None, {}, [], {"id": "", "toolCalls": "x"}, {"id": True}])
def test_a_message_without_an_id_gets_one_and_a_conversation_of_the_day(data: Any) -> None:
    (first,), (second,) = (told({"userId": "u1", "data": data}) for _ in range(2))
    assert first["id"] != second["id"]
    assert len(first["id"]) == 32
    assert first["conversation_id"] == "pubsub_u1_2024-02-28"
    assert first["content"] == {"role": "user", "message": None}


def test_a_message_that_is_no_object_stays_a_text() -> None:
    assert list(lines_of_message(b"[1]", NOON)) == ['"[1]"']


def test_half_a_surrogate_pair_is_replaced() -> None:
    payload = b'{"userId":"u1","data":{"id":"a","message":"x\\ud800"}}'
    (line,) = lines_of_message(payload, NOON)
    assert json.loads(line.encode())["content"]["message"] == "x\ufffd"
