"""`harvey segments-summary`: what the files say, whom they name and how, and e-mail."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline_tests.access.copies import MONDAY, publish_rows, segment
from harvey_pipeline_tests.cli.published_conversations import Told, run_beside
from harvey_pipeline_tests.graph.alert_servers import mail_server

SECRET = "pepper"


def board(tenant: str, day: date = MONDAY, **values: Any) -> dict[str, Any]:
    return {
        **{"date": day, "tenant_id": tenant, "users": 40, "active_users": 30, "power_users": 10},
        **{"regular_users": 10, "casual_users": 20, "power_percent": 25.0},
        **{"regular_percent": 25.0, "casual_percent": 50.0, "churn_high": 1},
    } | values


def user(name: str, tenant: str = "t1", **values: Any) -> dict[str, Any]:
    return segment(name, tenant, churn_risk="low", previous_segment="regular") | values


TABLES = {
    "segmentation_dashboard": [
        board("all", churn_high=3, churn_medium=1, needs_review_users=1),
        board("all", MONDAY - timedelta(days=7), power_percent=27.5, users=38),
        board("t1", churn_high=2, is_held_back=True),
        board("t2"),
        board("t3", churn_high=0),
    ],
    "user_segments": [
        user("ana", churn_risk="medium", engagement_score=0.9),
        user("ben", churn_risk="high", engagement_score=0.3),
        user("cem", churn_risk="high", engagement_score=0.2, previous_segment="power"),
        user("dan", needs_review=True, is_gaming_suspected=True, churn_risk=None),
        user("eve"),
        user("fay", "t2", churn_risk="high", engagement_score=0.5),
        user("gus", "t3"),
        user("old", date=MONDAY - timedelta(days=7), churn_risk="high"),
    ],
}

Summary = Callable[..., Told]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_rows(tmp_path_factory.mktemp("copy"), TABLES).parent


@pytest.fixture
def summary(
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Summary:
    """Runs the command beside that copy, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARVEY_HASH_SECRET", SECRET)
    copy.joinpath("access_log.jsonl").unlink(missing_ok=True)
    return lambda *words: run_beside(copy, monkeypatch, capsys, "segments-summary", *words)


def section_of(text: str, title: str) -> list[str]:
    lines = [*text.splitlines(), ""]
    rest = lines[lines.index(title) + 1 :]
    return [" ".join(line.split()) for line in rest[: rest.index("")]]


def short(tenant: str, name: str) -> str:
    return user_hash(SECRET, tenant, name)[:16]


def test_the_week_is_told_for_all_tenants(summary: Summary, tmp_path: Path) -> None:
    told = summary()
    assert (told.code, told.error) == (0, "")
    assert told.lines == [
        "Harvey segments of 2024-06-24, all tenants: 40 users, 3 at high risk. Written: "
        "reports/segments-summary-2024-06-24.txt and reports/segments-summary-2024-06-24.html."
    ]
    text = (tmp_path / "reports/segments-summary-2024-06-24.txt").read_text()
    assert section_of(text, "Distribution") == [
        "segment users share against a week before four weeks before",
        "power 10 25.0 % -2.5 points -",
        "regular 10 25.0 % +0.0 points -",
        "casual 20 50.0 % +0.0 points -",
    ]
    assert section_of(text, "Figures")[:2] == [
        "now a week before four weeks before",
        "users 40 38 -",
    ]
    assert section_of(text, "Checks that did not pass") == ["none"]


def test_people_are_named_by_hashes_in_order_of_urgency(summary: Summary, tmp_path: Path) -> None:
    summary()
    text = (tmp_path / "reports/segments-summary-2024-06-24.txt").read_text()
    # A power user of before goes before those who use it more.
    assert section_of(text, "Whom to look at first") == [
        "user tenant segment why",
        f"{short('t1', 'cem')} t1 regular churn risk high, was a power user a week before",
        f"{short('t2', 'fay')} t2 regular churn risk high",
        f"{short('t1', 'ben')} t1 regular churn risk high",
        f"{short('t1', 'ana')} t1 regular churn risk medium",
        f"{short('t1', 'dan')} t1 regular accesses look made up, needs review",
    ]
    page = (tmp_path / "reports/segments-summary-2024-06-24.html").read_text()
    for name in ("ana", "ben", "cem", "dan", "fay"):
        assert f">{name}<" not in page
        assert f" {name} " not in text


def test_what_it_reads_of_people_is_written_down(summary: Summary, copy: Path) -> None:
    summary()
    lines = [json.loads(one) for one in (copy / "access_log.jsonl").read_text().splitlines()]
    # t3 has nobody to be looked at.
    assert [(one["filter"]["tenant_id"], one["rows"]) for one in lines] == [("t1", 5), ("t2", 1)]
    assert {one["command"] for one in lines} == {"harvey segments-summary"}
    assert {one["reason"] for one in lines} == {"weekly summary"}


def test_without_a_secret_nobody_is_named(
    summary: Summary, tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARVEY_HASH_SECRET")
    assert summary().code == 0
    text = (tmp_path / "reports/segments-summary-2024-06-24.txt").read_text()
    assert section_of(text, "Whom to look at first") == [
        "People are listed by hashes, and HARVEY_HASH_SECRET is not set."
    ]
    assert not (copy / "access_log.jsonl").exists()


def test_one_tenant_is_told_by_itself(summary: Summary, tmp_path: Path) -> None:
    told = summary("--tenant", "t1", "--week", "2024-06-24")
    assert told.lines[0].startswith("Harvey segments of 2024-06-24, t1: 40 users, 2 at high risk.")
    text = (tmp_path / "reports/segments-summary-2024-06-24-t1.txt").read_text()
    assert "t2" not in text
    assert "Segments of some users are held back: too many would change at once" in (
        section_of(text, "Figures")
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--week", "2024-06-26"), "give --week 2024-06-24"),
        (("--week", "June"), "--week is 'June'"),
        (("--week", "2024-07-01"), "2024-07-01 has no segments"),
        (("--tenant", "t9"), "no tenant is named t9"),
        (("--week", "2024-06-17", "--tenant", "t1"), "segmentation_dashboard of 2024-06-17"),
        (("--out", "s3://x/y"), "is no folder of this machine"),
    ],
)
def test_what_is_not_there_is_refused(
    summary: Summary, arguments: tuple[str, ...], part: str
) -> None:
    told = summary(*arguments)
    assert (told.code, told.lines) == (2, [])
    assert part in told.error


def test_it_is_sent_where_insights_are(summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as mails:
        monkeypatch.setenv("HARVEY_SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        monkeypatch.setenv("HARVEY_SMTP_STARTTLS", "false")
        monkeypatch.setenv("HARVEY_INSIGHTS_TO", "it@example.com")
        told = summary()
    assert told.lines[-1] == "Sent to it@example.com."
    [message] = mails.messages
    assert message["Subject"].startswith("Harvey segments of 2024-06-24")
