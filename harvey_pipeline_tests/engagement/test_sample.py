"""The synthetic landing is deterministic, holds every case it promises, and can be all clean."""

import csv
import gzip
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from harvey_pipeline.engagement.sample import COLUMNS, SampleSpec, Source, write_sample

SHORT = SampleSpec(users=60, firms=6, days=14, events_per_day=60)
MISSING_DAY = date(2024, 5, 27)
HELD_UP_DAY = date(2024, 4, 29)

Fields = dict[str, str]


@dataclass
class Drop:
    """One file as lines and rows; a row with another number of fields than the header is None."""

    day: date
    raw: bytes
    lines: list[str]
    rows: list[Fields | None]

    @property
    def whole_rows(self) -> list[Fields]:
        return [row for row in self.rows if row is not None]


Landing = dict[Source, dict[date, Drop]]


def read_landing(out: Path) -> Landing:
    return {
        source: {drop.day: drop for drop in map(read_drop, sorted((out / source).iterdir()))}
        for source in COLUMNS
    }


def read_drop(path: Path) -> Drop:
    day = date.fromisoformat(path.name[:10])
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path).fill_null("")
        assert set(frame.dtypes) == {pl.String}
        return Drop(day, raw, [], list(frame.iter_rows(named=True)))
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    # No field of the sample holds a line break, so a line is a record.
    header, *lines = text.splitlines()
    names = [name.strip().lower() for name in header.split(",")]
    records = [next(csv.reader([line])) for line in lines if line]
    return Drop(
        day,
        raw,
        lines,
        [
            dict(zip(names, record, strict=True)) if len(record) == len(names) else None
            for record in records
        ],
    )


def files_of(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def default_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("default")
    write_sample(out, SampleSpec())
    return out


@pytest.fixture(scope="module")
def short_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("short")
    write_sample(out, SHORT)
    return out


@pytest.fixture(scope="module")
def dirty(default_tree: Path) -> Landing:
    return read_landing(default_tree)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    out = tmp_path_factory.mktemp("clean")
    write_sample(out, SampleSpec(dirty=0))
    return read_landing(out)


# --- Determinism and size -------------------------------------------------------------------


def test_same_spec_gives_equal_bytes_and_another_seed_others(
    short_tree: Path, tmp_path: Path
) -> None:
    write_sample(tmp_path / "again", SHORT)
    write_sample(tmp_path / "other", replace(SHORT, seed=8))

    once, other = files_of(short_tree), files_of(tmp_path / "other")
    assert once == files_of(tmp_path / "again")
    assert other.keys() == once.keys()
    assert all(other[name] != once[name] for name in once if name.startswith("events"))


def test_rows_stay_the_same_with_other_library_versions(short_tree: Path) -> None:
    """A change here changes every published sample: make it on purpose or not at all."""
    plain = b"".join(
        content for name, content in files_of(short_tree).items() if name.endswith("csv")
    )
    assert hashlib.sha256(plain).hexdigest()[:16] == "67174597b1aa154a"


def test_default_tree_is_small(default_tree: Path) -> None:
    assert sum(map(len, files_of(default_tree).values())) <= 3_000_000


def test_forms_mix(default_tree: Path) -> None:
    forms = Counter(name.split(".", 1)[1] for name in files_of(default_tree))

    assert forms == {"csv": 3 * 85, "csv.gz": 3 * 3, "parquet": 3 * 2}


def test_one_weekday_has_no_drop(default_tree: Path) -> None:
    days = {SampleSpec().day(number) for number in range(91)}

    for source in COLUMNS:
        delivered = {
            date.fromisoformat(path.name[:10]) for path in (default_tree / source).iterdir()
        }
        assert days - delivered == {MISSING_DAY}


@pytest.mark.parametrize("days", [1, 2, 13, 14])
def test_short_ranges_are_written_whole(tmp_path: Path, days: int) -> None:
    reported: list[date] = []

    write_sample(tmp_path, replace(SHORT, days=days), reported.append)

    assert reported == [SHORT.day(number) for number in range(days)]
    drops = days if days < 14 else days - 1
    assert len(files_of(tmp_path)) == 3 * drops


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", ["events/2024-04-01.csv", "users.csv.gz"])
def test_folder_with_drops_is_refused_and_left_alone(tmp_path: Path, existing: str) -> None:
    path = tmp_path / existing
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")

    with pytest.raises(FileExistsError, match=re.escape(existing)):
        write_sample(tmp_path, SHORT)

    assert files_of(tmp_path) == {existing: b"mine"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("users", 19, id="too-few-users"),
        pytest.param("users", 2_000_001, id="too-many-users"),
        pytest.param("firms", 4, id="too-few-firms"),
        pytest.param("days", 0, id="no-day"),
        pytest.param("events_per_day", 19, id="too-few-events"),
        pytest.param("seed", -1, id="negative-seed"),
        pytest.param("dirty", -0.01, id="negative-dirt"),
        pytest.param("dirty", 0.11, id="more-dirt-than-warnings-bear"),
        pytest.param("dirty", float("nan"), id="dirt-that-is-no-number"),
        pytest.param("start", date(1979, 12, 31), id="too-early"),
        pytest.param("start", date(2190, 12, 1), id="range-ends-too-late"),
    ],
)
def test_spec_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field}.*must"):
        SampleSpec(**{field: value})  # type: ignore[arg-type]


