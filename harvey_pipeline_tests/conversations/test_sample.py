"""The sample: small, the same whenever it is made, believable, and dirty where it shall be."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline.conversations.sample import SOURCE_NAMES, prepare_sample, write_sample
from harvey_pipeline.conversations.sample_spec import SampleSpec

DATA = Path(__file__).parents[2] / "data"
SPEC = SampleSpec()
MOST_BYTES = 62_000
DAYS = [SPEC.day(number) for number in range(SPEC.days)]

Record = Mapping[str, Any]
Drops = Mapping[date, list[Any]]
"""By day of the file its lines: objects, other JSON, or text that is no JSON."""


def read_line(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return line


def read_drops(landing: Path, name: str) -> Drops:
    drops = {}
    for path in sorted((landing / name).iterdir()):
        body = path.read_bytes()
        text = (gzip.decompress(body) if path.suffix == ".gz" else body).decode()
        drops[date.fromisoformat(path.name[:10])] = [read_line(one) for one in text.splitlines()]
    return drops


def records_of(drops: Drops) -> list[Record]:
    return [one for lines in drops.values() for one in lines if isinstance(one, dict)]


def moment(record: Record, name: str = "timestamp") -> datetime:
    return datetime.strptime(record[name], "%Y-%m-%dT%H:%M:%SZ")


def messages_of(events: list[Record]) -> list[str]:
    return [one["content"]["message"] for one in events if one["event_type"] == "message"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    write_sample(out, SPEC)
    return out


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clean")
    write_sample(out, SampleSpec(dirty=0))
    return out


@pytest.fixture(scope="module")
def events(clean: Path) -> list[Record]:
    return records_of(read_drops(clean, "conversation_events"))


@pytest.fixture(scope="module")
def accounts(clean: Path) -> Drops:
    return read_drops(clean, "accounts")


# --- files -------------------------------------------------------------------------------------


def test_it_is_small_and_of_json_lines(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {path.parent.name for path in files} == set(SOURCE_NAMES)
    assert {"".join(path.suffixes) for path in files} == {".jsonl.gz"}


def test_events_come_daily_and_accounts_on_mondays(made: Path) -> None:
    assert list(read_drops(made, "conversation_events")) == DAYS
    assert list(read_drops(made, "accounts")) == [day for day in DAYS if day.weekday() == 0]


def test_accounts_come_on_a_first_day_that_is_no_monday_too(tmp_path: Path) -> None:
    write_sample(tmp_path, SampleSpec(days=6, start=date(2024, 4, 3)))
    drops = read_drops(tmp_path, "accounts")
    assert list(drops) == [date(2024, 4, 3), date(2024, 4, 8)]


def test_equal_specs_give_equal_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def contents(seed: int, folder: str) -> dict[Path, bytes]:
        write_sample(tmp_path / folder, SampleSpec(days=3, seed=seed))
        files = (path for path in (tmp_path / folder).rglob("*") if path.is_file())
        return {path.relative_to(tmp_path / folder): path.read_bytes() for path in files}

    once, other = contents(7, "once"), contents(8, "other")
    assert once == contents(7, "again")
    assert once.keys() == other.keys()
    assert all(once[path] != other[path] for path in once)


def test_the_data_is_what_is_made(made: Path) -> None:
    files = {path.relative_to(made): path for path in made.rglob("*") if path.is_file()}
    landed = {
        path.relative_to(DATA / "landing")
        for name in SOURCE_NAMES
        for path in (DATA / "landing" / name).iterdir()
    }
    assert landed == files.keys()
    different = [
        name
        for name, path in files.items()
        if gzip.decompress(path.read_bytes())
        != gzip.decompress((DATA / "landing" / name).read_bytes())
    ]
    assert different == []


@pytest.mark.parametrize(("per_day", "least", "most"), [(220, 12, 22), (3_667, 170, 240)])
def test_talk_grows_with_the_events_a_day(
    tmp_path: Path, per_day: int, least: int, most: int
) -> None:
    prepare_sample(tmp_path, {"days": 14, "events_per_day": per_day})(lambda _: None)
    lines = [line for drop in read_drops(tmp_path, "conversation_events").values() for line in drop]
    assert least <= len(lines) / 14 <= most


def test_any_size_can_be_had_and_no_two_samples_are_mixed(tmp_path: Path) -> None:
    done: list[date] = []
    sizes = {"days": 2, "events_per_day": 20, "users": 20, "firms": 5, "seed": 1}
    written = prepare_sample(tmp_path, sizes)(done.append)
    assert done == written.days == [date(2024, 4, 1), date(2024, 4, 2)]
    with pytest.raises(FileExistsError, match="already holds drops"):
        prepare_sample(tmp_path, {"days": 2})


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_some_texts_are_as_long_as_wanted(tmp_path: Path, percent: int) -> None:
    write_sample(tmp_path, SampleSpec(days=1, events=2_000, dirty=0, long_percent=percent))
    said = messages_of(records_of(read_drops(tmp_path, "conversation_events")))
    lengths = Counter(len(one) == 500 for one in said)
    assert abs(100 * lengths[True] / len(said) - percent) < 5


# --- accounts ------------------------------------------------------------------------------------


def test_about_sixty_people_have_accounts_and_only_they_talk(
    events: list[Record], accounts: Drops
) -> None:
    ids = {one["user_id"] for one in records_of(accounts)}
    assert 55 <= len(ids) <= 60
    assert {one["user_id"] for one in events} <= ids
    assert all(one.startswith("user-") for one in ids)


def test_nobody_is_listed_or_talks_before_signing_up(events: list[Record], accounts: Drops) -> None:
    created = {one["user_id"]: moment(one, "created") for one in records_of(accounts)}
    assert all(moment(one) > created[one["user_id"]] for one in events)
    for day, lines in accounts.items():
        assert all(moment(one, "created").date() <= day for one in lines)


def test_who_signs_up_within_the_days_talks_on_the_first(
    events: list[Record], accounts: Drops
) -> None:
    created = {one["user_id"]: moment(one, "created").date() for one in records_of(accounts)}
    new = {user: day for user, day in created.items() if day >= SPEC.start}
    assert 15 <= len(new) <= 35
    talked = {(one["user_id"], moment(one).date()) for one in events}
    assert new.items() <= talked


def test_a_limit_is_raised_an_address_changes_and_somebody_goes(accounts: Drops) -> None:
    values = ("email", "credit_limit")
    seen = {
        name: {(one["user_id"], one.get(name)) for one in records_of(accounts)} for name in values
    }
    changed = {
        name: [user for user, count in Counter(user for user, _ in pairs).items() if count > 1]
        for name, pairs in seen.items()
    }
    assert len(changed["email"]) == 1
    assert changed["credit_limit"]
    last = {one["user_id"] for one in accounts[max(accounts)]}
    assert len({one["user_id"] for one in records_of(accounts)} - last) == 1


# --- talk ----------------------------------------------------------------------------------------


def test_events_have_ids_of_their_own_and_the_contract_s_keys(events: list[Record]) -> None:
    ids = [one["id"] for one in events]
    repeated = [one for one, count in Counter(ids).items() if count > 1]
    assert repeated == []
    needed = {"id", "conversation_id", "user_id", "timestamp", "event_type"}
    assert all(needed <= one.keys() for one in events)
    assert {one["event_type"] for one in events} == {"message", "tool_call", "error", "completion"}


def test_stories_hold_love_frustration_requests_sharing_and_refusals(
    events: list[Record],
) -> None:
    said = messages_of(events)
    for words in ("I love this", "not working", "wrong", "Can you add", "I wish", "Share this"):
        assert any(words in one for one in said), words
    errors = [one["content"]["error"] for one in events if "error" in one.get("content", {})]
    assert any(isinstance(one, dict) for one in errors)
    refusals = [
        one
        for one in events
        if one.get("content", {}).get("error", "")
        and str(one["content"]["error"]).startswith("Insufficient credits")
    ]
    assert refusals
    assert all(moment(one).day >= 18 for one in refusals)
    assert all(one["success"] is False for one in refusals)


def test_successful_calls_cost_credits_and_failed_ones_nothing(events: list[Record]) -> None:
    calls = [one for one in events if one["event_type"] == "tool_call"]
    assert {one["success"] for one in calls} == {True, False}
    for one in calls:
        assert one["tool_name"]
        assert ("credits_consumed" in one) == one["success"]


def test_conversations_are_of_one_user_and_some_go_on_days_later(events: list[Record]) -> None:
    users: dict[str, set[str]] = {}
    days: dict[str, set[date]] = {}
    for one in events:
        users.setdefault(one["conversation_id"], set()).add(one["user_id"])
        days.setdefault(one["conversation_id"], set()).add(moment(one).date())
    assert {len(some) for some in users.values()} == {1}
    gaps = {
        (later - earlier).days
        for name, some in days.items()
        if name.startswith("c")
        for earlier, later in zip(sorted(some), sorted(some)[1:], strict=False)
    }
    assert gaps == {3, 10}
    threads = [some for name, some in days.items() if name.startswith("thread")]
    assert max(map(len, threads)) > 10


def test_a_conversation_s_events_follow_one_another(events: list[Record]) -> None:
    """The first event of a day's part is a message of the user, and ids are in order of time."""
    by_day: dict[date, list[Record]] = {}
    for one in events:
        by_day.setdefault(moment(one).date(), []).append(one)
    for day, some in by_day.items():
        ordered = sorted(some, key=lambda one: int(one["id"].partition("-")[2]))
        assert [moment(one) for one in ordered] == sorted(moment(one) for one in some)
        first = {one["conversation_id"]: one for one in reversed(ordered)}
        roles = {one["content"]["role"] for one in first.values()}
        assert roles == {"user"}, day


