"""`harvey stream` as a process: what it appends, what it counts, what it says."""

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from harvey_pipeline.landing.erased import Tombstones, tombstones_path
from harvey_pipeline_tests.cli.commands import assert_refused, wait_until
from harvey_pipeline_tests.faults.at_point import command
from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.live.streams import (
    STREAM,
    Place,
    RedisServer,
    consuming,
    counters,
    event,
    live_of,
    new_place,
    new_server,
    send,
    wait_for,
    wait_for_text,
)

pytestmark = pytest.mark.services

DAY: Final = date(2024, 2, 28)
NEXT: Final = date(2024, 2, 29)
NOON: Final = "2024-02-28T12:00:00Z"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = new_server(tmp_path_factory.mktemp("redis"))
    with server.running():
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    client = server.client
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def place(tmp_path: Path, server: RedisServer, client: Any) -> Place:
    assert client.ping()
    noon = datetime(2024, 2, 28, 12, 0, 0)
    return new_place(tmp_path / "place", server, date(2024, 1, 1), Clock.at(noon))


def take(place: Place, client: Any, entries: int, *arguments: str) -> str:
    """Have a consumer take in what there is, stop it, and return what it has printed."""
    with consuming(place, *arguments) as consumer:
        wait_for(client, entries)
        assert consumer.stop() == 0
    return consumer.text


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
    assert "Took over 1 entries" in printed
    assert sorted(place.lines(DAY)) == [event(1, NOON), event(2, NOON)]


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
    assert "2 lines of 2024-02-28 were not in the sums yet" in take(place, client, 1)
    assert live_of(client, DAY)["u1"]["events"] == "3"
    assert place.harvey("--verify", str(DAY)).returncode == 0


def test_lines_that_were_not_counted_are_found(place: Place, client: Any) -> None:
    send(client, event(1, NOON))
    take(place, client, 1)
    with place.file_of(DAY).open("a") as file:
        file.write(event(1, NOON) + "\n")
    found = place.harvey("--verify", str(DAY))
    assert found.returncode == 1
    assert "1 lines were counted, and the file has 2" in found.stdout
    assert "1 lines repeat the id of another one" in found.stdout
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