# --- The clean landing ----------------------------------------------------------------------


def test_clean_landing_keeps_the_contract(clean: Landing) -> None:
    patterns: dict[Source, dict[str, str]] = {
        "users": {
            "id": r"user-\d{3}",
            "created": r"\d{4}-\d\d-\d\d",
            "title": "(Junior |Senior )?Associate|Partner",
        },
        "firms": {
            "id": r"firm-\d\d",
            "created": r"\d{4}-\d\d-\d\d",
            "firm_size": r"\d+",
            "arr_in_thousands": r"\d+\.\d",
        },
        "events": {
            "created": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
            "firm_id": r"firm-\d\d",
            "user_id": r"user-\d{3}",
            "event_type": "ASSISTANT|VAULT|WORKFLOW",
            "num_docs": r"\d+",
            "feedback_score": r"[1-4](\.5)?|5",
            "event_id": r"e\d{6}-\d{3}",
        },
    }
    event_ids: list[str] = []
    for source, columns in patterns.items():
        for drop in clean[source].values():
            assert None not in drop.rows
            for row in drop.whole_rows:
                assert all(re.fullmatch(pattern, row[name]) for name, pattern in columns.items())
                assert date.fromisoformat(row["created"][:10]) <= drop.day
    for day, drop in clean["events"].items():
        users = {row["id"] for row in clean["users"][day].whole_rows}
        created = Counter(row["created"][:10] for row in drop.whole_rows)
        assert set(created) <= {str(day), str(day - timedelta(days=1))}
        on_time = [row for row in drop.whole_rows if row["created"][:10] == str(day)]
        assert users >= {row["user_id"] for row in on_time}
        event_ids += [row["event_id"] for row in drop.whole_rows]
    for source in ("users", "firms"):
        for drop in clean[source].values():
            assert max(Counter(row["id"] for row in drop.whole_rows).values()) == 1
    assert max(Counter(event_ids).values()) == 1


def test_late_events_arrive_a_day_later(clean: Landing) -> None:
    late = {
        day: sum(row["created"][:10] < str(day) for row in drop.whole_rows)
        for day, drop in clean["events"].items()
    }
    held_up = late.pop(HELD_UP_DAY + timedelta(days=1))

    assert late[SampleSpec().start] == 0
    assert held_up > len(clean["events"][HELD_UP_DAY].rows)
    assert 0 < sum(late.values()) < 0.02 * sum(len(d.rows) for d in clean["events"].values())


def test_activity_is_heavy_tailed_and_grows(clean: Landing) -> None:
    days: dict[str, set[str]] = defaultdict(set)
    documents: Counter[str] = Counter()
    volume: Counter[str] = Counter()
    for drop in clean["events"].values():
        for row in drop.whole_rows:
            day = row["created"][:10]
            volume[day] += 1
            if day < "2024-05-01":
                days[row["user_id"]].add(day)
                documents[row["user_id"]] += int(row["num_docs"])

    everyone = {row["id"] for row in clean["users"][date(2024, 4, 30)].whole_rows}
    power = {user for user in days if len(days[user]) >= 20 and documents[user] >= 100}
    light = {user for user in days if len(days[user]) <= 4}
    assert 3 <= len(power) <= 0.1 * len(everyone) < len(light)
    assert len(everyone - set(days)) > 0.1 * len(everyone)
    assert volume["2024-04-06"] < 0.7 * volume["2024-04-05"]
    assert volume["2024-04-03"] < volume["2024-06-26"] < 1.5 * volume["2024-04-03"]