def test_a_few_events_come_a_day_late(clean: Path) -> None:
    drops = read_drops(clean, "conversation_events")
    delays = Counter(day - moment(one).date() for day, lines in drops.items() for one in lines)
    assert set(delays) == {timedelta(0), timedelta(days=1)}
    assert delays[timedelta(days=1)] < delays[timedelta(0)] / 20


def test_weekends_are_quiet(events: list[Record]) -> None:
    weekdays = Counter(moment(one).weekday() for one in events)
    assert weekdays[5] + weekdays[6] < weekdays[1]


# --- dirt ----------------------------------------------------------------------------------------


def flaws_of(name: str, line: Any) -> set[str]:
    """What of a line breaks the contract, or is only just within it."""
    if not isinstance(line, dict):
        return {"line"}
    missing = {
        "conversation_events": ("id", "conversation_id", "user_id"),
        "accounts": ("user_id",),
    }[name]
    found = {one for one in missing if not line.get(one, "").strip()}
    if line.get("timestamp", "2") == "yesterday" or line.get("created", "2") == "last spring":
        found.add("moment")
    if line.get("event_type", "message") in ("typing", " Message "):
        found.add("event_type")
    if not isinstance(line.get("content", {}), dict):
        found.add("content")
    for key, kind in (("success", bool), ("credits_consumed", int), ("credit_limit", int)):
        if not isinstance(line.get(key, kind()), kind):
            found.add(key)
    return found


