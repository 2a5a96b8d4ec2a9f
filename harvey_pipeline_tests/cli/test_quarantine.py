"""`harvey quarantine`: counted, shown verbatim, and written out so that it can be corrected."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline_tests.cli.commands import Finished, assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey
from harvey_pipeline_tests.places import DAYS, EVENT_HEADER, FIRST, MIDDLE, Place

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

Quarantine = Callable[..., Finished]

USERS_DAY_1 = (
    "id,created,title,team",
    "u1,2024-01-05,Partner,Paris",
    ',2024-01-06,"Partner, retired",Rome',
    "u3,tomorrow,Associate,",
)
USERS_DAY_2 = (
    "ID;Created;Title",
    "u1;2024-01-05;Partner",
    "u2;2024-01-06;Partner;too much",
    ";;Associate",
)
EVENTS_DAY_1 = (
    EVENT_HEADER,
    "e1,2024-04-01 09:00:00,f1,u1,ASSISTANT,3,5",
    "e2,2024-04-01 09:00:00,,u1,ASSISTANT,3,",
    "e3,2024-04-01 09:00:00,f1,u1,VAULT,3,9",
)


@pytest.fixture(scope="session")
def dirty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drops of users and one of events, with five rejected records and one repaired one."""
    place = Place(tmp_path_factory.mktemp("dirty"))
    place.drop("users", FIRST, USERS_DAY_1)
    place.drop("users", MIDDLE, USERS_DAY_2)
    place.drop("events", FIRST, EVENTS_DAY_1)
    place.ingest("users")
    place.ingest("events")
    return place.root


@pytest.fixture
def dirty(dirty_root: Path, tmp_path: Path) -> Place:
    shutil.copytree(dirty_root, tmp_path / "dirty")
    return Place(tmp_path / "dirty")


def in_process(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Quarantine:
    """Commands of the group on a place's warehouse, carried out by this process."""
    monkeypatch.chdir(place.root)
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(place.database))
    monkeypatch.setenv("HARVEY_LANDING_DIR", str(place.landing))

    def run(*arguments: str) -> Finished:
        code = run_command(APP, ["quarantine", *arguments])
        printed = capsys.readouterr()
        return Finished(arguments, code, printed.out, printed.err)

    return run


