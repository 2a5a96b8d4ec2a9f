"""From an event that comes to what is told of its user: `harvey stream`, Redis, `harvey serve`."""

from datetime import timedelta
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.live.streams import consuming, event, new_place, new_server, send
from harvey_pipeline_tests.service.asking import in_time, ok, settled
from harvey_pipeline_tests.service.published_profiles import days_now, publish_profiles
from harvey_pipeline_tests.service.servers import served

pytestmark = pytest.mark.services


def test_events_of_today_are_told_with_the_profile_of_yesterday(tmp_path: Path) -> None:
    days = days_now()
    redis = new_server(tmp_path / "redis")
    place = new_place(tmp_path / "place", redis, days.today - timedelta(days=30))
    publish_profiles(place.folder, ["ana"], days.yesterday)
    call = {"tool": "case_search", "success": True, "credits": 3}
    # Moments just after midnight are not in the future at any time of the day.
    events = (
        event(1, f"{days.yesterday}T23:59:59Z", "ana"),
        event(2, f"{days.today}T00:00:00Z", "ana"),
        event(3, f"{days.today}T00:00:00.250Z", "new"),
        event(4, f"{days.today}T00:00:00.500Z", "ana", event_type="tool_call", content=call),
    )
    with (
        redis.running() as client,
        consuming(place),
        served(place.folder, redis.url) as server,
    ):
        send(client, *events, events[1])
        wait_until(
            lambda: ok(in_time(lambda: server.ask("/today")))["events"] == 3, 30, look_seconds=0.1
        )
        ana, new = settled(server, "ana", "ok"), settled(server, "new", "ok")
        today = ok(in_time(lambda: server.ask("/today")))
    # The event of yesterday is in the profile's day, and what came twice counts once.
    assert (ana["as_of"], ana["live"]["events"]) == (f"{days.yesterday}", 2)
    assert (ana["live"]["user_messages"], ana["live"]["tool_calls"]) == (1, 1)
    assert ana["live"]["tool_name"] == "case_search"
    assert ana["live"]["first_event_at"] == f"{days.today}T00:00:00.000000Z"
    assert ana["live"]["last_event_at"] == f"{days.today}T00:00:00.500000Z"
    assert (new["profile"], new["live"]["conversation_id"]) == (None, "c-new")
    assert (today["users"], today["messages"], today["tool_calls"]) == (2, 2, 1)
