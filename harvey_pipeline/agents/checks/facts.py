"""Checks of the facts: nothing lost on the way, keys that are known, reviews in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import polars as pl

from harvey_pipeline.agents.sources import (
    ANNOTATORS,
    APPROVALS,
    FEEDBACK,
    QUERIES,
    UNKNOWN,
)
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.landing.ledger import DROPS
from harvey_pipeline.landing.source import Source, drops_of
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated
from harvey_pipeline.warehouse.table import Table

_DRAFTS: Final = TABLES["fact_agent_approval"]
_QUERIES: Final = TABLES["fact_agent_query"]
_ANNOTATIONS: Final = TABLES["fact_training_feedback"]
_ANNOTATOR_VERSIONS: Final = TABLES["annotator_versions"]

_BLOCK_DAYS: Final = 7
_NEAR_DAYS: Final = 30
"""How far apart two days of one id are looked for."""

_FEWEST_SCORES: Final = 20
_PENDING_PERCENT: Final = 5

ROWS_AGREE: Final = Check(
    "fact_rows_agree_with_drops",
    "A day has as many facts as ids accepted for it in the drops that it reads.",
    is_blocking=True,
)
AGENT_TYPES_KNOWN: Final = Check(
    "agent_types_are_known",
    "Every fact has an agent type that is built in or of which a version has begun by its day.",
    WARN,
    advice="Have the agent type delivered; until then its facts stand under `unknown`.",
)
SHOPS_KNOWN: Final = Check(
    "shops_are_known",
    "A version of the shop of every fact has begun by its day.",
    WARN,
    advice="Check that the drop of shops was complete; until then its facts stand under `unknown`.",
)
ANNOTATORS_KNOWN: Final = Check(
    "annotators_are_known",
    "Every annotation names its annotator, who is delivered where annotators are.",
    WARN,
    advice="Have the annotator delivered, or the address corrected.",
)
STATUSES_KNOWN: Final = Check(
    "statuses_are_known",
    "Every draft is approved, rejected, edited or pending.",
    WARN,
    advice="Nothing, if the status is real: such drafts count as `other_status`.",
)
HAVE_REVIEW_TIME: Final = Check(
    "decided_drafts_have_a_review_time",
    "A decided draft has `reviewed_at`, and a pending one has not.",
    WARN,
    advice="Ask the sender: review times leave these drafts out, or count what is not decided.",
)
REVIEWED_IN_TIME: Final = Check(
    "drafts_are_reviewed_in_time",
    f"Of the drafts whose reviews come too late from the day on, at most {_PENDING_PERCENT} % are "
    "still pending.",
    WARN,
    advice="They stay pending: have drafts reviewed sooner, or raise HARVEY_REVIEW_DAYS.",
)
IN_PERCENT: Final = Check(
    "confidence_is_in_percent",
    f"Of a day's confidence scores, {_FEWEST_SCORES} or more, one is above 1.",
    WARN,
    advice="The source seems to use 0 to 1: have it deliver percent.",
)
IDS_KEEP_THEIR_DAY: Final = Check(
    "ids_keep_their_day",
    f"No id of a day comes with another day within {_NEAR_DAYS} days.",
    WARN,
    advice="Ask the sender: an id with another day of creation counts as another fact.",
)
ALL_SCORES: Final = Check(
    "feedback_has_all_scores",
    "An annotation has all four scores, or none.",
    WARN,
    advice="Nothing, if a score may be left out: the overall score is the mean of those given.",
)


def _judge_rows_of_drops(source: Source, table: Table, judging: Judging) -> None:
    """Distinct ids by day, out of the drops that the days read, against the facts."""
    days = judging.days
    counted = [
        judging.raw_store.read(source, drops_of(source, DayRange(block[0], block[-1])))
        .filter(is_dated(block[0], block[-1], "event_date"))
        .group_by(date="event_date")
        .agg(rows=pl.col("source_id").n_unique().cast(pl.Int64))
        .collect(engine="streaming")
        for block in blocks_of_days(days, _BLOCK_DAYS)
    ]
    nothing = pl.DataFrame(schema={"date": pl.Date, "rows": pl.Int64})
    expected = pl.concat([nothing, *counted])
    found = judging.connection.sql(
        f"select date, count(*) as rows from {table} where {within('date', days)} group by date"
    ).pl()
    judging.report.add(
        ROWS_AGREE, differences(with_every_day(expected, days), with_every_day(found, days))
    )


def _judge_days_of_ids(table: Table, judging: Judging) -> None:
    """Ids of the days that another day near them has too; hashes find the few to look at."""
    days = judging.days
    if not days:
        judging.report.add(IDS_KEEP_THEIR_DAY, pl.DataFrame(schema={"date": pl.Date}))
        return
    near = timedelta(days=_NEAR_DAYS)
    window = within("date", (days[0] - near, days[-1] + near))
    ids = (
        f"select date, source_id from {table} where {window} and hash(source_id) in (select h from "
        f"(select hash(source_id) as h, date from {table} where {window}) "
        "group by h having count(*) > 1)"
    )
    failing = (
        f"with ids as materialized ({ids}) select one.date, one.source_id, other.date as other_date"
        " from ids one join ids other using (source_id) where one.date <> other.date "
        f"and abs(one.date - other.date) <= {_NEAR_DAYS} and {within('one.date', days)}"
    )
    add_failing_rows(judging.report, IDS_KEEP_THEIR_DAY, judging.connection, failing)


def _add(judging: Judging, check: Check, table: Table, columns: str, where: str) -> None:
    failing = f"select {columns} from {table} where {within('date', judging.days)} and ({where})"
    add_failing_rows(judging.report, check, judging.connection, failing)


def _judge_drafts(judging: Judging) -> None:
    _judge_rows_of_drops(APPROVALS, _DRAFTS, judging)
    _judge_days_of_ids(_DRAFTS, judging)
    key = "date, source_id"
    _add(judging, AGENT_TYPES_KNOWN, _DRAFTS, f"{key}, agent_type_code", _is_unknown("agent_type"))
    _add(judging, SHOPS_KNOWN, _DRAFTS, f"{key}, conversation_id", _is_unknown("shop"))
    decided = "is_approved or is_rejected or is_edited"
    _add(judging, STATUSES_KNOWN, _DRAFTS, f"{key}, status", f"not ({decided} or is_pending)")
    _add(
        judging,
        HAVE_REVIEW_TIME,
        _DRAFTS,
        f"{key}, status, reviewed_at",
        f"(({decided}) and reviewed_at is null) or (is_pending and reviewed_at is not null)",
    )
    scores = (
        f"select date, count(confidence_score) as scores, max(confidence_score) as highest "
        f"from {_DRAFTS} where {within('date', judging.days)} group by date "
        f"having scores >= {_FEWEST_SCORES} and highest <= 1"
    )
    add_failing_rows(judging.report, IN_PERCENT, judging.connection, scores)
    late = APPROVALS.late_days
    pending = (
        f"select date + {late} as date, date as drafted, count(*) filter (is_pending) as pending, "
        f"count(*) as drafts from {_DRAFTS} where {within(f'date + {late}', judging.days)} "
        f"group by all having 100 * pending > {_PENDING_PERCENT} * drafts"
    )
    add_failing_rows(judging.report, REVIEWED_IN_TIME, judging.connection, pending)


def _is_unknown(dimension: str) -> str:
    return f"{dimension}_sk = '{UNKNOWN}'"


def _judge_queries(judging: Judging) -> None:
    _judge_rows_of_drops(QUERIES, _QUERIES, judging)
    _judge_days_of_ids(_QUERIES, judging)
    key = "date, source_id"
    _add(judging, AGENT_TYPES_KNOWN, _QUERIES, f"{key}, agent_type_code", _is_unknown("agent_type"))
    _add(judging, SHOPS_KNOWN, _QUERIES, f"{key}, conversation_id", _is_unknown("shop"))


def _judge_annotations(judging: Judging) -> None:
    _judge_rows_of_drops(FEEDBACK, _ANNOTATIONS, judging)
    _judge_days_of_ids(_ANNOTATIONS, judging)
    key = "date, source_id"
    _add(judging, SHOPS_KNOWN, _ANNOTATIONS, f"{key}, conversation_id", _is_unknown("shop"))
    are_delivered = (
        f"exists (select 1 from {DROPS} where source = '{ANNOTATORS.name}' and is_observed)"
    )
    has_version = (
        f"exists (select 1 from {_ANNOTATOR_VERSIONS} where annotator_email = annotator_sk)"
    )
    _add(
        judging,
        ANNOTATORS_KNOWN,
        _ANNOTATIONS,
        f"{key}, annotator_sk",
        f"{_is_unknown('annotator')} or ({are_delivered} and not {has_version})",
    )
    scores = "clarity_score, accuracy_score, helpfulness_score, tone_score"
    given = " + ".join(f"({score} is not null)::int" for score in scores.split(", "))
    _add(judging, ALL_SCORES, _ANNOTATIONS, f"{key}, {scores}", f"{given} between 1 and 3")


def _checks(
    table: Table, judge: Callable[[Judging], None], *checks: Check, needs: tuple[Table, ...] = ()
) -> TableChecks:
    return TableChecks(table, (ROWS_AGREE, IDS_KEEP_THEIR_DAY, *checks), judge, needs=needs)


CHECKS: Final = (
    _checks(
        _DRAFTS,
        _judge_drafts,
        AGENT_TYPES_KNOWN,
        SHOPS_KNOWN,
        STATUSES_KNOWN,
        HAVE_REVIEW_TIME,
        REVIEWED_IN_TIME,
        IN_PERCENT,
    ),
    _checks(_QUERIES, _judge_queries, AGENT_TYPES_KNOWN, SHOPS_KNOWN),
    _checks(
        _ANNOTATIONS,
        _judge_annotations,
        SHOPS_KNOWN,
        ANNOTATORS_KNOWN,
        ALL_SCORES,
        needs=(DROPS, _ANNOTATOR_VERSIONS),
    ),
)