def test_history_has_changes_to_record(clean: Landing) -> None:
    titles: dict[str, list[str]] = defaultdict(list)
    presence: dict[str, list[date]] = defaultdict(list)
    contracts: dict[str, set[tuple[str, str]]] = defaultdict(set)
    employers: dict[str, list[str]] = defaultdict(list)
    for day, drop in clean["users"].items():
        for row in drop.whole_rows:
            titles[row["id"]].append(row["title"])
            presence[row["id"]].append(day)
        firms = clean["firms"][day].whole_rows
        for row in firms:
            contracts[row["id"]].add((row["firm_size"], row["arr_in_thousands"]))
        for row in clean["events"][day].whole_rows:
            employers[row["user_id"]].append(row["firm_id"])
    snapshots = list(clean["users"].values())

    promotions = {step for run in titles.values() for step in pairwise(run) if step[0] != step[1]}
    assert promotions >= {
        ("Junior Associate", "Associate"),
        ("Associate", "Senior Associate"),
        ("Senior Associate", "Partner"),
    }
    joiners = [user for user, seen in presence.items() if seen[0] > snapshots[0].day]
    leavers = [user for user, seen in presence.items() if seen[-1] < snapshots[-1].day]
    returners = [
        user
        for user, seen in presence.items()
        if any((after - before).days > 2 for before, after in pairwise(seen))
    ]
    assert len(joiners) >= 5
    assert len(leavers) >= 3
    assert returners == ["user-008", "user-009"]
    assert any(len(versions) > 1 for versions in contracts.values())
    assert {row["id"] for row in snapshots_of(clean, "firms", 0)} - {
        row["id"] for row in snapshots_of(clean, "firms", -1)
    } == {"firm-12"}
    assert sum(a != b for a, b in pairwise(employers["user-001"])) > 10
    assert sum(a != b for a, b in pairwise(employers["user-002"])) == 1
    assert all(len(after.rows) >= 0.95 * len(before.rows) for before, after in pairwise(snapshots))


def snapshots_of(landing: Landing, source: Source, position: int) -> list[Fields]:
    return list(landing[source].values())[position].whole_rows


# --- The dirty landing ----------------------------------------------------------------------


def field_is(source: Source, column: str, pattern: str) -> Callable[[Landing], bool]:
    matches = re.compile(pattern).fullmatch
    return lambda landing: any(
        matches(row[column]) for drop in landing[source].values() for row in drop.whole_rows
    )


def line_has(source: Source, fields: int) -> Callable[[Landing], bool]:
    """Hold if a line whose quotes are closed has this number of fields."""
    return lambda landing: any(
        len(next(csv.reader([line]))) == fields
        for drop in landing[source].values()
        for line, row in zip(filter(None, drop.lines), drop.rows, strict=False)
        if row is None and line.count('"') % 2 == 0
    )


def any_drop(source: Source, holds: Callable[[Drop], bool]) -> Callable[[Landing], bool]:
    return lambda landing: any(map(holds, landing[source].values()))


def dated(source: Source, holds: Callable[[date, date], bool]) -> Callable[[Landing], bool]:
    """Hold if `holds(date of an ISO timestamp, day of its drop)` for a row."""

    def found(landing: Landing) -> bool:
        return any(
            holds(date.fromisoformat(row["created"][:10]), drop.day)
            for drop in landing[source].values()
            for row in drop.whole_rows
            if re.match(r"20\d\d-(?!02-30)\d\d-\d\d", row["created"])
        )

    return found


def repeats(source: Source, *columns: str) -> Callable[[Landing], bool]:
    """Hold if a drop has two rows alike in these columns, none of them blank."""

    def holds(drop: Drop) -> bool:
        keys = Counter(tuple(row[column] for column in columns) for row in drop.whole_rows)
        return any(count > 1 and all(key) for key, count in keys.items())

    return any_drop(source, holds)


def repeats_without_id(drop: Drop) -> bool:
    rows = Counter(tuple(row.values()) for row in drop.whole_rows if row["event_id"] == "")
    return max(rows.values(), default=0) > 1


def same_event_in_two_drops(landing: Landing) -> bool:
    drops: dict[tuple[str, str], set[date]] = defaultdict(set)
    for drop in landing["events"].values():
        for row in drop.whole_rows:
            drops[row["event_id"], row["created"][:10]].add(drop.day)
    return any(len(days) > 1 and event_id for (event_id, _), days in drops.items())


