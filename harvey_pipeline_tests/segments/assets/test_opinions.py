"""A model's opinions out of the answers that are kept: of the right days, models and figures."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.llm.cache import AnswerStore
from harvey_pipeline.llm.settings import Shares
from harvey_pipeline.segments.assets import opinions
from harvey_pipeline.segments.assets.opinions import ASSETS, llm_opinions
from harvey_pipeline.segments.questions import ask_about, read_segment_prompts
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES
from harvey_pipeline.segments.transforms.opinions import describe_users
from harvey_pipeline.settings import SettingsError
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
from harvey_pipeline_tests.segments.outcome_rows import MONDAY, Row, frame, segments, tenants
from harvey_pipeline_tests.segments.stored import stored_row

WEEK = timedelta(days=7)
USERS = ("u", "v")
DAYS = [MONDAY + timedelta(days=offset) for offset in range(8)]
OPINION = {
    "segment": "regular",
    "sub_segment": "Quiet",
    "confidence": 0.7,
    "reasoning": "Because.",
    "evidence": ["One."],
    "churn_risk": "low",
}


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setattr(opinions, "_MODELS", ("large", "small"))
    return Warehouse(database=str(tmp_path / "warehouse.duckdb"))


def inputs(accesses: int = 100) -> dict[str, pl.LazyFrame]:
    """Two users of two Mondays."""
    mondays = (MONDAY, MONDAY + WEEK)
    keys: list[Row] = [{"date": day, "user_id": user} for day in mondays for user in USERS]
    scores = [stored_row(key["date"], key["user_id"], total_accesses=accesses) for key in keys]
    return {
        "user_segments": segments(*({**key, "llm_reasons": ["flagged"]} for key in keys)),
        "engagement_scores": frame(ENGAGEMENT_SCORES, scores),
        "tenant_engagement": tenants(*({"date": day} for day in mondays)),
    }


def keep(
    warehouse: Warehouse, day: date, *users: str, model: str = "large", kind: str = "Quiet"
) -> None:
    """Keep a model's answer about some users, as if it had been asked."""
    described = describe_users(**inputs(), monday=day, holidays=()).collect()
    rows: list[dict[str, Any]] = [
        {
            "purpose": one.purpose,
            "row_hash": one.row_hash,
            "model": model,
            "prompt_version": one.prompt.version,
            "date": one.day,
            "user_id": one.user_id,
            "input_hash": one.input_hash(model),
            "output": json.dumps(OPINION | {"sub_segment": kind}),
            "status": "ok",
            "input_tokens": 1,
            "output_tokens": 1,
            "cost_usd": 0.0,
            "latency_ms": 1,
            "called_at": datetime(2024, 6, 5),
        }
        for one in ask_about(described, read_segment_prompts({}))
        if one.user_id in users
    ]
    AnswerStore(warehouse, "secret").save(rows, [])


def told(warehouse: Warehouse, accesses: int = 100) -> list[tuple[Any, ...]]:
    made = llm_opinions.compute(days=DAYS, **inputs(accesses), warehouse=warehouse)
    assert isinstance(made, Pieces)
    frames = [one.collect() for one in made.plans]
    columns = ("date", "user_id", "model", "sub_segment")
    return [row for one in frames for row in one.select(columns).rows()]


def test_it_reads_the_monday_and_the_seasons_of_the_tenant() -> None:
    assert (llm_opinions,) == ASSETS
    read = {one.table: (one.before, one.after) for one in llm_opinions.inputs.values()}
    assert read == {
        "segments.user_segments": (0, 0),
        "segments.engagement_scores": (0, 0),
        "segments.tenant_engagement": (637, 0),
    }
    assert "llm.llm_cache" in {one.table for one in llm_opinions.watched}


def test_without_answers_there_are_no_opinions(warehouse: Warehouse) -> None:
    assert told(warehouse) == []


def test_answers_are_of_their_users_and_mondays(warehouse: Warehouse) -> None:
    keep(warehouse, MONDAY, "v")
    keep(warehouse, MONDAY + WEEK, "u", "v", kind="Loud")
    assert told(warehouse) == [
        (MONDAY, "v", "large", "Quiet"),
        (MONDAY + WEEK, "u", "large", "Loud"),
        (MONDAY + WEEK, "v", "large", "Loud"),
    ]


def test_an_answer_about_other_figures_does_not_count(warehouse: Warehouse) -> None:
    keep(warehouse, MONDAY, "u")
    assert told(warehouse, accesses=101) == []


def test_the_first_model_that_is_set_comes_before_the_second(warehouse: Warehouse) -> None:
    keep(warehouse, MONDAY, "u", model="small")
    keep(warehouse, MONDAY, "v", model="other")
    assert told(warehouse) == [(MONDAY, "u", "small", "Quiet")]
    keep(warehouse, MONDAY, "u", model="large")
    assert told(warehouse) == [(MONDAY, "u", "large", "Quiet")]


def test_other_models_or_prompts_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against opinions that stay after the settings they rest on have changed."""
    usual = replace(llm_opinions).version
    assert replace(llm_opinions).version == usual
    with monkeypatch.context() as patch:
        patch.setattr(opinions, "_MODELS", ("another",))
        assert replace(llm_opinions).version != usual
    prompts = dict(read_segment_prompts({}))
    one = prompts["segment_user"]
    ((prompt, share),) = one.shares
    prompts["segment_user"] = replace(one, shares=((replace(prompt, version="v2"), share),))
    monkeypatch.setattr(opinions, "_PROMPTS", prompts)
    assert replace(llm_opinions).version != usual


def test_a_version_that_there_is_not_is_refused() -> None:
    shares: Shares = {"segment_user": (("v1", 50), ("v99", 50))}
    with pytest.raises(SettingsError, match=r"v99 of segment_user; there are v1\."):
        read_segment_prompts(shares)
