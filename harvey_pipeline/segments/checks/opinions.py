"""Checks of what a model says of users, and of how asking it goes."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.llm.canonical import canonical_json
from harvey_pipeline.llm.tables import LLM_COSTS
from harvey_pipeline.segments.answers import Advice, Opinion, find_made_up
from harvey_pipeline.segments.settings import read_segment_settings
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.opinions import TENANT_DAYS, describe_users
from harvey_pipeline.warehouse.days import DayRange

_HOLIDAYS: Final = read_segment_settings().holidays

_MOST_ERRORS_PERCENT: Final = 1
_SLOWEST_P95_MS: Final = 5_000
_WARN_USD: Final = 5
_ERROR_USD: Final = 10
_LOOKED_AT_DAYS: Final = 7

OUTPUT_VALID: Final = Check(
    "model_output_is_valid",
    "What a model told of a user has all that was asked of it, within its bounds, and no number "
    "that is not among the figures that it was told.",
    is_blocking=True,
    advice="Run the Monday again. If it is still so, remove the answer from `llm.llm_cache` and "
    "run it once more; look at the prompt's version if it happens often.",
)
RUNS_WELL: Final = Check(
    "model_runs_well",
    f"In the latest {_LOOKED_AT_DAYS} days up to the last call of a model at most "
    f"{_MOST_ERRORS_PERCENT} % of the calls of a day, purpose, prompt and model failed, 95 % of "
    f"them took at most {_SLOWEST_P95_MS / 1000:g} seconds, and no day cost more than "
    f"{_WARN_USD} USD (more than {_ERROR_USD} USD is an ERROR).",
    WARN,
    advice="Look at `prompt_versions` and `marts.llm_costs`. HARVEY_PROMPTS goes back to another "
    "version, HARVEY_LLM_STOP=1 stops all calls.",
)

_FOUND: Final = {"date": pl.Date, "user_id": pl.String, "finding": pl.String}


def _judge(judging: Judging) -> None:
    found = [pl.DataFrame(schema=_FOUND)]
    for monday in mondays_of(judging.days):
        opinions = judging.warehouse.read(LLM_OPINIONS, DayRange(monday, monday)).collect()
        if not opinions.is_empty():
            found.append(_find_invalid(judging, monday, opinions))
    judging.report.add(OUTPUT_VALID, pl.concat(found))
    _judge_calls(judging)


def _find_invalid(judging: Judging, monday: date, opinions: pl.DataFrame) -> pl.DataFrame:
    """The opinions of a Monday that are none, each with what is wrong about it."""
    of_day = DayRange(monday, monday)
    before = DayRange(monday - timedelta(days=TENANT_DAYS), monday)
    described = describe_users(
        judging.warehouse.read(USER_SEGMENTS, of_day),
        judging.warehouse.read(ENGAGEMENT_SCORES, of_day),
        judging.warehouse.read(TENANT_ENGAGEMENT, before),
        monday,
        _HOLIDAYS,
    ).join(opinions.lazy().select("user_id"), on="user_id", how="semi")
    told = {
        row["user_id"]: canonical_json(row["facts"])
        for row in described.collect().iter_rows(named=True)
    }
    rows = []
    for opinion in opinions.iter_rows(named=True):
        fault = find_fault(opinion, told.get(opinion["user_id"]))
        if fault is not None:
            rows.append((monday, opinion["user_id"], fault))
    return pl.DataFrame(rows, schema=_FOUND, orient="row")


def find_fault(opinion: Mapping[str, Any], told: str | None) -> str | None:
    """What is wrong about a row of `llm_opinions`, without its words, or None.

    Args:
        opinion: The row.
        told: What a model is told of the user, None where there is no reason to ask.
    """
    if told is None:
        return "there is no reason to ask about the user"
    fields = {name: opinion[name] for name in Opinion.model_fields}
    try:
        answers: list[Opinion | Advice] = [Opinion.model_validate(fields)]
        if opinion["recommendations"] is not None:
            recommended = {"recommendations": json.loads(opinion["recommendations"])}
            answers.append(Advice.model_validate(recommended))
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False, include_url=False)
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except json.JSONDecodeError:
        return "recommendations: no JSON"
    faults = (find_made_up(answer, told) for answer in answers)
    return next((fault for fault in faults if fault is not None), None)


def _judge_calls(judging: Judging) -> None:
    costs = (
        f"(from {LLM_COSTS} where date > (select max(date) from {LLM_COSTS}) - {_LOOKED_AT_DAYS})"
    )
    odd = judging.connection.sql(
        f"select date, purpose, prompt_version, model, calls, error_rate, latency_p95_ms, "
        f"null::double as cost_usd from {costs} "
        f"where error_rate > {_MOST_ERRORS_PERCENT} or latency_p95_ms > {_SLOWEST_P95_MS} "
        "union all by name "
        f"select date, sum(cost_usd) as cost_usd from {costs} group by date "
        f"having sum(cost_usd) > {_WARN_USD} order by all"
    ).pl()
    judging.report.add(RUNS_WELL, odd)
    if (odd["cost_usd"] > _ERROR_USD).any():
        judging.report.escalate(RUNS_WELL)


CHECKS: Final = (
    TableChecks(
        LLM_OPINIONS,
        (OUTPUT_VALID, RUNS_WELL),
        _judge,
        needs=(USER_SEGMENTS, ENGAGEMENT_SCORES, TENANT_ENGAGEMENT, LLM_COSTS),
    ),
)
