"""How fast the context API answers at a constant rate; no part of the test run.

    python -m harvey_pipeline_tests.benchmarks.context_api
    python -m harvey_pipeline_tests.benchmarks.context_api --users 100000 --rate 50 --publish

Publishes a copy with a profile of every user, fills a Redis with today's sums of a part of them,
starts `harvey serve` over both and asks it for contexts from this process, another one than the
server's. A request begins at its time whether or not those before it were answered, and its time
counts from then, so that a slow answer is not hidden by what was not asked meanwhile. Prints the
percentiles (nearest rank), what was answered, and the machine's load before and after.

`--publish` publishes a newer copy halfway, as a run does, while requests go on.
"""

import argparse
import asyncio
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harvey_pipeline_tests.service.published_profiles import days_now, publish_profiles
from harvey_pipeline_tests.service.servers import (
    TOKEN,
    RedisServer,
    Server,
    redis_server,
    served,
)

_LIVE_SHARE: Final = 0.2
"""How many of the users have events of today."""
_FILLED_AT_ONCE: Final = 5_000
_WARM_SECONDS: Final = 2
"""Asked before anything is counted."""
_PERCENTS: Final = (50, 95, 99)

_PUBLISH: Final = (
    "import sys; from pathlib import Path; "
    "from harvey_pipeline_tests.service.published_profiles import days_now, publish_profiles; "
    "users = [f'user/{number}' for number in range(int(sys.argv[2]))]; "
    "print(publish_profiles(Path(sys.argv[1]), users, days_now().yesterday, 50.0).form)"
)


@dataclass
class Seen:
    """What came back: milliseconds from a request's time to its answer, and what was answered."""

    taken_ms: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)


def name_of(number: int) -> str:
    return f"user/{number}"


def fill_redis(redis: RedisServer, users: int) -> None:
    today = days_now().today
    pipeline = redis.connect().pipeline(transaction=False)
    for number in range(0, users, int(1 / _LIVE_SHARE)):
        pipeline.hset(
            f"harvey:live:{today}:{name_of(number)}",
            mapping={
                "events": 9,
                "messages": 6,
                "credits_used": 11,
                "first_event_at": f"{today}T08:00:00.000000Z",
                "last_event_at": f"{today}T09:00:00.000000Z",
                "last_id": "e1",
                "conversation_id": "c1",
                "tool_name": "search",
            },
        )
        if len(pipeline) >= _FILLED_AT_ONCE:
            pipeline.execute()
    pipeline.execute()


async def drive(server: Server, users: int, rate: float, seconds: float) -> Seen:
    """Ask for contexts of users chosen by chance, `rate` a second."""
    import httpx

    seen = Seen()
    chance = random.Random(0)

    async def ask(client: Any, begins_at: float) -> None:
        user = name_of(chance.randrange(users)).replace("/", "%2F")
        try:
            answer = await client.get(f"/context/{user}")
            told = str(answer.status_code)
            if answer.status_code == 200:
                told += f" {json.loads(answer.content)['live_status']}"
        except httpx.HTTPError as error:
            told = type(error).__name__
        seen.taken_ms.append((time.perf_counter() - begins_at) * 1000)
        seen.answers[told] += 1

    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.address, headers=headers, timeout=10) as client:
        began = time.perf_counter()
        asked = []
        for number in range(round(rate * seconds)):
            begins_at = began + number / rate
            await asyncio.sleep(max(0.0, begins_at - time.perf_counter()))
            asked.append(asyncio.create_task(ask(client, begins_at)))
        await asyncio.gather(*asked)
    return seen


def tell_percentiles(taken_ms: Sequence[float]) -> str:
    told = (f"p{percent} {nearest_rank(taken_ms, percent):.1f} ms" for percent in _PERCENTS)
    return "  ".join(told)


def times_in_log(log: Path) -> list[float]:
    """Milliseconds that the server itself took for contexts, by its log."""
    lines = [line for line in log.read_text().splitlines() if " GET /context/" in line]
    return [float(line.split()[-2]) for line in lines]


def nearest_rank(values: Sequence[float], percent: float) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def resources_of(pid: int) -> str:
    """Seconds of CPU and the peak memory of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    peak = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line
    )
    return f"{seconds:.1f} s of CPU, {int(peak.split()[1]) / 1024:.0f} MB at most"


def measure(folder: Path, users: int, rate: float, seconds: float, *, is_publishing: bool) -> None:
    yesterday = days_now().yesterday
    publish_profiles(folder, [name_of(number) for number in range(users)], yesterday)
    # The second one makes the file that later ones bring up to date.
    publish_profiles(folder, [name_of(number) for number in range(users)], yesterday, 60.0)
    with redis_server(folder) as redis:
        fill_redis(redis, users)
        with served(folder, redis.url) as server:
            asyncio.run(drive(server, users, rate, _WARM_SECONDS))
            before = os.getloadavg()[0]
            publishing = None
            if is_publishing:
                shell = ["/bin/sh", "-c", f'sleep {seconds / 2}; exec "$@"', "-", sys.executable]
                publishing = subprocess.Popen([*shell, "-c", _PUBLISH, str(folder), str(users)])
            seen = asyncio.run(drive(server, users, rate, seconds))
            used = resources_of(server.process.pid)
            if publishing is not None:
                publishing.wait()
    within = sum(one <= 20 for one in seen.taken_ms) / len(seen.taken_ms)
    print(
        f"{users:,} users, {rate:g} requests a second, {seconds:g} s: {len(seen.taken_ms)} answers"
    )
    print(f"  {tell_percentiles(seen.taken_ms)}  most {max(seen.taken_ms):.1f} ms")
    print(f"  within 20 ms {within:.2%}")
    print(f"  answered {dict(seen.answers)}")
    print(f"  within the server {tell_percentiles(times_in_log(folder / 'serve.log'))}")
    print(f"  server {used}; load {before:.1f} before, {os.getloadavg()[0]:.1f} after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(
            Path(folder),
            options.users,
            options.rate,
            options.seconds,
            is_publishing=options.publish,
        )


if __name__ == "__main__":
    main()
