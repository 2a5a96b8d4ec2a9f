"""Every check of the subject fails for the reason that it is there for, and for no other."""

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline_tests.agents.stars import Star

DAY, NEXT = date(2024, 5, 6), date(2024, 5, 7)

DRAFTS, QUERIES = "agents.fact_agent_approval", "agents.fact_agent_query"
ANNOTATIONS, SUMMARY = "agents.fact_training_feedback", "agents.daily_agent_summary"


def draft(key: str, day: date = DAY, **changes: str) -> str:
    row = {
        "id": key,
        "conversation_id": "c1",
        "shop_domain": "s1",
        "status": "approved",
        "created_at": f"{day} 09:00:00",
        "agent_type": "cx-agent",
        "customer_email": "c@x.com",
        "customer_name": "Carl",
        "draft_response": "Hello",
        "confidence_score": "90",
        "suggested_tags": "",
        "priority": "",
        "recommended_action": "",
        "reviewed_at": f"{day} 10:00:00",
    }
    return ",".join((row | changes).values())


def shops(plan: str = "pro") -> list[str]:
    return [f"s{number},{plan if number == 1 else 'basic'},10" for number in range(1, 5)]


@pytest.fixture(scope="module")
def sane_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days on which nothing is wrong but what only a longer history can have."""
    star = Star(tmp_path_factory.mktemp("sane"), DAY, NEXT)
    for day in (DAY, NEXT):
        star.drop("agent_approvals", day, draft(f"a{day.day}", day))
        star.drop("agent_queries", day, f"q{day.day},s1,{day} 09:00,cx-agent,100,true,false")
        star.drop("agent_feedback", day, f"f{day.day},n@x.com,s1,{day} 09:00,4,4,4,4,true,,,")
        star.drop("shops", day, *shops())
        star.drop("customers", day, "c@x.com,s1,Carl,3,50")
        star.drop("annotators", day, "n@x.com,Nora,true")
        star.drop("agent_types", day, "cx-agent,Customer Experience,true,50,500")
    assert star.run() == []
    return star.root


@pytest.fixture
def star(sane_root: Path, tmp_path: Path) -> Star:
    """A copy of the sane star, to be spoilt."""
    readers = shutil.ignore_patterns("*.published.*", "*.standby.*")
    shutil.copytree(sane_root, tmp_path / "star", ignore=readers)
    return Star(tmp_path / "star", DAY, NEXT)


def failing(star: Star, table: str) -> dict[str, dg.AssetCheckResult]:
    results = star.evaluate(table)
    return {name: result for name, result in results.items() if not result.passed}


def assert_fails(
    star: Star,
    table: str,
    check: str,
    naming: str,
    days: tuple[date, ...] = (DAY,),
    severity: dg.AssetCheckSeverity = WARN,
) -> None:
    result = failing(star, table)[check]
    assert result.severity == severity
    assert result.metadata["failing_days"].value == [str(day) for day in days]
    assert naming in str(result.metadata["examples"].value)


SPOILT = [
    (DRAFTS, "agent_type_sk = 'unknown', agent_type_code = 'x'", "agent_types_are_known", "a6"),
    (QUERIES, "agent_type_sk = 'unknown'", "agent_types_are_known", "q6"),
    (DRAFTS, "shop_sk = 'unknown'", "shops_are_known", "a6"),
    (QUERIES, "shop_sk = 'unknown'", "shops_are_known", "q6"),
    (ANNOTATIONS, "shop_sk = 'unknown'", "shops_are_known", "f6"),
    (ANNOTATIONS, "annotator_sk = 'unknown'", "annotators_are_known", "f6"),
    (ANNOTATIONS, "annotator_sk = 'new@x.com'", "annotators_are_known", "new@x.com"),
    (DRAFTS, "is_approved = false, status = 'expired'", "statuses_are_known", "expired"),
    (DRAFTS, "reviewed_at = null", "decided_drafts_have_a_review_time", "a6"),
    (
        DRAFTS,
        "is_approved = false, is_pending = true",
        "decided_drafts_have_a_review_time",
        "a6",
    ),
    (ANNOTATIONS, "tone_score = null", "feedback_has_all_scores", "f6"),
]


@pytest.mark.parametrize(("table", "change", "check", "naming"), SPOILT)
def test_a_fact_is_not_as_it_should_be(
    star: Star, table: str, change: str, check: str, naming: str
) -> None:
    star.spoil(f"update {table} set {change} where date = '{DAY}'")
    assert set(failing(star, table)) == {check}
    assert_fails(star, table, check, naming)


@pytest.mark.parametrize("table", [DRAFTS, QUERIES, ANNOTATIONS])
def test_a_fact_that_no_drop_has_and_one_that_is_gone(star: Star, table: str) -> None:
    star.spoil(
        f"insert into {table} select * replace ('more' as source_id) from {table} "
        f"where date = '{DAY}'",
        f"delete from {table} where date = '{NEXT}'",
    )
    assert_fails(star, table, "fact_rows_agree_with_drops", "2", (DAY, NEXT), ERROR)
    assert set(failing(star, table)) == {"fact_rows_agree_with_drops"}


@pytest.mark.parametrize("table", [DRAFTS, QUERIES, ANNOTATIONS])
def test_an_id_comes_with_another_day(star: Star, table: str) -> None:
    star.spoil(f"update {table} set source_id = 'same'")
    assert_fails(star, table, "ids_keep_their_day", "same", (DAY, NEXT))
    far = "date + 30, created_at = created_at + interval 30 day"
    star.spoil(f"update {table} set date = {far} where date = '{NEXT}'")
    assert "ids_keep_their_day" not in failing(star, table)


def test_a_score_is_missing_in_all_or_none(star: Star) -> None:
    scores = "clarity_score = null, accuracy_score = null, helpfulness_score = null"
    star.spoil(f"update {ANNOTATIONS} set {scores}, tone_score = null, overall_score = null")
    assert "feedback_has_all_scores" not in failing(star, ANNOTATIONS)


def test_confidence_between_0_and_1_is_no_percentage(star: Star) -> None:
    def add(count: int) -> None:
        star.spoil(
            f"insert into {DRAFTS} by name select * exclude (i) replace ('n' || i as source_id) "
            f"from {DRAFTS}, range({count}) r(i) where date = '{DAY}'"
        )

    star.spoil(f"update {DRAFTS} set confidence_score = 1")
    add(18)
    assert "confidence_is_in_percent" not in failing(star, DRAFTS)
    star.spoil(f"delete from {DRAFTS} where source_id like 'n%'")
    add(19)
    assert_fails(star, DRAFTS, "confidence_is_in_percent", "20")
    star.spoil(f"update {DRAFTS} set confidence_score = 1.1 where source_id = 'n3'")
    assert "confidence_is_in_percent" not in failing(star, DRAFTS)


def test_drafts_that_can_no_longer_be_reviewed_are_pending(star: Star) -> None:
    def add(pending: int, decided: int) -> None:
        star.spoil(
            f"delete from {DRAFTS} where source_id like 'n%'",
            f"insert into {DRAFTS} by name select * exclude (i) replace ('n' || i as source_id, "
            f"date '{DAY}' - 30 as date, i < {pending} as is_pending, i >= {pending} as "
            f"is_approved) from {DRAFTS}, range({pending + decided}) r(i) where date = '{DAY}'",
        )

    add(1, 19)
    assert "drafts_are_reviewed_in_time" not in failing(star, DRAFTS)
    add(1, 18)
    assert_fails(star, DRAFTS, "drafts_are_reviewed_in_time", "2024-04-06")


@pytest.mark.parametrize(
    ("bad", "severity"), [(0, None), (1, None), (2, WARN), (5, ERROR)], ids=str
)
def test_values_that_cannot_be_read(
    star: Star, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    lines = [draft(f"a{n}", confidence_score="high" if n < bad else "9") for n in range(100)]
    star.drop("agent_approvals", DAY, *lines)
    from harvey_pipeline.agents.sources import APPROVALS
    from harvey_pipeline.warehouse.days import DayRange

    star.raw_store.ingest(APPROVALS, DayRange(DAY, NEXT))
    found = failing(star, "raw.raw_agent_approvals").get("values_are_readable")
    assert (found.severity if found else None) == severity


KEYS = [
    (f"update {DRAFTS} set agent_type_sk = 'gone' where date = '{DAY}'", "gone"),
    (f"update {DRAFTS} set customer_sk = 'nobody' where date = '{DAY}'", "nobody"),
    (f"update {QUERIES} set shop_sk = 's_gone' where date = '{DAY}'", "s_gone"),
    (f"update {ANNOTATIONS} set annotator_sk = 'gone' where date = '{DAY}'", "gone"),
]


@pytest.mark.parametrize(("change", "naming"), KEYS)
def test_a_key_is_in_no_dimension(star: Star, change: str, naming: str) -> None:
    star.spoil(change)
    assert_fails(star, SUMMARY, "fact_keys_are_in_dimensions", naming, severity=ERROR)


@pytest.mark.parametrize(("own", "other"), [(NEXT, None), (date(2024, 5, 1), DAY)])
def test_the_version_of_a_shop_is_another_one_on_the_day(
    star: Star, own: date, other: date | None
) -> None:
    """It begins later, or a later one has begun by the day."""
    star.spoil(f"update agents.dim_shop set effective_date = '{own}' where shop_domain = 's1'")
    if other is not None:
        star.spoil(
            "insert into agents.dim_shop select * replace ('s1_new' as shop_sk, "
            f"date '{other}' as effective_date) from agents.dim_shop where shop_domain = 's1'"
        )
    days = (DAY,) if other is None else (DAY, NEXT)
    assert_fails(star, SUMMARY, "fact_keys_are_in_dimensions", "s1_20240506", days, ERROR)


def test_a_day_is_in_no_dimension(star: Star) -> None:
    star.spoil(f"delete from agents.dim_date where date_actual = '{DAY}'")
    assert_fails(star, SUMMARY, "dates_are_in_dim_date", "20240506", severity=ERROR)


@pytest.mark.parametrize("name", ["agent_type", "shop", "customer", "annotator"])
def test_a_dimension_lacks_its_unknown_member(star: Star, name: str) -> None:
    star.spoil(f"delete from agents.dim_{name} where {name}_sk = 'unknown'")
    check = "unknown_members_exist"
    assert_fails(star, SUMMARY, check, f"agents.dim_{name}", (NEXT,), ERROR)


@pytest.mark.parametrize(
    ("mart", "change"),
    [
        ("daily_agent_performance", "total_drafts = 2"),
        ("daily_agent_performance", "approved = 0"),
        ("daily_confidence_calibration", "total_drafts = 2"),
        ("daily_query_performance", "total_queries = 0"),
        ("daily_query_performance", "errors = 1"),
        ("daily_annotation_quality", "annotations = 7"),
        ("daily_agent_summary", "errors = 1"),
    ],
)
def test_a_mart_has_other_sums_than_the_facts(star: Star, mart: str, change: str) -> None:
    star.spoil(f"update agents.{mart} set {change} where date = '{DAY}'")
    assert_fails(star, SUMMARY, "marts_agree_with_facts", mart, severity=ERROR)


@pytest.mark.parametrize(
    ("change", "day"),
    [
        (f"update agents.customer_daily set drafts = 2 where date = '{DAY}'", (DAY, NEXT)),
        ("update agents.dim_customer set interactions = 9 where customer_sk <> 'unknown'", (NEXT,)),
    ],
)
def test_customers_have_other_drafts_than_there_are(
    star: Star, change: str, day: tuple[date, ...]
) -> None:
    star.spoil(change)
    assert_fails(star, SUMMARY, "customers_agree_with_drafts", "", day, ERROR)


@pytest.mark.parametrize(
    "change", ["expected_approval_rate = 100.0, is_active = true", "expected_avg_latency_ms = 99"]
)
def test_an_agent_does_less_than_is_expected(star: Star, change: str) -> None:
    star.spoil(
        f"update {DRAFTS} set is_approved = false, is_edited = true where date = '{DAY}'",
        f"update agents.daily_agent_performance set approved = 0, edited = 1 where date = '{DAY}'",
        f"update agents.dim_agent_type set {change} where agent_type_sk = 'cx-agent'",
    )
    assert_fails(star, SUMMARY, "expectations_are_met", "cx-agent", (NEXT,))


def test_a_plan_is_not_known(star: Star) -> None:
    star.spoil("update agents.dim_shop set plan_type = 'gold' where shop_domain = 's1'")
    assert_fails(star, "agents.dim_shop", "plan_types_are_known", "gold")


def test_shops_change_more_often_than_a_history_bears(star: Star) -> None:
    """One of four is a quarter; of five, a fifth, which is just not too much."""
    star.spoil(
        "insert into agents.dim_shop select * replace ('s1_20240507' as shop_sk, "
        f"date '{NEXT}' as effective_date) from agents.dim_shop where shop_domain = 's1'"
    )
    assert_fails(star, "agents.dim_shop", "shops_change_rarely", "s1", (NEXT,))
    star.spoil(
        "insert into agents.dim_shop select * replace ('s5_20240506' as shop_sk, 's5' as "
        "shop_domain) from agents.dim_shop where shop_domain = 's2'"
    )
    assert "shops_change_rarely" not in failing(star, "agents.dim_shop")


RULES = [
    (DRAFTS, "is_pending = true", "flags_exclude_each_other"),
    (DRAFTS, "created_at = created_at + interval 1 day", "created_on_its_date"),
    (DRAFTS, "reviewed_at = created_at - interval 1 hour", "reviewed_after_created"),
    (DRAFTS, "review_time_seconds = -1", "values_within_bounds"),
    (ANNOTATIONS, "overall_score = null", "overall_score_where_any_is_given"),
    (ANNOTATIONS, "clarity_score = 6", "values_within_bounds"),
    (SUMMARY, "pending = 1", "drafts_add_up"),
    (SUMMARY, "approval_rate = 101", "values_within_bounds"),
    ("agents.daily_confidence_calibration", "confidence_band = '95-100'", "values_within_bounds"),
]


@pytest.mark.parametrize(("table", "change", "rule"), RULES)
def test_a_row_breaks_a_rule_of_its_table(star: Star, table: str, change: str, rule: str) -> None:
    star.spoil(f"update {table} set {change} where date = '{DAY}'")
    result = failing(star, table)["schema_holds"]
    told = result.metadata["failing_rules"]
    assert isinstance(told, dg.JsonMetadataValue)
    assert isinstance(told.data, dict)
    assert rule in told.data


DIMENSION_RULES = [
    ("dim_shop", "expiration_date = '2024-01-01'", "starts_before_it_ends"),
    ("dim_shop", "is_current = false", "current_exactly_while_open"),
    ("dim_date", "is_holiday = not is_holiday", "holidays_have_names"),
]


@pytest.mark.parametrize(("table", "change", "rule"), DIMENSION_RULES)
def test_a_member_breaks_a_rule(star: Star, table: str, change: str, rule: str) -> None:
    star.spoil(f"update agents.{table} set {change}")
    told = failing(star, f"agents.{table}")["schema_holds"].metadata["failing_rules"]
    assert isinstance(told, dg.JsonMetadataValue)
    assert isinstance(told.data, dict)
    assert rule in told.data


@pytest.mark.long
def test_a_shrunken_snapshot_is_told_and_closes_nothing(star: Star) -> None:
    star.drop("shops", NEXT, *shops()[:3])
    star.materialise(NEXT, NEXT, ["raw.raw_shops", "history.shop_versions", "agents.dim_shop"])
    assert "snapshot_is_not_shrunken" in failing(star, "raw.raw_shops")
    rows = star.rows("select count(*) from agents.dim_shop where is_current")
    assert rows == [(5,)]


def test_the_raw_tables_hold_lengths_and_no_texts() -> None:
    from harvey_pipeline.agents.sources import APPROVALS

    schema = APPROVALS.table.polars_schema
    assert "draft_response" not in schema
    assert schema["character_count"] == pl.Int32
