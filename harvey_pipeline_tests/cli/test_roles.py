"""`harvey segments --role`, `harvey export-segments` and `harvey token`, over two tenants."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from harvey_pipeline.access.tokens import find_viewer, read_tokens, tokens_beside
from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.access.copies import publish_rows, two_tenants
from harvey_pipeline_tests.cli.commands import HARVEY, environment, run_harvey

SECRET = "pepper"


class Told(NamedTuple):
    code: int
    lines: list[str]
    error: str


Harvey = Callable[..., Told]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_rows(tmp_path_factory.mktemp("copy"), two_tenants())


@pytest.fixture
def warehouse(copy: Path, tmp_path: Path) -> Path:
    """A warehouse's name of its own, with the copy beside it."""
    warehouse = tmp_path / "warehouse.duckdb"
    os.link(published_path(copy), published_path(warehouse))
    return warehouse


@pytest.fixture
def harvey(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Harvey:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(warehouse))
    monkeypatch.setenv("HARVEY_HASH_SECRET", SECRET)

    def run(*arguments: str) -> Told:
        code = run_command(APP, arguments)
        out, error = capsys.readouterr()
        return Told(code, [" ".join(line.split()) for line in out.splitlines()], error)

    return run


def logged(warehouse: Path) -> list[dict[str, object]]:
    log = warehouse.with_name("access_log.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


# --- harvey segments --role ----------------------------------------------------------------------


def test_a_ceo_sees_the_aggregates_of_the_latest_monday(harvey: Harvey, warehouse: Path) -> None:
    told = harvey("segments", "--role", "ceo", "--tenant", "t1")
    assert (told.code, told.error) == (0, "")
    titles = [line for line in told.lines if line.startswith("segments.")]
    assert titles == [
        f"segments.{name}: 1 row"
        for name in ("segmentation_dashboard", "roi_summary", "stability", "ab_readout")
    ]
    assert {"tenant_id t1", "users 40", "power_users 10", "mean_score -"} <= set(told.lines)
    assert "t2" not in "".join(told.lines)
    assert told.lines[-1].startswith("-: not known, or a figure of fewer than 5 people")
    assert logged(warehouse) == []


def test_a_manager_sees_users_by_name(harvey: Harvey) -> None:
    told = harvey("segments", "--role", "manager", "--tenant", "t1", "--as", "t1-m")
    assert told.lines[0] == "segments.user_segments: 2 rows"
    assert told.lines[1].startswith("date 2024-06-24, user_id t1-a, tenant_id t1, segment regular")
    assert told.lines[1].endswith("name Name of t1-a")
    assert told.lines[2].endswith("name Name of t1-b")
    assert "segments.recommendations: 3 rows" in told.lines
    earlier = ("--as", "t1-m", "--day", "2024-06-17")
    told = harvey("segments", "--role", "manager", "--tenant", "t1", *earlier)
    assert told.lines[0] == "segments.user_segments: 1 row"


def test_an_employee_is_told_in_words(harvey: Harvey) -> None:
    told = harvey("segments", "--role", "employee", "--tenant", "t1", "--as", "t1-b")
    assert told.lines == [
        "You are a power user (Sign-in Only), as of 2024-06-24.",
        # 100 - 80.
        "Your score is 0.00 of 1: you are in the top 20 % of your organisation.",
        "You use it more than in the two months before.",
    ]
    at_risk = harvey("segments", "--role", "employee", "--tenant", "t1", "--as", "t1-a")
    assert at_risk.lines[0] == "You are a regular user, as of 2024-06-24."
    assert at_risk.lines[-1] == "Begin."
    nobody = harvey("segments", "--role", "employee", "--tenant", "t1", "--as", "t2-a")
    assert nobody.lines == ["Nothing is known of your use yet."]


def test_it_sees_hashes_and_is_written_down_before(harvey: Harvey, warehouse: Path) -> None:
    asked = ("segments", "--role", "it_hr", "--tenant", "t1", "--as", "t1-it")
    told = harvey(*asked)
    assert (told.code, told.error) == (0, "")
    shown = "".join(told.lines)
    assert "t1-" not in shown
    assert user_hash(SECRET, "t1", "t1-a") in shown
    harvey(*asked, "--clear", "--reason", "ticket 7")
    first, second = logged(warehouse)
    assert (first["as"], first["command"], first["reason"]) == ("t1-it", "harvey segments", None)
    assert (second["is_clear"], second["reason"]) == (True, "ticket 7")
    assert first["rows"] == second["rows"]
    assert first["filter"] == {"tenant_id": "t1", "day": "latest", "first": 0, "most": 20}


def test_a_read_is_written_down_even_if_its_output_fails(warehouse: Path) -> None:
    """The standard output is a device that takes nothing."""
    settings = {"HARVEY_WAREHOUSE": str(warehouse), "HARVEY_HASH_SECRET": SECRET}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*HARVEY, "segments", "--role", "it_hr", "--tenant", "t1", "--as", "t1-it"],
            env=environment() | settings,
            stdout=full,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )
    assert done.returncode != 0
    [line] = logged(warehouse)
    assert line["as"] == "t1-it"