@pytest.fixture
def quarantine(
    dirty: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Quarantine:
    """The commands on the dirty warehouse."""
    return in_process(dirty, monkeypatch, capsys)


@pytest.fixture
def of_bare(
    bare: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Quarantine:
    """The commands on a warehouse that the test makes."""
    return in_process(bare, monkeypatch, capsys)


def lines_of(finished: Finished) -> list[str]:
    """What was printed, with single blanks between words."""
    assert (finished.returncode, finished.stderr) == (0, "")
    return [" ".join(line.split()) for line in finished.stdout.splitlines() if line.strip()]


def counts_of(finished: Finished) -> tuple[int, list[tuple[str, str, str, str, int]]]:
    assert (finished.returncode, finished.stderr) == (0, "")
    told = json.loads(finished.stdout)
    return told["records"], [tuple(one.values()) for one in told["counts"]]


ALL = [
    ("users", "2024-04-02", "rejected", "missing_id", 1),
    ("users", "2024-04-02", "rejected", "missing_timestamp", 1),
    ("users", "2024-04-02", "rejected", "wrong_field_count", 1),
    ("events", "2024-04-01", "rejected", "missing_feedback_score", 1),
    ("events", "2024-04-01", "rejected", "missing_firm_id", 1),
    ("events", "2024-04-01", "repaired", "unreadable_feedback_score", 1),
    ("users", "2024-04-01", "rejected", "missing_id", 1),
    ("users", "2024-04-01", "rejected", "unreadable_timestamp", 1),
]


# --- list ----------------------------------------------------------------------------------------


def test_records_are_counted_by_source_day_action_and_reason(
    quarantine: Quarantine,
) -> None:
    lines = lines_of(quarantine("list"))
    assert lines[0] == "Source Day Action Reason Records"
    assert lines[2 : 2 + len(ALL)] == [" ".join(map(str, row)) for row in ALL]
    assert lines[-2].startswith("6 records;")


@pytest.mark.parametrize(
    ("options", "records", "expected"),
    [
        pytest.param((), 6, ALL, id="all"),
        pytest.param(("--source", "events"), 2, [one for one in ALL if one[0] == "events"]),
        pytest.param(("--day", "2024-04-02"), 2, [one for one in ALL if one[1] == "2024-04-02"]),
        pytest.param(("--from", "2024-04-02"), 2, [one for one in ALL if one[1] == "2024-04-02"]),
        pytest.param(("--to", "2024-04-01"), 4, [one for one in ALL if one[1] == "2024-04-01"]),
        pytest.param(("--reason", "missing_id"), 2, [one for one in ALL if one[3] == "missing_id"]),
        pytest.param(("--reason", "too_late"), 0, [], id="none"),
    ],
)
def test_options_choose_records(
    quarantine: Quarantine,
    options: tuple[str, ...],
    records: int,
    expected: list[tuple[str, str, str, str, int]],
) -> None:
    assert counts_of(quarantine("list", "--json", *options)) == (records, expected)


def test_that_nothing_was_found_is_said(quarantine: Quarantine) -> None:
    for command in (("list",), ("show",), ("export", "--out", "out")):
        told = lines_of(quarantine(*command, "--source", "users", "--day", "2024-04-03"))
        what = "rejected" if command[0] == "export" else "in quarantine"
        assert told == [f"No record of users from 2024-04-03 to 2024-04-03 is {what}."]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        pytest.param(
            ("--source", "user"), ("no source is named user", "Did you mean users"), id="source"
        ),
        pytest.param(
            ("--reason", "mising_id"),
            ("no reason is named mising_id", "missing_id", "`harvey quarantine list`"),
            id="reason",
        ),
        pytest.param(("--day", "4/1/2024"), ("--day 4/1/2024 is no day",), id="day"),
        pytest.param(("--day", "2024-04-01", "--to", "2024-04-02"), ("Give either",), id="both"),
        pytest.param(
            ("--from", "2024-04-02", "--to", "2024-04-01"),
            ("the range ends (2024-04-01) before it starts (2024-04-02)",),
            id="backwards",
        ),
    ],
)
@pytest.mark.parametrize("command", [("list",), ("show",), ("export", "--out", "out")])
def test_what_stands_for_nothing_is_refused(
    quarantine: Quarantine,
    command: tuple[str, ...],
    options: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    assert_refused(quarantine(*command, *options), *parts)


def test_without_a_warehouse_there_is_nothing_to_list(tmp_path: Path, harvey: Harvey) -> None:
    assert_refused(harvey("quarantine", "list"), "does not exist", "`harvey run`", "--warehouse")
    assert list(tmp_path.iterdir()) == []


def test_a_locked_warehouse_is_told_at_once(dirty: Place, harvey: Harvey) -> None:
    with duckdb.connect(str(dirty.database)):
        finished = harvey("quarantine", "list", "--warehouse", str(dirty.database))
        assert_refused(finished, "is in use by another process", "once the run is over")


def test_the_group_by_itself_shows_its_commands(quarantine: Quarantine) -> None:
    finished = quarantine()
    assert finished.returncode == 2
    for command in ("list", "show", "export"):
        assert f" {command} " in finished.stdout
    assert_refused(quarantine("lst"), "`harvey quarantine --help`")


# --- show ----------------------------------------------------------------------------------------


def test_records_are_shown_as_they_were_delivered(quarantine: Quarantine) -> None:
    finished = quarantine("show", "--source", "users")
    assert finished.stdout.splitlines() == [
        "users/2024-04-02.csv, line 3: rejected, wrong_field_count",
        "  u2;2024-01-06;Partner;too much",
        "users/2024-04-02.csv, line 4: rejected, missing_id, missing_timestamp",
        '  {"ID":null,"Created":null,"Title":"Associate"}',
        "users/2024-04-01.csv, line 3: rejected, missing_id",
        '  {"id":null,"created":"2024-01-06","title":"Partner, retired","team":"Rome"}',
        "users/2024-04-01.csv, line 4: rejected, unreadable_timestamp",
        '  {"id":"u3","created":"tomorrow","title":"Associate","team":null}',
        "",
        "4 records.",
    ]


def test_more_records_than_the_limit_are_counted(quarantine: Quarantine) -> None:
    lines = lines_of(quarantine("show", "--limit", "2"))
    assert len(lines) == 5
    assert lines[-1] == "2 of 6 records; 4 more with --limit"


def test_records_as_json_keep_fields_apart(quarantine: Quarantine) -> None:
    told = json.loads(quarantine("show", "--json", "--day", "2024-04-02", "--limit", "1").stdout)
    assert told == {
        "records": 2,
        "shown": [
            {
                "source": "users",
                "day": "2024-04-02",
                "file": "users/2024-04-02.csv",
                "line": 3,
                "action": "rejected",
                "reasons": ["wrong_field_count"],
                "record": "u2;2024-01-06;Partner;too much",
            }
        ],
    }
    [fields] = json.loads(quarantine("show", "--json", "--reason", "missing_firm_id").stdout)[
        "shown"
    ]
    assert fields["record"]["event_id"] == "e2"
    assert fields["record"]["firm_id"] is None


def test_no_record_can_steer_the_terminal(bare: Place, of_bare: Quarantine) -> None:
    bare.drop("users", FIRST, ["id,created,title", "u1,2024-01-05,\x1b[2Jx,y\tz,"])
    bare.ingest("users")
    finished = of_bare("show")
    assert "  u1,2024-01-05,\\x1b[2Jx,y\tz,\n" in finished.stdout


# --- export --------------------------------------------------------------------------------------


def test_rejected_records_are_written_as_a_landing_folder(
    dirty: Place, quarantine: Quarantine
) -> None:
    lines = lines_of(quarantine("export", "--out", "out"))
    out = dirty.root / "out"
    assert {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.csv")} == {
        "users/2024-04-01.csv": "id,created,title,team\n"
        ',2024-01-06,"Partner, retired",Rome\n'
        "u3,tomorrow,Associate,\n",
        "users/2024-04-02.csv": "id,created,title,line_as_delivered\n"
        ",,,u2;2024-01-06;Partner;too much\n"
        ",,Associate,\n",
        "events/2024-04-01.csv": "event_id,created,user_id,firm_id,event_type,num_docs,"
        "feedback_score\n"
        "e2,2024-04-01 09:00:00,u1,,ASSISTANT,3,\n",
    }
    assert lines[0] == "events/2024-04-01.csv: 1 record of events/2024-04-01.csv"
    assert "users/2024-04-02.csv: 2 records of users/2024-04-02.csv" in lines
    assert any(line.startswith("The fields of line 3 cannot be told apart") for line in lines)
    assert "5 records in 3 files in out." in lines
    assert "Then run: harvey run" in lines


def test_repaired_records_are_written_when_asked_for(dirty: Place, quarantine: Quarantine) -> None:
    lines_of(quarantine("export", "--out", "out", "--repaired", "--source", "events"))
    assert (dirty.root / "out/events/2024-04-01.csv").read_text().splitlines()[1:] == [
        "e2,2024-04-01 09:00:00,u1,,ASSISTANT,3,",
        "e3,2024-04-01 09:00:00,u1,f1,VAULT,3,9",
    ]
    assert not (dirty.root / "out/users").exists()


def test_nothing_is_overwritten(dirty: Place, quarantine: Quarantine) -> None:
    there = dirty.root / "out" / "Users" / "2024-04-02.JSONL"
    there.parent.mkdir(parents=True)
    there.write_text("{}")
    finished = quarantine("export", "--out", "out")
    assert_refused(finished, "Users/2024-04-02.JSONL already", "Nothing is overwritten")
    assert [path for path in (dirty.root / "out").rglob("*") if path.is_file()] == [there]
    assert there.read_text() == "{}"
    assert_refused(quarantine("export", "--out", "landing"), "is the landing folder")


def test_a_folder_that_cannot_be_written_is_named(dirty: Place, quarantine: Quarantine) -> None:
    (dirty.root / "out").write_text("a file")
    assert_refused(quarantine("export", "--out", "out"), "out cannot be written: File exists")


def corrected(place: Place, file: str, *changes: tuple[str, str]) -> None:
    """Replace parts of an exported file, each of which stands there once."""
    path = place.landing / file
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)


