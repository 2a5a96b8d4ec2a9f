"""What `harvey stream` makes good, finds wrong, leaves out and refuses."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from harvey_pipeline.landing.erased import Tombstones, tombstones_path
from harvey_pipeline_tests.cli.commands import assert_refused
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
    wait_for,
    wait_for_text,
)

pytestmark = pytest.mark.services


def test_lost_sums_come_back_from_the_files(place: Place, client: Any) -> None:
    yesterday = DAY - timedelta(days=1)
    place.file_of(yesterday).parent.mkdir()
    place.file_of(yesterday).write_text(event(0, f"{yesterday}T10:00:00Z", "u9") + "\n")
    send(client, event(1, NOON), event(2, f"{yesterday}T23:00:00Z"), event(1, NOON), "odd")
    take(place, client, 4)
    before = {day: live_of(client, day) for day in (yesterday, DAY)}
    assert [before[yesterday][user]["events"] for user in ("u1", "u9")] == ["1", "1"]
    client.delete(*client.keys("harvey:live:*"), *client.keys("harvey:ids:*"))
    done = place.harvey("--rebuild")
    assert done.returncode == 0, done.stderr
    assert "4 lines" in done.stdout
    assert {day: live_of(client, day) for day in (yesterday, DAY)} == before
    assert counters(client, DAY) == {"entries_read": 4, "lines_appended": 3, "duplicates": 1}
    assert place.harvey("--verify", str(DAY)).returncode == 0


def test_sums_that_redis_has_lost_altogether_are_caught_up_at_the_start(
    place: Place, client: Any
) -> None:
    send(client, event(1, NOON), event(2, NOON))
    take(place, client, 2)
    client.flushall()
    send(client, event(3, NOON))
    assert "Lines of 2024-02-28 brought into the sums from the file: 2" in take(place, client, 1)
    assert live_of(client, DAY)["u1"]["events"] == "3"
    assert place.harvey("--verify", str(DAY)).returncode == 0


def test_lines_that_are_counted_again_add_nothing(place: Place, client: Any) -> None:
    """An id that is in the sums is not added twice, whatever was forgotten besides."""
    send(client, event(1, NOON), event(2, NOON))
    take(place, client, 2)
    client.delete(f"harvey:stream:{DAY}")
    send(client, event(3, NOON))
    take(place, client, 3)
    assert live_of(client, DAY)["u1"]["events"] == "3"
    assert client.hgetall(f"harvey:live:{DAY}")["events"] == "3"
    assert counters(client, DAY) == {"entries_read": 3, "lines_appended": 3, "duplicates": 0}


def test_lines_that_were_not_counted_are_found(place: Place, client: Any) -> None:
    send(client, event(1, NOON))
    take(place, client, 1)
    with place.file_of(DAY).open("a") as file:
        file.write(event(1, NOON) + "\n")
    found = place.harvey("--verify", str(DAY))
    assert found.returncode == 1
    assert "Lines counted: 1; lines in the file: 2" in found.stdout
    assert "Lines that repeat the id of another one: 1" in found.stdout
    assert_refused(place.harvey("--verify", "2024-02-20"), "nothing is known of 2024-02-20")
    assert_refused(place.harvey("--verify", "yesterday"), "--verify yesterday cannot be read")


def test_events_of_an_erased_person_do_not_count(place: Place, client: Any) -> None:
    """They are appended all the same, so that nothing is lost between the stream and the file."""
    tombstones = Tombstones.read(tombstones_path(place.folder / "data" / "warehouse.duckdb"))
    send(client, event(1, NOON, "gone"), event(2, NOON, "there"))
    with consuming(place) as consumer:
        wait_for(client, 2)
        assert live_of(client, DAY).keys() == {"gone", "there"}
        tombstones.add(["gone"], "the operator")
        client.delete(f"harvey:live:{DAY}:gone")
        send(client, event(3, NOON, " gone"), event(4, NOON, "there"), event(3, NOON, "gone"))
        wait_for(client, 5)
        assert consumer.stop() == 0
    assert len(place.lines(DAY)) == 4
    assert {user: live["events"] for user, live in live_of(client, DAY).items()} == {"there": "2"}
    assert place.harvey("--rebuild").returncode == 0
    assert {user: live["events"] for user, live in live_of(client, DAY).items()} == {"there": "2"}
    assert client.hgetall(f"harvey:live:{DAY}")["users"] == "1"


def test_a_day_with_another_drop_is_refused(place: Place, client: Any) -> None:
    send(client, event(1, NOON))
    folder = place.landing / STREAM
    folder.mkdir()
    (folder / f"{DAY}.csv.gz").touch()
    assert_refused_after_beginning(place, f"{STREAM}/{DAY}.csv.gz is the drop of {DAY} already")
    assert not place.file_of(DAY).exists()


def assert_refused_after_beginning(place: Place, message: str) -> None:
    refused = place.harvey()
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_landing_folder_that_cannot_be_appended_to_is_refused(place: Place) -> None:
    settings = {"HARVEY_LANDING_DIR": "s3://bucket/landing"}
    with consuming(place, settings=settings) as consumer:
        assert consumer.end() == 2
    assert "s3://bucket/landing is no folder of this machine" in consumer.text
    with consuming(place, settings={"HARVEY_LANDING_DIR": "nowhere"}) as consumer:
        assert consumer.end() == 2
    assert "landing folder nowhere does not exist" in consumer.text


def test_a_folder_that_is_written_cannot_be_rebuilt_from(place: Place) -> None:
    with consuming(place) as consumer:
        wait_for_text(consumer, "Reading")
        assert_refused(place.harvey("--rebuild"), "is at work", "Stop it")
        assert consumer.stop() == 0
    with suppress(FileNotFoundError):
        assert place.lines(DAY) == []
