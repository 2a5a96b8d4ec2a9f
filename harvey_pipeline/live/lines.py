"""From what Redis delivers to lines of a landing file: one JSON text a line, whatever comes.

A JSON object stays the text that it is, so that numbers and repeated keys arrive as they were sent.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from harvey_pipeline.landing.readers import BLANKS
from harvey_pipeline.landing.records.json_records import is_object

FIELD: Final = "event"
"""The field of an entry that holds the event."""

_MOST_CHARACTERS: Final = 16 << 20
"""With a longer line nothing of its file could be read; of one the beginning is kept."""
_KEPT_OF_LONGER: Final = 1 << 20

_LINE_ENDS: Final = re.compile(r"[\r\n]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def line_of_entry(fields: Mapping[bytes, bytes]) -> str:
    """The line of an entry of the stream; one without the field `event` stands whole as a text."""
    event = fields.get(FIELD.encode())
    if event is None:
        return _as_json({_as_text(name): _as_text(value) for name, value in fields.items()}, 2)
    return line_of(_as_text(event))


def line_of(text: str) -> str:
    """A JSON object on one line; anything else as a JSON text, which is a line too."""
    stripped = text.strip(BLANKS + "\r\n")
    if len(stripped) > _MOST_CHARACTERS:
        return _as_json(text[:_KEPT_OF_LONGER])
    # Within a JSON object line ends stand only between values, where a blank says the same.
    return _LINE_ENDS.sub(" ", stripped) if is_object(stripped) else _as_json(text)


def lines_of_message(payload: bytes, received: datetime) -> Iterator[str]:
    """The lines of a message of the channel: the user's message, and a tool call for each item.

    Without an id one is made up, so that such a message is never known to be the same as another.

    Args:
        payload: `{userId, event, data: {message, toolCalls, conversationId?, id?}}`.
        received: When it came, UTC; the time of its events.
    """
    text = _as_text(payload)
    told = _read_object(text)
    if told is None:
        yield line_of(text)
        return
    data = told.get("data")
    if not isinstance(data, dict):
        data = {}
    user = told.get("userId")
    event_id = data.get("id")
    if not isinstance(event_id, str | int) or isinstance(event_id, bool) or event_id == "":
        event_id = uuid4().hex
    conversation = data.get("conversationId")
    if conversation in (None, ""):
        conversation = f"pubsub_{user}_{received:%Y-%m-%d}"
    common = {
        "conversation_id": conversation,
        "user_id": user,
        "timestamp": f"{received:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    said = {"role": "user", "message": data.get("message")}
    yield line_of(
        _as_json({"id": str(event_id), **common, "event_type": "message", "content": said})
    )
    calls = data.get("toolCalls")
    for number, call in enumerate(calls if isinstance(calls, list) else [], start=1):
        yield line_of(
            _as_json(
                {
                    "id": f"{event_id}/{number}",
                    **common,
                    "event_type": "tool_call",
                    **_told_of_call(call),
                }
            )
        )


def _told_of_call(call: Any) -> dict[str, Any]:
    """What an item of `toolCalls` says: a tool's name, or an object about a call."""
    if not isinstance(call, dict):
        return {"tool_name": call if isinstance(call, str) else None}
    return {
        "tool_name": call.get("tool"),
        "success": call.get("success"),
        "credits_consumed": call.get("credits"),
        "content": {"params": call.get("params")},
    }


def _read_object(text: str) -> dict[str, Any] | None:
    stripped = text.strip(BLANKS + "\r\n")
    if len(stripped) > _MOST_CHARACTERS or not is_object(stripped):
        return None
    try:
        found: dict[str, Any] = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    return found


def _as_json(value: Any, times: int = 1) -> str:
    """A JSON text; of it again a JSON text, as many times as wanted."""
    for _ in range(times):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text: str = value
    return _LONE_SURROGATE.sub("\ufffd", text)


def _as_text(value: bytes) -> str:
    """Bytes as UTF-8; what is none stays legible, and is no JSON."""
    return value.decode("utf-8", "backslashreplace")
