"""`harvey stream` as a process that is killed, waits, and goes on after midnight."""

import signal
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.faults.at_point import command
from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.live.streams import (
    DAY,
    NOON,
    Place,
    RedisServer,
    consuming,
    counters,
    event,
    live_of,
    new_place,
    send,
    take,
    wait_for,
    wait_for_text,
)

pytestmark = pytest.mark.services


NEXT: Final = date(2024, 2, 29)


def test_killed_between_append_and_acknowledge_writes_no_second_line(
    place: Place, client: Any
) -> None:
    send(client, *(event(number, NOON) for number in range(3)), "no object")
    with consuming(place, command=command("stream_lines_appended")) as killed:
        assert killed.end() == -signal.SIGKILL
    assert len(place.lines(DAY)) == 4
    assert live_of(client, DAY) == {}
    take(place, client, 4)
    assert len(place.lines(DAY)) == 4
    assert live_of(client, DAY)["u1"]["events"] == "3"
    # Read twice: once appended and killed, once found.
    assert counters(client, DAY) == {"entries_read": 8, "lines_appended": 4, "duplicates": 4}
    assert place.harvey("--verify", str(DAY)).returncode == 0


def test_killed_before_acknowledge_counts_nothing_twice(place: Place, client: Any) -> None:
    send(client, *(event(number, NOON, credits_consumed=2) for number in range(3)))
    with consuming(place, command=command("stream_sums_changed", 2)) as killed:
        wait_until(lambda: len(place.lines(DAY)) == 3, 60, 0.05)
        wait_for(client, 3)
        send(client, event(3, NOON, credits_consumed=5))
        assert killed.end() == -signal.SIGKILL
    assert live_of(client, DAY)["u1"]["credits_used"] == "11"
    take(place, client, 4)
    assert live_of(client, DAY)["u1"]["credits_used"] == "11"
    assert client.hgetall(f"harvey:live:{DAY}")["events"] == "4"
    assert counters(client, DAY) == {"entries_read": 5, "lines_appended": 4, "duplicates": 1}


def test_a_torn_last_line_is_cut_and_its_event_delivered_again(place: Place, client: Any) -> None:
    send(client, *(event(number, NOON) for number in range(3)))
    with consuming(place, command=command("stream_lines_appended")) as killed:
        assert killed.end() == -signal.SIGKILL
    path = place.file_of(DAY)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    take(place, client, 3)
    assert path.read_bytes() == whole
    assert live_of(client, DAY)["u1"]["events"] == "3"
    assert place.harvey("--verify", str(DAY)).returncode == 0


def test_an_event_of_the_last_second_goes_to_the_file_of_the_day_on_which_it_comes(
    place: Place, server: RedisServer, client: Any, tmp_path: Path
) -> None:
    clock = Clock.at(datetime(2024, 2, 28, 23, 59, 48))
    place = new_place(tmp_path / "midnight", server, DAY, clock)
    with consuming(place) as consumer:
        send(client, event(1, "2024-02-28T23:59:30Z"))
        wait_for(client, 1)
        wait_until(lambda: clock.now() >= datetime(2024, 2, 29, 0, 0, 1), 60, 0.05)
        # The first one comes once more, and is in yesterday's file.
        late = event(2, "2024-02-28T23:59:59.999999Z", "u2")
        send(client, late, event(1, "2024-02-28T23:59:30Z"))
        wait_for(client, 3)
        assert consumer.stop() == 0
    assert place.lines(DAY) == [event(1, "2024-02-28T23:59:30Z")]
    assert place.lines(NEXT) == [late]
    assert live_of(client, DAY).keys() == {"u1", "u2"}
    assert live_of(client, NEXT) == {}
    assert client.hgetall(f"harvey:live:{DAY}")["users"] == "2"
    assert counters(client, NEXT) == {"entries_read": 2, "lines_appended": 1, "duplicates": 1}


def test_of_two_consumers_one_waits_until_the_other_is_gone(place: Place, client: Any) -> None:
    with consuming(place) as first:
        wait_for_text(first, "Reading")
        with consuming(place) as second:
            wait_for_text(second, f"Waiting: process {first.process.pid} on ")
            send(client, event(1, NOON))
            wait_for(client, 1)
            assert "Reading" not in second.text
            first.process.kill()
            first.process.wait()
            send(client, event(1, NOON), event(2, NOON))
            wait_for(client, 3)
            assert second.stop() == 0
    assert place.lines(DAY) == [event(1, NOON), event(2, NOON)]


def test_a_waiting_consumer_can_be_stopped(place: Place) -> None:
    with consuming(place) as first:
        wait_for_text(first, "Reading")
        with consuming(place) as second:
            wait_for_text(second, "Waiting")
            assert second.stop(signal.SIGINT) == 0
        assert first.stop(signal.SIGINT) == 0
