"""What is counted as it comes is what the batch run counts, of dirty events too."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from harvey_pipeline.live.keys import SUMS, read_live, read_totals
from harvey_pipeline_tests.conversations.landings import (
    COLUMNS,
    EVENTS,
    FIRST,
    Delivery,
    DirtyLanding,
    days_from,
)
from harvey_pipeline_tests.conversations.runs import pipeline_of
from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.live.streams import (
    Place,
    consuming,
    live_of,
    new_place,
    new_server,
    send,
    wait_for,
)

pytestmark = pytest.mark.services

DAYS: Final = 24
STREAMED: Final = days_from(FIRST, DAYS)[-4:]
TABLES: Final = (
    "raw.raw_conversation_events",
    "conversations.conversation_daily",
    "conversations.user_daily",
)


class JsonLines(DirtyLanding):
    """Dirty events, of which each drop is JSON lines."""

    def _write(self, source: str, name: str, rows: Sequence[Delivery]) -> None:
        path = self.root / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._json_lines(COLUMNS[source], rows), encoding="utf-8")


def test_live_sums_are_those_of_the_batch_run(tmp_path: Path) -> None:
    """Days as they were delivered, late events of the day before and rejected ones among them."""
    dirty = JsonLines(tmp_path / "made", 7, (EVENTS,))
    dirty.deliver(days_from(FIRST, DAYS))
    server = new_server(tmp_path / "redis")
    entries = 0
    with server.running() as client:
        for day in STREAMED:
            noon = datetime(day.year, day.month, day.day, 12, 0, 0)
            place = Place(tmp_path / "place", server, FIRST, Clock.at(noon))
            if not place.folder.exists():
                place = new_place(tmp_path / "place", server, FIRST, Clock.at(noon))
            text = (tmp_path / "made" / EVENTS / f"{day}.jsonl").read_text(encoding="utf-8")
            events = text.split("\n")[:-1]
            assert len(events) > 30
            # A few at a time, so that users come in several batches.
            with consuming(place) as consumer:
                for start in range(0, len(events), 20):
                    send(client, *events[start : start + 20])
                    wait_for(client, entries + len(events[: start + 20]))
                entries += len(events)
                wait_for(client, entries)
                assert consumer.stop() == 0
        pipeline = pipeline_of(place.landing, tmp_path, STREAMED[-1], FIRST)
        pipeline.run(STREAMED[0], STREAMED[-1], *TABLES)
        daily = pipeline.rows("conversations.user_daily")
        assert {row["date"] for row in daily} == set(STREAMED)
        assert any(row["sharing_events"] for row in daily)
        assert any(row["refusals"] for row in daily)
        assert any(row["creations"] for row in daily)
        rejected = pipeline.warehouse.query(
            "select count(*) from raw.quarantine where action = 'rejected'"
        )
        assert rejected[0][0] > 10
        for day in STREAMED:
            of_day = {row["user_id"]: row for row in daily if row["date"] == day}
            assert live_of(client, day).keys() == of_day.keys()
            for user, row in of_day.items():
                assert_agrees(client, user, day, row)
            totals = read_totals(client, day)
            assert totals.pop("users") == len(of_day)
            assert totals == {name: sum(row[name] for row in of_day.values()) for name in SUMS}
        user = daily[-1]["user_id"]
        several = read_live(client, user, STREAMED)
        assert several is not None
        own = [row for row in daily if row["user_id"] == user]
        assert several.sums["events"] == sum(row["events"] for row in own)


def assert_agrees(client: Any, user: str, day: date, row: dict[str, Any]) -> None:
    live = read_live(client, user, [day])
    assert live is not None
    assert dict(live.sums) == {name: row[name] for name in SUMS}, user
    assert datetime.fromisoformat(live.first_event_at[:-1]) == row["first_event_at"]
    assert datetime.fromisoformat(live.last_event_at[:-1]) == row["last_event_at"]
