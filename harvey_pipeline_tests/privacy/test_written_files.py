"""Files that commands have written: what shows the erased goes, and nothing else."""

import json
from pathlib import Path

import polars as pl

from harvey_pipeline.privacy.wording import ERASED, Traces
from harvey_pipeline.privacy.written_files import WrittenFiles

ANA = Traces(("user-1",), ("a question of my own",))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_reports_and_exports_go_as_a_whole_where_they_show_the_person(tmp_path: Path) -> None:
    files = WrittenFiles(tmp_path / "w.duckdb", (tmp_path / "elsewhere",))
    shown = write(tmp_path / "w.reports" / "2024-04-01" / "users" / "a.html", "user-1")
    write(shown.parents[1] / "index.html", "no names")
    other = write(tmp_path / "w.reports" / "2024-04-02" / "index.html", "user-12")
    table = tmp_path / "w.reports" / "2024-04-03-parquet" / "users.parquet"
    table.parent.mkdir()
    pl.DataFrame({"user_id": ["user-1"], "n": [1]}).write_parquet(table)
    insights = write(tmp_path / "elsewhere" / "insights-2024-04-01.txt", "a question of my own")
    export = write(tmp_path / "elsewhere" / "segments-t-employee-user-1" / "none.txt", "empty")
    foreign = write(tmp_path / "elsewhere" / "notes.txt", "user-1")
    raw = write(tmp_path / "w.raw" / "raw_users" / "x.parquet", "user-1")
    assert files.erase(ANA) == [
        tmp_path / "w.reports" / "2024-04-01",
        tmp_path / "w.reports" / "2024-04-03-parquet",
        insights,
        export.parent,
    ]
    assert not shown.parents[1].exists()
    assert not table.exists()
    assert other.exists()
    assert foreign.exists()
    assert raw.exists()
    assert files.erase(ANA) == []


def test_accounts_keep_their_lines_and_tokens_of_the_person_go(tmp_path: Path) -> None:
    files = WrittenFiles(tmp_path / "w.duckdb", ())
    account = write(
        tmp_path / "access_log.jsonl",
        '{"as": "it", "filter": "user_id = user-1", "rows": 2}\n{"as": "user-2", "rows": 1}\n',
    )
    tokens = write(
        tmp_path / "w.tokens.jsonl",
        '{"id": "a", "sha256": "00", "user": "user-1"}\n'
        '{"id": "b", "sha256": "01", "user": "user-2"}\n',
    )
    tokens.chmod(0o600)
    assert files.erase(ANA) == [account, tokens]
    assert [json.loads(line) for line in account.read_text().splitlines()] == [
        {"as": "it", "filter": ERASED, "rows": 2},
        {"as": "user-2", "rows": 1},
    ]
    assert [json.loads(line)["id"] for line in tokens.read_text().splitlines()] == ["b"]
    assert tokens.stat().st_mode & 0o777 == 0o600


def test_files_of_others_that_tell_are_named(tmp_path: Path) -> None:
    files = WrittenFiles(tmp_path / "w.duckdb", ())
    told = write(tmp_path / "notes.txt", "call user-1")
    write(tmp_path / "w.duckdb", "user-1")
    write(tmp_path / "w.published.duckdb", "user-1")
    write(tmp_path / "other.txt", "user-12")
    assert files.left(ANA) == [told]