def unlisted(column: str, source: Source) -> Callable[[Landing], bool]:
    def found(landing: Landing) -> bool:
        listed = {row["id"].strip() for d in landing[source].values() for row in d.whole_rows}
        used = {row[column].strip() for d in landing["events"].values() for row in d.whole_rows}
        return len(used - listed - {""}) > 0

    return found


def event_before_account(landing: Landing) -> bool:
    created = {row["id"]: row["created"] for row in snapshots_of(landing, "users", -1)}
    return any(
        row["created"][:10] < created.get(row["user_id"], "")
        for drop in landing["events"].values()
        for row in drop.whole_rows
        if row["created"].startswith("2024-")
    )


WAYS: dict[str, Callable[[Landing], bool]] = {
    "user id missing in a snapshot": field_is("users", "id", " *"),
    "user created missing": field_is("users", "created", ""),
    "user created unreadable": field_is("users", "created", "yesterday"),
    "user created on no day": field_is("users", "created", "2024-02-30"),
    "user created in year 1": field_is("users", "created", "0001-.*"),
    "user created in year 9999": field_is("users", "created", "9999-.*"),
    "user created after the drop": dated("users", lambda at, drop: at > drop),
    "user created in US style": field_is("users", "created", r"\d\d?/\d\d?/\d{4}"),
    "user created with offset": field_is("users", "created", r".*T.*\+02:00"),
    "user title unknown": field_is("users", "title", "Of Counsel"),
    "user title blank": field_is("users", "title", ""),
    "user id in blanks": field_is("users", "id", r" +user.* +"),
    "user id in unicode": field_is("users", "id", "user-Zoë-Ł-愛"),
    "user id with quote and comma": field_is("users", "id", 'user-"Bo", Esq.'),
    "user line too short": line_has("users", 2),
    "user line too long": line_has("users", 4),
    "user twice, alike": repeats("users", "id", "created", "title"),
    "user twice, other created": any_drop(
        "users",
        lambda d: (
            len({r["id"] for r in d.whole_rows if r["id"]})
            < len({(r["id"], r["created"]) for r in d.whole_rows if r["id"]})
        ),
    ),
    "firm created missing": field_is("firms", "created", ""),
    "firm created unreadable": field_is("firms", "created", "yesterday"),
    "firm created in year 1": field_is("firms", "created", "0001-.*"),
    "firm created in year 9999": field_is("firms", "created", "9999-.*"),
    "firm created after the drop": dated("firms", lambda at, drop: at > drop),
    "firm size missing": field_is("firms", "firm_size", ""),
    "firm size with exponent": field_is("firms", "firm_size", "1e3"),
    "firm size with separator": field_is("firms", "firm_size", "1,000"),
    "firm size negative": field_is("firms", "firm_size", "-.*"),
    "arr missing": field_is("firms", "arr_in_thousands", ""),
    "arr unreadable": field_is("firms", "arr_in_thousands", "n/a"),
    "arr negative": field_is("firms", "arr_in_thousands", "-.*"),
    "firm line too short": line_has("firms", 3),
    "firm line too long": line_has("firms", 5),
    "firm twice": repeats("firms", "id"),
    "firm id like an attack": field_is("firms", "id", re.escape("x'); drop table y;--")),
    "event user missing": field_is("events", "user_id", " *"),
    "event firm missing": field_is("events", "firm_id", " *"),
    "event time missing": field_is("events", "created", ""),
    "event time unreadable": field_is("events", "created", "yesterday"),
    "event time on no day": field_is("events", "created", "2024-02-30"),
    "event in year 1": field_is("events", "created", "0001-.*"),
    "event in year 9999": field_is("events", "created", "9999-.*"),
    "event after its drop": dated("events", lambda at, drop: at > drop),
    "event older than the late window": dated("events", lambda at, drop: (drop - at).days > 1),
    "event before the first day": dated("events", lambda at, _: at < SampleSpec().start),
    "event in US style": field_is("events", "created", r"\d\d?/\d\d?/2024 \d\d?:\d\d:\d\d"),
    "event in US style to the minute": field_is("events", "created", r"\d\d?/.*/2024 \d\d?:\d\d"),
    "event with Z": field_is("events", "created", ".*T.*Z"),
    "event with offset": field_is("events", "created", r".*T.*\+02:00"),
    "event with short offset": field_is("events", "created", r".*\.000-0500"),
    "event type missing": field_is("events", "event_type", " *"),
    "event type unknown": field_is("events", "event_type", "RESEARCH"),
    "event type in odd case with blanks": field_is("events", "event_type", " [A-Z][a-z]+ "),
    "documents missing": field_is("events", "num_docs", ""),
    "documents with exponent": field_is("events", "num_docs", "1e3"),
    "documents with separator": field_is("events", "num_docs", "1,000"),
    "documents negative": field_is("events", "num_docs", "-.*"),
    "documents not whole": field_is("events", "num_docs", r"2\.5"),
    "documents beyond nine digits": field_is("events", "num_docs", r"\d{10}"),
    "feedback missing": field_is("events", "feedback_score", ""),
    "feedback 0": field_is("events", "feedback_score", "0"),
    "feedback 5.5": field_is("events", "feedback_score", r"5\.5"),
    "feedback 6": field_is("events", "feedback_score", "6"),
    "feedback N/A": field_is("events", "feedback_score", "N/A"),
    "feedback of three decimals": field_is("events", "feedback_score", r"\d\.\d{3}"),
    "event user in blanks": field_is("events", "user_id", r" +user.* +"),
    "event firm in blanks": field_is("events", "firm_id", r" +\S.* +"),
    "event line too short": line_has("events", 6),
    "event line too long": line_has("events", 8),
    "event_id twice in a drop": repeats("events", "event_id"),
    "event_id in two drops": same_event_in_two_drops,
    "repeat without event_id": any_drop("events", repeats_without_id),
    "user not in any snapshot": unlisted("user_id", "users"),
    "firm not in any snapshot": unlisted("firm_id", "firms"),
    "event older than its account": event_before_account,
    "byte-order mark": any_drop("users", lambda d: d.raw.startswith(b"\xef\xbb\xbf")),
    "carriage returns": any_drop("events", lambda d: d.raw.count(b"\r\n") == len(d.lines) + 1),
    "blank lines": any_drop("events", lambda d: d.lines.count("") > 1),
    "header in odd case": any_drop("firms", lambda d: d.raw.startswith(b" Id , Created ,")),
} | {
    f"quote never closed in {source}": any_drop(
        source, lambda d: bool(d.lines) and d.lines[-1].count('"') % 2 == 1
    )
    for source in COLUMNS
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_be_broken_occurs_by_default(dirty: Landing, way: str) -> None:
    assert WAYS[way](dirty)


def test_no_way_to_be_broken_occurs_in_a_clean_landing(clean: Landing) -> None:
    assert [way for way, occurs in WAYS.items() if occurs(clean)] == []


def test_least_dirt_has_every_way_too_and_missing_firm_ids_where_firms_are_many(
    tmp_path: Path,
) -> None:
    write_sample(tmp_path, SampleSpec(users=60, firms=80, events_per_day=60, dirty=1e-9))

    landing = read_landing(tmp_path)
    assert [way for way, occurs in WAYS.items() if not occurs(landing)] == []
    assert field_is("firms", "id", "")(landing)


def test_open_quotes_only_stand_last(dirty: Landing) -> None:
    odd = [
        (drop.day, len(drop.lines) - number)
        for drops in dirty.values()
        for drop in drops.values()
        for number, line in enumerate(drop.lines)
        if line.count('"') % 2
    ]

    assert len(odd) == len(COLUMNS)
    assert {from_end for _, from_end in odd} == {1}


def test_dirt_stays_below_the_level_of_errors(dirty: Landing) -> None:
    for drop in dirty["events"].values():
        rows = drop.whole_rows
        anonymous = sum(not (row["user_id"].strip() and row["firm_id"].strip()) for row in rows)
        unscored = sum(not re.fullmatch(r"[1-4](\.5)?|5", row["feedback_score"]) for row in rows)
        assert anonymous < 0.02 * len(rows)
        assert unscored < 0.05 * len(rows)
    for drop in dirty["users"].values():
        assert sum(not row["id"].strip() for row in drop.whole_rows) < 0.02 * len(drop.rows)
    for drop in dirty["firms"].values():
        assert all(row["id"].strip() for row in drop.whole_rows)


def test_broken_rows_make_nobody_vanish_from_a_snapshot(clean: Landing, dirty: Landing) -> None:
    """A dirty snapshot shows as many keys as the clean one, so that dirt is no departure."""
    for source in ("users", "firms"):
        for day, drop in dirty[source].items():
            keys = {row["id"].strip() for row in drop.whole_rows} - {""}
            assert len(keys) == len(clean[source][day].rows)