def exported(quarantine: Quarantine, tmp_path: Path) -> Place:
    """The export as the landing folder of a warehouse of its own."""
    place = Place(tmp_path / "fresh")
    lines_of(quarantine("export", "--out", str(place.landing)))
    return place


def ledger_of(place: Place, source: str) -> list[tuple[date, int, int, int]]:
    rows = place.warehouse.query(
        "select drop_date, rows_read, rows_accepted, rows_rejected from raw.drops "
        "where source = ? and form <> 'none' order by 1",
        [source],
    )
    return [tuple(row) for row in rows]


def test_what_was_not_corrected_is_rejected_again(quarantine: Quarantine, tmp_path: Path) -> None:
    fresh = exported(quarantine, tmp_path)
    fresh.ingest("users")
    fresh.ingest("events")
    assert ledger_of(fresh, "users") == [(FIRST, 2, 0, 2), (MIDDLE, 2, 0, 2)]
    assert ledger_of(fresh, "events") == [(FIRST, 1, 0, 1)]


def test_what_was_corrected_is_accepted(quarantine: Quarantine, tmp_path: Path) -> None:
    fresh = exported(quarantine, tmp_path)
    corrected(fresh, "users/2024-04-01.csv", ("\n,2024", "\nu2,2024"), ("tomorrow", "2024-03-01"))
    corrected(
        fresh,
        "users/2024-04-02.csv",
        (",,,u2", "u2,2024-01-06,Partner,u2"),
        (",,Associate", "u9,2024-03-02,Associate"),
    )
    corrected(fresh, "events/2024-04-01.csv", ("u1,,", "u1,f1,"))
    fresh.ingest("users")
    fresh.ingest("events")
    assert ledger_of(fresh, "users") == [(FIRST, 2, 2, 0), (MIDDLE, 2, 2, 0)]
    assert ledger_of(fresh, "events") == [(FIRST, 1, 1, 0)]
    rows = fresh.warehouse.query("select user_id, title from raw.raw_users order by drop_date, 1")
    assert rows == [
        ("u2", "Partner, retired"),
        ("u3", "Associate"),
        ("u2", "Partner"),
        ("u9", "Associate"),
    ]


