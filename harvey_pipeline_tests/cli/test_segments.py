"""`harvey segments`: a Monday, a tenant, a user; and what is not there."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pytest

from harvey_pipeline.cli import APP
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.warehouse.warehouse import published_path

LAST, WEEK_BEFORE, FOUR_WEEKS_BEFORE = date(2024, 6, 24), date(2024, 6, 17), date(2024, 5, 27)

Values = Mapping[str, Any]


def board(day: date, tenant: str, **values: Any) -> Values:
    return {
        "date": day,
        "tenant_id": tenant,
        "users": 4,
        "active_users": 3,
        "power_users": 1,
        "regular_users": 1,
        "casual_users": 2,
        "power_percent": 25.0,
        "regular_percent": 25.0,
        "casual_percent": 50.0,
        "dormant_users": 1,
        "sign_in_only_users": 0,
        "new_users": 1,
        "churn_high": 1,
        "churn_medium": 1,
        "churn_low": 0,
        "churn_very_low": 1,
        "churn_suppressed": 0,
        "changed_users": 1,
        "changed_percent": 25.0,
        "power_to_casual_28d": 0,
        "moved_up_28d": 1,
        "moved_down_28d": 0,
        "needs_review_users": 2,
        "mean_score": 0.4321,
        "mean_score_change_28d_percent": -2.5,
        "is_held_back": False,
    } | values


def segment(user: str, name: str, day: date = LAST, **values: Any) -> Values:
    return {
        "date": day,
        "user_id": user,
        "tenant_id": "t1",
        "segment": name,
        "previous_segment": name,
        "is_changed": False,
        "is_held_back": False,
        "engagement_score": 0.5,
        "adjusted_score": 0.5,
        "percentile": 60.0,
        "is_gaming_suspected": False,
        "churn_risk": "very_low",
        "is_churn_suppressed": False,
        "sub_segment": "Occasional",
        "confidence": 0.75,
        "needs_review": False,
        "manager_label": None,
        "reasoning": f"{name.title()} user.",
        "evidence": ["Depth: 9 minutes a day of use (tenant mean 8)"],
    } | values


def scores(user: str, **values: Any) -> Values:
    return {
        "date": LAST,
        "user_id": user,
        "last_access_days_ago": 2,
        "tenant_active_users": 5,
        "frequency_score": 0.5,
        "diversity_score": 0.5,
        "recency_score": 1.0,
        "consistency_score": 0.5,
        "depth_score": 0.5,
        "score_30d": 0.5,
        "score_30_60d": 0.5,
        "score_60_90d": 0.5,
    } | values


def returns(tenant: str, **values: Any) -> Values:
    """75 hours a month x 12 x 50 USD = 45,000; 10 users x 0.2 x 1,000 USD = 2,000."""
    return {
        "date": LAST,
        "tenant_id": tenant,
        "power_users": 10,
        "power_hours_month": 75.0,
        "power_savings_usd_year": 45_000.0,
        "power_cost_usd_year": 6_000.0,
        "reclaimable_usd_year": 2_400.0,
        "convertible_users": 10,
        "conversion_usd_year": 2_000.0,
        "conversion_cost_usd_year": 250.0,
        "total_usd_year": 49_400.0,
        "net_usd_year": 43_150.0,
    } | values


def licences(tenant: str, app: str, **values: Any) -> Values:
    return {
        "date": LAST,
        "tenant_id": tenant,
        "app": app,
        "tier": "standard",
        "licenses": 10,
        "unused": 2,
        "underused": 3,
        "new_licenses": 1,
        "casual_holders": 4,
        "annual_cost_usd": 12_000.0,
        "reclaimable_usd": 2_400.0,
        "underused_usd": 3_600.0,
        "casual_usd": 4_800.0,
        "is_measured": True,
    } | values


def advice(user: str, rule: str, priority: str, hours: float) -> Values:
    return {
        "date": LAST,
        "user_id": user,
        "rule_id": rule,
        "category": "Training",
        "suggestion": f"Do {rule}.",
        "reasoning": f"Because of {rule}.",
        "estimated_time_savings_hours_month": hours,
        "priority": priority,
        "implementation_cost_usd_year": 200.0,
    }


def opinion(user: str, **values: Any) -> Values:
    return {
        "date": LAST,
        "user_id": user,
        "segment": "power",
        "sub_segment": "Daily [bold]drafter",
        "confidence": 0.9,
        "reasoning": "Works steadily.",
        "evidence": ["42 accesses.", "3 apps."],
        "churn_risk": "very_low",
        "recommendations": None,
        "model": "large-1",
        "prompt_version": "v2",
        "agrees": True,
    } | values


NOT_MEASURED = {
    "unused": None,
    "underused": None,
    "reclaimable_usd": None,
    "underused_usd": None,
    "is_measured": False,
}
TABLES: Mapping[str, list[Values]] = {
    "segmentation_dashboard": [
        board(LAST, "all", is_held_back=True),
        board(WEEK_BEFORE, "all", power_percent=20.0, casual_percent=55.0),
        board(LAST, "t1", churn_high=25, changed_users=0, mean_score=None, changed_percent=None),
        board(FOUR_WEEKS_BEFORE, "t1", power_percent=26.25),
        board(LAST, "t2"),
    ],
    "user_segments": [
        segment("ana", "power", previous_segment="regular", is_changed=True, churn_risk="medium"),
        segment("ana", "regular", WEEK_BEFORE, engagement_score=0.612),
        segment("ana", "casual", date(2024, 4, 8), percentile=None, churn_risk=None),
        segment("ana", "casual", date(2024, 4, 1), engagement_score=0.011),
        segment("ben", "regular", churn_risk="high", tenant_id="t2", adjusted_score=0.5124),
        segment("cas", "casual", churn_risk="high", adjusted_score=0.2, percentile=12.0),
        segment(
            "dan",
            "casual",
            churn_risk=None,
            percentile=None,
            needs_review=True,
            is_gaming_suspected=True,
            is_held_back=True,
            manager_label="power",
        ),
        segment("eve", "regular", churn_risk="low", is_churn_suppressed=True),
    ],
    "engagement_scores": [
        scores("ana", score_30_60d=0.8, score_60_90d=0.6),
        scores("ben", score_30d=0.1, score_30_60d=0.8, score_60_90d=0.7, last_access_days_ago=29),
        # 0.15 x (1 - 0) of depth is most: frequency lacks 0.30 x 0.4 = 0.12.
        scores("cas", frequency_score=0.6, diversity_score=0.5, depth_score=0.0),
        scores("dan", last_access_days_ago=None, tenant_active_users=4),
    ],
    "roi_summary": [
        returns("t1", net_usd_year=10.0),
        returns("t2"),
        returns("t3", power_hours_month=0.0, convertible_users=0, net_usd_year=9.0),
    ],
    "license_opportunities": [
        licences("t1", "docs"),
        licences("t1", "crm", reclaimable_usd=0.0, unused=0),
        licences("t1", "expert search", **NOT_MEASURED),
        licences("t2", "product", tier="seat", reclaimable_usd=9_000.0, unused=7),
        licences(
            "t3", "product", tier="seat", annual_cost_usd=None, casual_usd=None, **NOT_MEASURED
        ),
    ],
    "recommendations": [
        advice("ana", "b_rule", "medium", 1.0),
        advice("ana", "a_rule", "medium", 1.0),
        advice("ana", "late", "low", 9.0),
        advice("ana", "first", "high", 7.5),
    ],
    "llm_opinions": [
        opinion("ana", recommendations=json.dumps([advice("", "teach", "low", 1.5)], default=str)),
        opinion("ana", date=WEEK_BEFORE, sub_segment="Long ago"),
        opinion("cas", confidence=0.59, agrees=False, churn_risk="high"),
    ],
}


class Told(NamedTuple):
    code: int
    lines: list[str]
    error: str


Segments = Callable[..., Told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    with duckdb.connect(str(published_path(folder / "warehouse.duckdb"))) as connection:
        connection.execute("create schema segments")
        for name, rows in TABLES.items():
            connection.register("rows", pl.DataFrame(rows, infer_schema_length=None).to_arrow())
            connection.execute(f"create table segments.{name} as select * from rows")
    return folder


@pytest.fixture
def segments(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Segments:
    """Runs the command beside that copy."""
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(folder / "warehouse.duckdb"))

    def run(*arguments: str) -> Told:
        code = run_command(APP, ["segments", *arguments])
        out, error = capsys.readouterr()
        return Told(code, [" ".join(line.split()) for line in out.splitlines()], error)

    return run


def after(told: Told, title: str) -> list[str]:
    """The lines below a title, up to the next empty one."""
    rest = told.lines[told.lines.index(title) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


# --- a Monday ------------------------------------------------------------------------------------


def test_the_last_monday_is_shown_against_the_weeks_before(segments: Segments) -> None:
    told = segments()
    assert (told.code, told.error) == (0, "")
    assert told.lines[0] == "Segments of 2024-06-24, all tenants"
    assert told.lines[2:6] == [
        "users share against a week before four weeks before",
        "power 1 25.0 % +5.0 points -",
        "regular 1 25.0 % +0.0 points -",
        "casual 2 50.0 % -5.0 points -",
    ]
    assert told.lines[7:9] == [
        "4 users, of them 3 active in 90 days, 1 dormant, 0 with sign-ins only, 1 new; "
        "2 to be reviewed",
        "Mean score 0.432, -2.5 % against four weeks before",
    ]
    assert "segments_are_not_held_back" in told.lines[9]


def test_changes_name_who_and_whence(segments: Segments) -> None:
    assert after(segments(), "Changes of the week") == [
        "1 user (25.0 % of those with a segment a week before)",
        "In four weeks 1 moved up and 0 down, 0 from power to casual",
        "ana regular to power Occasional t1",
    ]


def test_churn_is_listed_by_risk_and_then_by_the_score_before_the_fall(segments: Segments) -> None:
    # Means of the two thirds before: ben 0.75, cas 0.5, ana 0.7.
    assert after(segments(), "Churn") == [
        "high 1, medium 1, low 0, very low 1; of the low 0 in holidays or a dip of the whole "
        "tenant",
        "ben high regular score 0.750 before, 0.100 in 30 days last access 29 days ago t2",
        "cas high casual score 0.500 before, 0.500 in 30 days last access 2 days ago t1",
        "ana medium power score 0.700 before, 0.500 in 30 days last access 2 days ago t1",
    ]


def test_returns_come_with_how_they_come_about_the_highest_net_first(segments: Segments) -> None:
    lines = after(segments(), "Return, estimated, highest net first")
    assert lines[:4] == [
        "t2: net 43,150 USD a year = gains of 49,400 USD less costs of 6,250 USD",
        "10 power users: estimated 75.0 hours a month x 12 x 50 USD an hour = 45,000 USD; "
        "costs 6,000 USD",
        "idle licences and seats: 2,400 USD",
        "10 casual users, 20% of them converted x 1,000 USD each = 2,000 USD; costs 250 USD",
    ]
    assert [line.partition(":")[0] for line in lines[::4]] == ["t2", "t1", "t3"]
    assert lines[9] == "10 power users: estimated 0.0 hours a month = 45,000 USD; costs 6,000 USD"


def test_idle_licences_are_listed_by_cost_and_those_not_measured_last(segments: Segments) -> None:
    assert after(segments(), "Idle licences and seats, most USD a year first") == [
        "t2, product (seat): 9,000 USD = 7 of 10 without use in 90 days (all: 12,000 USD); "
        "3 used on one or two days, 3,600 USD; 4 held by casual users, 4,800 USD; 1 new",
        "t1, docs (standard): 2,400 USD = 2 of 10 without use in 90 days (all: 12,000 USD); "
        "3 used on one or two days, 3,600 USD; 4 held by casual users, 4,800 USD; 1 new",
        "t1, expert search (standard): 10 licences, 12,000 USD a year; not measured, for "
        "nobody's access of the app is known",
        "t3, product (seat): 10 licences; not measured, for nobody's access of the app is known",
    ]


def test_a_tenant_is_shown_by_itself(segments: Segments) -> None:
    told = segments("--tenant", "t1")
    assert told.lines[0] == "Segments of 2024-06-24, t1"
    assert told.lines[3] == "power 1 25.0 % - -1.2 points"
    assert not any("t2" in line for line in told.lines)
    assert not any(line.startswith("Mean score") for line in told.lines)
    assert after(told, "Changes of the week")[0] == "0 users"
    # 25 high and 1 medium; one of each has a row.
    assert after(told, "Churn")[-1] == "and 24 more: segments.churn_list"


# --- a user --------------------------------------------------------------------------------------


def test_a_user_is_shown_with_reasons_weeks_and_what_would_help(segments: Segments) -> None:
    told = segments("--user", "ana")
    assert (told.code, told.error) == (0, "")
    assert told.lines[:5] == [
        "ana of t1 on 2024-06-24",
        "",
        "Power user.",
        "Confidence 0.75",
        "Churn risk: medium",
    ]
    assert after(told, "Evidence") == ["Depth: 9 minutes a day of use (tenant mean 8)"]
    # Twelve weeks up to June 24 begin on April 8.
    assert after(told, "The last 12 weeks") == [
        "Monday segment score percentile churn risk kind",
        "2024-06-24 power 0.500 60.0 medium Occasional",
        "2024-06-17 regular 0.612 60.0 very low Occasional",
        "2024-04-08 casual 0.500 - - Occasional",
    ]
    lines = after(told, "Recommendations")
    assert lines[:3] == [
        "Do first.",
        "Training, high priority; saves an estimated 7.5 hours a month; costs 200 USD a year, "
        "estimated",
        "Because of first.",
    ]
    assert lines[::3] == ["Do first.", "Do a_rule.", "Do b_rule.", "Do late."]
    assert "saves an estimated 1 hour a month" in lines[4]


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("ana", "Power is the highest segment"),
        (
            "ben",
            "Power: a score above 0.650 (now 0.512) and a percentile above 75 (now 60), on three "
            "Mondays in a row",
        ),
        (
            "cas",
            "Regular: a score of 0.250 or more (now 0.200) or a percentile of 25 or more "
            "(now 12), on three Mondays in a row",
        ),
        ("dan", "Regular: a score of 0.250 or more (now 0.500), on three Mondays in a row"),
        ("eve", "The day's scores are not kept any more"),
    ],
)
def test_the_next_segment_is_told_by_its_rule(segments: Segments, user: str, told: str) -> None:
    assert after(segments("--user", user), "The way to the next segment")[0] == told


def test_the_component_that_lacks_most_is_named_and_all_are_listed(segments: Segments) -> None:
    assert after(segments("--user", "cas"), "The way to the next segment")[1:] == [
        "Most is to be had from depth: up to 0.150 of the score",
        "of 1 weight missing",
        "depth 0.000 0.15 0.150",
        "frequency 0.600 0.30 0.120",
        "diversity 0.500 0.20 0.100",
        "consistency 0.500 0.15 0.075",
        "recency 1.000 0.20 0.000",
    ]


def test_what_is_odd_about_a_user_is_told(segments: Segments) -> None:
    told = segments("--user", "dan")
    assert told.lines[3:8] == [
        "Confidence 0.75; needs review",
        "Churn risk: not told without an access",
        "Held back: many users of the tenant would change at once",
        "The accesses look as if made for the score",
        "A manager's label: power",
    ]
    assert after(told, "Recommendations") == ["none"]
    suppressed = "Churn risk: low (suppressed: holidays, or a dip of the whole tenant)"
    assert suppressed in segments("--user", "eve").lines


def test_the_models_words_stand_beside_those_of_the_rules(segments: Segments) -> None:
    assert after(segments("--user", "ana"), "A model's opinion (large-1, prompt v2)") == [
        "power (Daily [bold]drafter), as the rules do; confidence 0.90",
        "Churn risk: very low",
        "Works steadily.",
        "- 42 accesses.",
        "- 3 apps.",
        "It recommends, hours and costs estimated by it:",
        "Do teach.",
        "Training, low priority; saves an estimated 1.5 hours a month; costs 200 USD a year, "
        "estimated",
        "Because of teach.",
    ]


def test_an_opinion_that_differs_or_is_unsure_says_so(segments: Segments) -> None:
    lines = after(segments("--user", "cas"), "A model's opinion (large-1, prompt v2)")
    assert lines[:2] == [
        "power (Daily [bold]drafter), where the rules say casual; confidence 0.59; needs review",
        "Churn risk: high",
    ]
    assert not any("recommends" in line for line in lines)


def test_without_an_opinion_there_is_nothing_of_a_model(segments: Segments) -> None:
    assert not any("model" in line for line in segments("--user", "ben").lines)


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--day", "2024-06-26"), ("2024-06-26 is no Monday", "--day 2024-06-24")),
        (("--day", "2024-07-01"), ("2024-07-01 has no segments", "2024-06-24", "harvey run")),
        (("--day", "May"), ("--day is 'May'",)),
        (("--user", "anna"), ("no user is named anna on 2024-06-24", "Did you mean ana?")),
        (("--user", "xyz"), ("no user is named xyz", "segments.user_segments")),
        # Ben has no row on that Monday.
        (("--user", "ben", "--day", "2024-06-17"), ("no user is named ben on 2024-06-17",)),
        (("--tenant", "all"), ("no tenant is named all",)),
        (("--tenant", "t9"), ("no tenant is named t9",)),
        (("--tenant", "t1", "--user", "ana"), ("exclude each other",)),
        # The week has rows of users and none of tenants.
        (("--day", "2024-04-08"), ("segmentation_dashboard of 2024-04-08", "harvey run")),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(
    segments: Segments, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    told = segments(*arguments)
    assert (told.code, told.lines) == (2, [])
    assert told.error.startswith("harvey: ")
    for part in parts:
        assert part in " ".join(told.error.split())


@pytest.mark.parametrize("is_published", [False, True], ids=["no-copy", "copy-without-segments"])
def test_nothing_was_run(
    segments: Segments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_published: bool
) -> None:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    if is_published:
        duckdb.connect(str(published_path(tmp_path / "warehouse.duckdb"))).close()
    told = segments()
    assert (told.code, told.lines) == (2, [])
    assert "Nothing of the segments" in told.error
    assert "harvey run" in " ".join(told.error.split())


def test_a_copy_without_a_monday_is_like_none(
    segments: Segments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVEY_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    with duckdb.connect(str(published_path(tmp_path / "warehouse.duckdb"))) as connection:
        connection.execute("create schema segments")
        connection.execute("create table segments.user_segments (date date)")
    told = segments()
    assert (told.code, told.lines) == (2, [])
    assert "Nothing of the segments" in told.error