def test_events_are_broken_in_many_ways_and_accounts_in_some(made: Path) -> None:
    kinds = {
        name: {
            flaw
            for lines in read_drops(made, name).values()
            for line in lines
            for flaw in flaws_of(name, line)
        }
        for name in SOURCE_NAMES
    }
    assert len(kinds["conversation_events"]) >= 6
    assert kinds["accounts"] == {"user_id", "credit_limit", "moment"}


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_no_file_has_more_than_one_broken_row_in_twenty_one(made: Path, name: str) -> None:
    for lines in read_drops(made, name).values():
        broken = [line for line in lines if flaws_of(name, line)]
        assert len(broken) <= len(lines) / 21


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_without_dirt_no_row_is_broken(clean: Path, name: str) -> None:
    lines = [line for drop in read_drops(clean, name).values() for line in drop]
    assert [line for line in lines if flaws_of(name, line)] == []


def test_of_a_broken_account_the_sound_one_stands_too(made: Path, clean: Path) -> None:
    sound = read_drops(clean, "accounts")
    for day, lines in read_drops(made, "accounts").items():
        assert [line for line in lines if not flaws_of("accounts", line)] == sound[day]


def test_some_events_are_delivered_twice_in_a_file(made: Path) -> None:
    repeats = 0
    for lines in read_drops(made, "conversation_events").values():
        ids = [one["id"] for one in lines if isinstance(one, dict) and one.get("id")]
        repeats += len(ids) - len(set(ids))
    assert repeats > 3