def test_corrected_records_complete_the_drop_that_they_came_with(
    dirty: Place, quarantine: Quarantine
) -> None:
    lines_of(quarantine("export", "--out", "out", "--source", "events"))
    fields = (dirty.root / "out/events/2024-04-01.csv").read_text().splitlines()[1].split(",")
    event, created, user, _, *rest = fields
    merged = ",".join((event, created, "f2", user, *rest))
    dirty.drop("events", FIRST, [*EVENTS_DAY_1[:2], merged, EVENTS_DAY_1[3]])
    dirty.ingest("events")
    assert ledger_of(dirty, "events") == [(FIRST, 3, 3, 0)]


def test_records_of_a_bulk_export_are_written_once_whatever_their_days(
    bare: Place, of_bare: Quarantine, tmp_path: Path
) -> None:
    place = bare
    place.landing.mkdir()
    bulk = ("id,created,title", "u1,2024-01-05,Partner", ",2024-04-02,Associate", "u3,,Partner")
    (place.landing / "users.csv").write_text("\n".join(bulk))
    place.ingest("users", DAYS)
    assert counts_of(of_bare("list", "--json")) == (
        3,
        [
            ("users", "2024-04-03", "rejected", "missing_id", 1),
            ("users", "2024-04-02", "rejected", "missing_id", 1),
            ("users", None, "rejected", "missing_timestamp", 1),
        ],
    )
    lines = lines_of(of_bare("export", "--out", "out"))
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["users.csv"]
    fresh = Place(tmp_path / "fresh")
    shutil.copytree(tmp_path / "out", fresh.landing)
    assert (fresh.landing / "users.csv").read_text().splitlines() == [
        "id,created,title",
        ",2024-04-02,Associate",
        "u3,,Partner",
    ]
    assert lines[0] == "users.csv: 2 records of users.csv"
    assert "Then run: harvey run" in lines
    corrected(fresh, "users.csv", ("\n,", "\nu2,"), ("u3,,", "u3,2024-03-01,"))
    fresh.ingest("users", DAYS)
    assert [row[1:] for row in ledger_of(fresh, "users")] == [(1, 1, 0), (2, 2, 0), (2, 2, 0)]


AWKWARD = (
    'a "quoted" title',
    "two\nlines",
    "old\rMac",
    '\\"escaped\\"',
    "a;b\tc|d,e",
    "\ufeffmarked",
)


def test_awkward_texts_come_back_as_they_were(
    bare: Place, of_bare: Quarantine, tmp_path: Path
) -> None:
    drop = bare.landing / "users" / f"{FIRST}.jsonl"
    drop.parent.mkdir(parents=True)
    records = [{}, {"title": "\0"}, *({"title": title} for title in AWKWARD)]
    drop.write_text("\n".join([*map(json.dumps, records), "[1]"]))
    bare.ingest("users")
    lines = lines_of(of_bare("export", "--out", "out"))
    assert "NUL bytes in line 2 are written as \ufffd." in lines
    fresh = Place(tmp_path / "fresh")
    shutil.copytree(tmp_path / "out", fresh.landing)
    fresh.ingest("users")
    nothing, *titled, line = [
        json.loads(text)
        for (text,) in fresh.warehouse.query(
            "select record from raw.quarantine order by line_number"
        )
    ]
    assert nothing == {"id": "NULL", "created": None, "title": None, "line_as_delivered": None}
    assert [record["title"] for record in titled] == ["\ufffd", *AWKWARD]
    assert line["line_as_delivered"] == "[1]"