def test_without_a_secret_it_fails_in_a_line(
    harvey: Harvey, monkeypatch: pytest.MonkeyPatch, warehouse: Path
) -> None:
    monkeypatch.delenv("HARVEY_HASH_SECRET")
    asked = ("segments", "--role", "it_hr", "--tenant", "t1", "--as", "t1-it")
    told = harvey(*asked)
    assert (told.code, told.lines) == (2, [])
    assert " ".join(told.error.split()).startswith("harvey: HARVEY_HASH_SECRET is not set")
    assert logged(warehouse) == []
    assert harvey(*asked, "--clear", "--reason", "ticket 7").code == 0
    for viewer in (("ceo",), ("manager", "--as", "t1-m"), ("employee", "--as", "t1-a")):
        assert harvey("segments", "--tenant", "t1", "--role", *viewer).code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--role", "king", "--tenant", "t1"), "there are ceo, finance, manager, it_hr, employee"),
        (("--role", "ceo"), "give its id by --tenant"),
        (("--role", "manager", "--tenant", "t1"), "give the user's id by --as"),
        (("--role", "it_hr", "--tenant", "t1"), "give the user's id by --as"),
        (("--role", "ceo", "--tenant", "all"), "'all' is no tenant"),
        (("--role", "ceo", "--tenant", "t9"), "no user of a tenant named t9"),
        (("--role", "ceo", "--user", "t1-a"), "--role and --user exclude each other"),
        (("--as", "t1-a"), "give one by --role"),
        (("--clear",), "give one by --role"),
        (("--role", "ceo", "--tenant", "t1", "--clear", "--reason", "x"), "has no hashes"),
        (("--role", "it_hr", "--tenant", "t1", "--as", "i", "--clear"), "give one"),
        (("--role", "ceo", "--tenant", "t1", "--day", "June"), "--day is 'June'"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    harvey: Harvey, arguments: tuple[str, ...], part: str
) -> None:
    told = harvey("segments", *arguments)
    assert (told.code, told.lines) == (2, [])
    assert part in " ".join(told.error.split())


def test_nothing_is_published(
    harvey: Harvey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(tmp_path / "other.duckdb"))
    told = harvey("segments", "--role", "ceo", "--tenant", "t1")
    assert told.code == 2
    assert "harvey run" in " ".join(told.error.split())


# --- harvey export-segments ----------------------------------------------------------------------


def test_each_role_gets_a_file(harvey: Harvey, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = harvey("export-segments", "--tenant", "t1", "--out", str(out))
    assert (told.code, told.error) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "segments-t1-ceo.html",
        "segments-t1-finance.html",
    ]
    page = (out / "segments-t1-finance.html").read_text()
    assert "segments.license_opportunities" in page
    assert "fewer than 5 people" in page
    assert "segmentation_dashboard" not in page
    assert "t2" not in page


