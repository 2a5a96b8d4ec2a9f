"""A consumer that is killed again and again: each event is there once, in files and in tables."""

import gzip
import json
import random
import signal
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import HARVEY, wait_until
from harvey_pipeline_tests.conversations.runs import ASSETS, KEYS, pipeline_of
from harvey_pipeline_tests.faults.at_point import command
from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.live.streams import (
    STREAM,
    Place,
    consuming,
    counters,
    live_of,
    new_place,
    new_server,
    send,
    wait_for,
)
from harvey_pipeline_tests.pipelines import assert_same_rows

pytestmark = pytest.mark.services

DAY: Final = date(2024, 2, 28)
EVENTS: Final = 10_000
AGAIN: Final = 2_000
USERS: Final = 50

KILLS: Final[tuple[tuple[str, int], ...]] = (
    ("stream_lines_read", 1),
    ("stream_lines_appended", 1),
    ("stream_sums_changed", 2),
    ("stream_lines_appended", 3),
    ("stream_lines_read", 2),
    ("stream_sums_changed", 1),
    ("stream_lines_appended", 2),
)
"""Where the consumer is killed, and in which batch; behind these it is killed three times anywhere.

A batch has 1,000 entries, and the first one is that which was not acknowledged before.
"""


def events_of(choose: random.Random) -> list[str]:
    """Events of a day and of the evening before, a twentieth of which no drop would accept."""
    events = []
    for number in range(EVENTS):
        moment = datetime(2024, 2, 28) + timedelta(seconds=choose.randrange(-7_200, 43_000))
        one = {
            "id": f"e{number}",
            "conversation_id": f"c{choose.randrange(400)}",
            "user_id": f"u{choose.randrange(USERS)}",
            "timestamp": moment.isoformat() + "Z",
            "event_type": choose.choice(["message", "message", "tool_call", "error", "completion"]),
            "content": {"message": choose.choice(["I love this", "draft a memo", "share with my"])},
            "tool_name": choose.choice(["draft_memo", "search", "invite"]),
            "success": choose.choice([True, True, False]),
            "credits_consumed": choose.randrange(4),
        }
        if choose.random() < 0.05:
            one[choose.choice(["user_id", "timestamp", "event_type"])] = "" if number % 2 else "?"
        events.append(json.dumps(one))
    return events


def test_nothing_is_lost_or_doubled_however_often_it_is_killed(tmp_path: Path) -> None:
    choose = random.Random(1)
    server = new_server(tmp_path / "redis")
    clock = Clock.at(datetime(2024, 2, 28, 12, 0, 0))
    place = new_place(tmp_path / "streamed", server, DAY - timedelta(days=1), clock)
    events = events_of(choose)
    sent = events + choose.sample(events, AGAIN)
    # Those that come again do so soon or late.
    order = sorted(range(len(sent)), key=lambda place: place + choose.randrange(3_000))
    with server.running() as client:
        send(client, *(sent[one] for one in order))
        for point, count in KILLS:
            with consuming(place, command=command(point, count)) as consumer:
                assert consumer.end() == -signal.SIGKILL
        for _ in range(3):
            kill_at_work(place, choose.randrange(100, 900))
        with consuming(place) as consumer:
            wait_for(client, len(sent))
            assert consumer.stop() == 0
        counted = counters(client, DAY)
        live = {day: live_of(client, day) for day in (DAY - timedelta(days=1), DAY)}
        assert place.harvey("--verify", str(DAY)).returncode == 0

    lines = place.lines(DAY)
    assert len(lines) == EVENTS
    assert sorted(lines) == sorted(events)
    assert counted["lines_appended"] == EVENTS
    assert counted["entries_read"] == EVENTS + counted["duplicates"]
    assert counted["duplicates"] >= AGAIN

    other = tmp_path / "delivered"
    (other / "landing" / STREAM).mkdir(parents=True)
    content = "".join(f"{one}\n" for one in events).encode()
    (other / "landing" / STREAM / f"{DAY}.jsonl.gz").write_bytes(gzip.compress(content))
    tables = {}
    for folder in (place.folder, other):
        pipeline = pipeline_of(folder / "landing", folder, DAY, DAY - timedelta(days=1))
        pipeline.run(DAY - timedelta(days=1), DAY, *ASSETS)
        tables[folder] = pipeline.tables()
    names = [name for name in tables[other] if name.startswith("conversations.") and name in KEYS]
    assert len(names) > 10
    for name in names:
        assert_same_rows(name, tables[place.folder][name], tables[other][name], KEYS[name])

    daily = tables[other]["conversations.user_daily"]
    # One user is called `?`.
    assert len(daily) == 2 * (USERS + 1)
    for day, of_day in live.items():
        assert {user: int(one["events"]) for user, one in of_day.items()} == {
            row["user_id"]: row["events"] for row in daily if row["date"] == day
        }


def kill_at_work(place: Place, lines: int) -> None:
    """Kill a consumer once it has appended some lines."""
    before = place.file_of(DAY).stat().st_size
    with consuming(place, command=HARVEY) as consumer:
        wait_until(lambda: place.file_of(DAY).stat().st_size > before + lines, 60, 0.001)
        consumer.process.kill()
        consumer.process.wait()
