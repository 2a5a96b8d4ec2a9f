"""How many events a second `harvey stream` takes in while it is killed; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.stream --rate 2000 --seconds 60 --kills 10

Starts Debian's redis-server and a consumer, sends events at a steady rate, one in five twice, and
kills the consumer again and again. Prints how far behind it was, how long the last event took, what
it cost, and whether each event is in the landing file and in the sums once. Then it measures how
fast a consumer takes in what has piled up.
"""

import argparse
import json
import os
import random
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from harvey_pipeline_tests.live.streams import (
    STREAM,
    Consumer,
    Place,
    consuming,
    counters,
    is_done,
    new_place,
    new_server,
    send,
    wait_for,
)

_USERS: Final = 100_000
_SENDS_A_SECOND: Final = 20
_LONGEST_SECONDS: Final = 600


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=int, default=2_000, help="entries a second")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--kills", type=int, default=10)
    arguments.add_argument("--backlog", type=int, default=100_000, help="entries piled up")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = new_server(Path(folder) / "redis", "--appendfsync", "everysec")
        place = new_place(Path(folder) / "place", server, date(2024, 1, 1))
        with server.running() as client:
            steady(place, client, given.rate, given.seconds, given.kills)
            piled_up(place, client, given.backlog)


def steady(place: Place, client: Any, rate: int, seconds: int, kills: int) -> None:
    """Send at a rate, kill the consumer every so often, and say how it went."""
    behind: list[int] = []
    sender = threading.Thread(target=send_steadily, args=(place, rate, seconds))
    began = time.monotonic()
    with ExitStack() as running:
        consumer = running.enter_context(consuming(place))
        sender.start()
        killed = 0
        while sender.is_alive():
            time.sleep(0.5)
            behind.append(left_of(client))
            if killed < kills and time.monotonic() - began > (killed + 1) * seconds / (kills + 1):
                consumer.process.kill()
                consumer.process.wait()
                killed += 1
                consumer = running.enter_context(consuming(place))
        sent_after = time.monotonic() - began
        entries = client.xlen(STREAM)
        wait(client, entries)
        done_after = time.monotonic() - began
        consumer.stop()
    print(f"{entries:,} entries sent in {sent_after:.1f} s ({entries / sent_after:,.0f}/s)")
    print(f"  consumer killed {killed} times, and started again at once")
    print(f"  all of them in {done_after - sent_after:.1f} s after the last was sent")
    print(f"  entries behind: median {statistics.median(behind):,.0f}, most {max(behind):,}")
    tell_cost(consumer)
    tell_whether_right(place, client)


def piled_up(place: Place, client: Any, entries: int) -> None:
    """Say how fast what has piled up is taken in, the start aside."""
    before = client.xlen(STREAM)
    lines = count(place)
    for some in portions(entries, random.Random(2), "b"):
        send(client, *some)
    with consuming(place) as consumer:
        while count(place) == lines:
            time.sleep(0.01)
        began, done = time.monotonic(), count(place) - lines
        used = processor_seconds(consumer)
        wait(client, before + entries)
        seconds, used = time.monotonic() - began, processor_seconds(consumer) - used
        consumer.stop()
    taken = entries - done
    print(f"{entries:,} entries piled up: {taken / seconds:,.0f} entries/s")
    print(f"  processor of the consumer: {1e6 * used / taken:,.0f} microseconds an entry")
    tell_whether_right(place, client)


def send_steadily(place: Place, rate: int, seconds: int) -> None:
    client = place.server.client
    each = rate // _SENDS_A_SECOND
    began = time.monotonic()
    choose = random.Random(1)
    known: list[str] = []
    for number, some in enumerate(portions(each * seconds * _SENDS_A_SECOND, choose, "a", each)):
        again = choose.sample(known, min(len(some) // 6, len(known)))
        new = some[: len(some) - len(again)]
        send(client, *new, *again)
        known = [*known, *new][-20_000:]
        time.sleep(max(began + (number + 1) / _SENDS_A_SECOND - time.monotonic(), 0))


def portions(
    entries: int, choose: random.Random, name: str, each: int = 1_000
) -> Iterator[list[str]]:
    for start in range(0, entries, each):
        now = datetime.now(UTC).isoformat()
        yield [one_event(f"{name}{number}", now, choose) for number in range(start, start + each)]


def one_event(event_id: str, moment: str, choose: random.Random) -> str:
    user = choose.randrange(_USERS)
    kind = choose.choice(["message", "message", "tool_call", "tool_call", "error", "completion"])
    content = {
        "role": choose.choice(["user", "assistant"]),
        "message": f"Review the agreement of {choose.randrange(10**6)} and draft a memo. " * 3,
        "params": {"tone": "formal", "length": choose.randrange(10)},
    }
    return json.dumps(
        {
            "id": event_id,
            "conversation_id": f"c{user}-{choose.randrange(3)}",
            "user_id": f"u{user}",
            "timestamp": moment,
            "event_type": kind,
            "content": content,
            "tool_name": "draft_memo" if kind == "tool_call" else None,
            "success": choose.choice([True, True, True, False]),
            "credits_consumed": choose.randrange(3),
        }
    )


def left_of(client: Any) -> int:
    groups = client.xinfo_groups(STREAM) if client.exists(STREAM) else []
    return sum(group["pending"] + (group["lag"] or 0) for group in groups)


def wait(client: Any, entries: int) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not is_done(client, entries) and time.monotonic() < deadline:
        time.sleep(0.02)
    wait_for(client, entries)


def count(place: Place) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in files(place))


def files(place: Place) -> list[Path]:
    return sorted((place.landing / STREAM).glob("*.jsonl"))


def processor_seconds(consumer: Consumer) -> float:
    """What a process has used of processors since it began, as Linux tells it."""
    told = Path(f"/proc/{consumer.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def tell_cost(consumer: Consumer) -> None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"  processor {used.ru_utime + used.ru_stime:.0f} s of all consumers and their starts, "
        f"memory at most {used.ru_maxrss / 1024:,.0f} MB; {os.cpu_count()} cores"
    )
    print(f"  last line told: {consumer.text.splitlines()[-1]}")


def tell_whether_right(place: Place, client: Any) -> None:
    sent = {json.loads(entry["event"])["id"] for _, entry in client.xrange(STREAM)}
    ids = [
        json.loads(line)["id"]
        for path in files(place)
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]
    ]
    days = [date.fromisoformat(path.stem) for path in files(place)]
    in_sums = sum(int(client.hget(f"harvey:live:{day}", "events") or 0) for day in days)
    verified = all(place.harvey("--verify", str(day)).returncode == 0 for day in days)
    print(
        f"  {len(sent):,} different events sent; {len(ids):,} lines, {len(set(ids)):,} different; "
        f"{in_sums:,} in the sums; lost {len(sent - set(ids)):,}; "
        f"harvey stream --verify {'agrees' if verified else 'DISAGREES'}"
    )
    for day in days:
        print(f"  {day}: {counters(client, day)}")


if __name__ == "__main__":
    main()
