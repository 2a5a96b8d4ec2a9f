"""Which lines of a day count, and why."""

import json
from datetime import date
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.live.reading import read_lines
from harvey_pipeline.live.rules import rules_of_days
from harvey_pipeline.settings import Settings

DAY: Final = date(2024, 2, 29)
BEFORE: Final = date(2024, 2, 28)


def settings_of(root: Path, start: date | None) -> Settings:
    return Settings(str(root), root / "warehouse.duckdb", start, None, 1.0)


def test_the_calendar_starts_as_it_is_set(tmp_path: Path) -> None:
    rules = rules_of_days(tmp_path, settings_of(tmp_path, date(2020, 1, 1)))
    assert rules(DAY) == DropRules(DAY, date(2020, 1, 1))


def test_without_a_setting_it_starts_with_the_first_drop_of_any_source(tmp_path: Path) -> None:
    rules = rules_of_days(tmp_path, settings_of(tmp_path, None))
    assert rules(DAY) == DropRules(DAY, DAY)
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "2024-02-01.csv").touch()
    (tmp_path / "accounts" / "2024-01-99.csv").touch()
    assert rules(DAY) == DropRules(DAY, date(2024, 2, 1))
    (tmp_path / "accounts" / "2024-01-31").mkdir()
    assert rules(DAY) == DropRules(DAY, date(2024, 1, 31))


def test_a_day_that_a_bulk_export_covers_takes_no_late_events(tmp_path: Path) -> None:
    bulk = tmp_path / "conversation_events.csv"
    bulk.write_text(
        "id,conversation_id,user_id,timestamp,event_type\n"
        "a,c,u,2024-02-01,message\nb,c,u,2024-02-28,message\n"
    )
    rules = rules_of_days(tmp_path, settings_of(tmp_path, None))
    assert rules(DAY) == DropRules(DAY, BEFORE, frozenset({BEFORE}))
    assert rules(date(2024, 3, 2)).covered_by_bulk == frozenset()
    (tmp_path / "conversation_events").mkdir()
    (tmp_path / "conversation_events" / "2024-02-28.csv").touch()
    assert rules(DAY).covered_by_bulk == frozenset()


def line(event_id: object, moment: str, **others: object) -> str:
    told = {"conversation_id": "c", "user_id": "u", "event_type": "message"}
    return json.dumps({"id": event_id, "timestamp": moment, **told, **others})


def test_lines_are_accepted_as_in_a_drop() -> None:
    lines = [
        line(" a ", "2024-02-29T10:00:00Z"),
        line("b", "2024-02-28T23:59:59.999999Z"),
        line("too late", "2024-02-27T23:59:59Z"),
        line("in the future", "2024-03-01T00:00:00Z"),
        line("with an offset", "2024-03-01T01:30:00+02:00"),
        '"text"',
        line(None, "2024-02-29T10:00:00Z"),
        line(5, "2024-02-29T10:00:00Z", success="perhaps", credits_consumed="x"),
        line("no type", "2024-02-29T10:00:00Z", event_type="else"),
        line("nobody", "2024-02-29T10:00:00Z", user_id=" "),
    ]
    read = read_lines(lines, DropRules(DAY, date(2024, 1, 1)))
    assert read.accepted["line"].to_list() == [0, 1, 4, 7]
    assert read.ids == [
        *("a", "b", "too late", "in the future", "with an offset"),
        *(None, None, "5", "no type", "nobody"),
    ]