def test_tables_of_a_role_as_parquet(harvey: Harvey, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("export-segments", "--tenant", "t1", "--format", "parquet", "--out", str(out))
    assert harvey(*asked, "--role", "manager", "--as", "t1-m").code == 0
    folder = out / "segments-t1-manager-t1-m"
    assert sorted(path.name for path in folder.iterdir()) == [
        "recommendations.parquet",
        "user_segments.parquet",
    ]
    rows = pl.read_parquet(folder / "user_segments.parquet")
    assert rows["name"].to_list() == ["Name of t1-a", "Name of t1-b"]


def test_an_export_of_it_is_hashed_and_written_down(
    harvey: Harvey, tmp_path: Path, warehouse: Path
) -> None:
    out = tmp_path / "out"
    asked = ("export-segments", "--tenant", "t1", "--out", str(out), "--as", "a/b")
    assert harvey(*asked, "--role", "it_hr", "--role", "employee", "--reason", "audit").code == 0
    page = (out / "segments-t1-it_hr-a%2Fb.html").read_text()
    assert "t1-" not in page
    assert (
        "Nothing is known of your use yet." in (out / "segments-t1-employee-a%2Fb.html").read_text()
    )
    [line] = logged(warehouse)
    assert (line["command"], line["reason"]) == ("harvey export-segments", "audit")
    assert "most" not in line["filter"]  # type: ignore[operator]


# --- harvey token --------------------------------------------------------------------------------


def test_a_token_is_made_listed_and_revoked(harvey: Harvey, warehouse: Path) -> None:
    made = harvey("token", "make", "--role", "manager", "--tenant", "t1", "--as", "t1-m")
    assert made.code == 0
    text, told = made.lines
    [kept] = read_tokens(tokens_beside(warehouse))
    assert find_viewer([kept], text) == kept.viewer
    assert told.startswith("It stands for manager of t1, as t1-m, and is not shown again.")
    assert harvey("token", "make", "--role", "ceo", "--tenant", "t2").code == 0
    listed = harvey("token", "list")
    assert [line.partition("00:00 ")[2] for line in listed.lines] == [
        "manager of t1, as t1-m",
        "ceo of t2",
    ]
    assert text not in "".join(listed.lines)
    assert harvey("token", "revoke", kept.id).lines == [
        f"Revoked: {kept.id}, manager of t1, as t1-m"
    ]
    assert len(harvey("token", "list").lines) == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("make", "--role", "king", "--tenant", "t1"), "there are ceo"),
        (("make", "--role", "employee", "--tenant", "t1"), "--as"),
        (("make", "--role", "ceo", "--tenant", "all"), "is no tenant"),
        (("make", "--role", "ceo"), "--tenant"),
        (("revoke", "abc"), "no token has the id abc"),
    ],
)
def test_tokens_that_cannot_be(harvey: Harvey, arguments: tuple[str, ...], part: str) -> None:
    told = harvey("token", *arguments)
    assert (told.code, told.lines) == (2, [])
    assert part in " ".join(told.error.split())


def test_no_tokens_and_a_folder_that_is_not_there(harvey: Harvey, tmp_path: Path) -> None:
    assert harvey("token", "list").lines == ["There are no tokens. `harvey token make` makes one."]
    missing = str(tmp_path / "missing" / "w.duckdb")
    asked = ("token", "make", "--role", "ceo", "--tenant", "t1", "--warehouse", missing)
    told = harvey(*asked)
    assert told.code == 2
    assert "cannot be written" in " ".join(told.error.split())


def test_the_command_works_as_a_process(warehouse: Path, tmp_path: Path) -> None:
    done = run_harvey(
        tmp_path,
        *("segments", "--role", "finance", "--tenant", "t2"),
        HARVEY_WAREHOUSE=str(warehouse),
    )
    assert done.returncode == 0, done.stderr
    assert "segments.license_opportunities: 1 row" in done.stdout
    assert "t1" not in done.stdout
