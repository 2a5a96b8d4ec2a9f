"""Checks of the weekly segments: every user has one, and they do not move more than people do."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import MARKED, USER_SEGMENTS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.seasons import (
    DAYS_READ,
    index_seasons,
    is_index_at_a_bound,
)
from harvey_pipeline.segments.transforms.segments import SCORE_DAYS, TENANT_DAYS, settle_history
from harvey_pipeline.segments.transforms.settling import (
    FEWEST_USERS,
    MASS_PERCENT,
    find_held,
    find_mass_changes,
)
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated

_BLOCK_MONDAYS: Final = 4
_MANY_LOST: Final = 100
_LOST_PERCENT: Final = 20
_MONTH_DAYS: Final = 28
_HIGH_PERCENT: Final = 10
_HIGH_PERCENT_ALWAYS: Final = 60
_ALIKE_PERCENT: Final = 90
_ALIKE_MILLIONTHS: Final = 10_000
_FEWEST_ROWS: Final = 20

_SHARES: Final[dict[str, Any]] = {
    "date": pl.Date,
    "tenant_id": pl.String,
    "held_since": pl.Date,
    "changed_percent": pl.Float64,
    "changed_users": pl.Int64,
    "users": pl.Int64,
}

POWER_HAS_ACCESSES: Final = Check(
    "power_users_have_accesses",
    "No power user is without an access in the 90 days.",
    is_blocking=True,
)
EVERY_USER: Final = Check(
    "every_scored_user_has_a_segment",
    "On Mondays the users with a segment are those with a score.",
    is_blocking=True,
)
NOT_HELD_BACK: Final = Check(
    "segments_are_not_held_back",
    f"No tenant's segments are held back: of {FEWEST_USERS} users or more, more than "
    f"{MASS_PERCENT} % changed in one of the last four weeks.",
    advice="Look at what was delivered around `held_since`. If the change is real, put an empty "
    f"file {MARKED}/<held_since>.accept into the landing folder and run that Monday and the four "
    "after it again; else have the deliveries corrected.",
)
NO_COLLAPSE: Final = Check(
    "power_users_do_not_collapse",
    f"Of a week before's power users fewer than {_MANY_LOST} are casual now, and of "
    f"{FEWEST_USERS} or more less than {_LOST_PERCENT} %.",
    advice="Look at what was delivered in the last weeks, and at `power_users_lost`.",
)
USUAL_CHURN: Final = Check(
    "churn_rate_is_usual",
    f"Of the users with a risk less than {_HIGH_PERCENT_ALWAYS} % are at high risk, and at most "
    f"{_HIGH_PERCENT} %, or twice the share of four weeks before.",
    advice="Look at what was delivered in the last 30 days; if the use did fall, look at "
    "`churn_list`.",
)
RAW_STEADY: Final = Check(
    "raw_segments_are_steady",
    f"Of a tenant's users on two Mondays, {FEWEST_USERS} or more, at most {MASS_PERCENT} % say "
    "another segment by the later Monday alone.",
    WARN,
    advice="An early sign, as segments settle over three weeks: look at what was delivered.",
)
CONFIDENCE_SPREAD: Final = Check(
    "confidence_is_spread",
    f"Of a Monday's confidences, {_FEWEST_ROWS} or more, at most {_ALIKE_PERCENT} % are equal to "
    "within 0.01.",
    WARN,
    advice="Confidence that is the same for all tells nothing: look at scores and covered days.",
)
ADJUSTMENT_BOUNDED: Final = Check(
    "adjustment_is_within_bounds",
    "No tenant's seasonal index is at one of its bounds, 0.8 and 1.25.",
    WARN,
    advice="Scores are adjusted by less than the season asks for: look at the view `season`.",
)


def _judge(judging: Judging) -> None:
    mondays = mondays_of(judging.days)
    _judge_rows(judging)
    _judge_held_back(judging, mondays)
    _judge_moves(judging)
    _judge_adjustment(judging, mondays)


def _add(judging: Judging, check: Check, failing: str) -> None:
    add_failing_rows(judging.report, check, judging.connection, failing)


def _judge_rows(judging: Judging) -> None:
    of_days = within("date", judging.days)
    _add(
        judging,
        POWER_HAS_ACCESSES,
        f"select date, user_id, tenant_id from {USER_SEGMENTS} semi join "
        f"(from {ENGAGEMENT_SCORES} where {of_days} and total_accesses = 0) using (date, user_id) "
        f"where {of_days} and segment = 'power'",
    )
    scored = f"from {ENGAGEMENT_SCORES} where {of_days} and isodow(date) = 1"
    segmented = f"from {USER_SEGMENTS} where {of_days}"
    _add(
        judging,
        EVERY_USER,
        f"select date, user_id, 'no segment' as finding from ({scored}) "
        f"anti join ({segmented}) using (date, user_id) "
        f"union all select date, user_id, 'no score' as finding from ({segmented}) "
        f"anti join ({scored}) using (date, user_id)",
    )
    _add(
        judging,
        CONFIDENCE_SPREAD,
        "with whole as (select date, round(confidence * 1e6)::bigint as millionths "
        f"{segmented}), "
        "near as (select date, count(*) over (partition by date) as rows, count(*) over "
        "(partition by date order by millionths range between current row and "
        f"{_ALIKE_MILLIONTHS} following) as alike, millionths from whole) "
        "select date, max(alike) as alike_rows, rows, "
        "arg_max(millionths, alike) / 1e6 as confidence from near group by date, rows "
        f"having rows >= {_FEWEST_ROWS} and 100 * alike_rows > {_ALIKE_PERCENT} * rows",
    )


def _judge_held_back(judging: Judging, mondays: Sequence[date]) -> None:
    """The tenants that are held back, each with the Monday since when, and the share of users."""
    held = judging.connection.sql(
        f"select distinct date, tenant_id from {USER_SEGMENTS} "
        f"where {within('date', judging.days)} and is_held_back order by all"
    ).pl()
    shares = [pl.DataFrame(schema=_SHARES)]
    for block in blocks_of_days(mondays, _BLOCK_MONDAYS):
        if held["date"].is_in(block).any():
            shares.append(_find_shares(judging, block))
    told = held.join(pl.concat(shares), on=["date", "tenant_id"], how="left", maintain_order="left")
    judging.report.add(NOT_HELD_BACK, told)


def _find_shares(judging: Judging, mondays: Sequence[date]) -> pl.DataFrame:
    """How many users changed at once in the tenants that are held back on some Mondays."""
    warehouse, raw_store = judging.warehouse, judging.raw_store
    settled = settle_history(
        warehouse.read(ENGAGEMENT_SCORES, _days_until(mondays, SCORE_DAYS)),
        warehouse.read(TENANT_ENGAGEMENT, _days_until(mondays, TENANT_DAYS)),
        mondays,
    )
    first_day = date.fromisoformat(raw_store.start_date)
    changes = find_mass_changes(settled, first_day, raw_store.marked_days(MARKED)).collect().lazy()
    return (
        find_held(changes)
        .filter(is_dated(mondays[0], mondays[-1]))
        .join(changes.rename({"date": "held_since"}), on=["held_since", "tenant_id"])
        .with_columns(changed_percent=100 * pl.col("changed_users") / pl.col("users"))
        .select(list(_SHARES))
        .collect()
    )


def _days_until(mondays: Sequence[date], days: int) -> DayRange:
    return DayRange(mondays[0] - timedelta(days=days), mondays[-1])


def _judge_moves(judging: Judging) -> None:
    """Users by their rows of a Monday and the one before, and four weeks before."""
    now = f"(from {USER_SEGMENTS} where {within('date', judging.days)})"
    before = f"(from {USER_SEGMENTS} where {within('date + 7', judging.days)})"
    _add(
        judging,
        NO_COLLAPSE,
        "select before.date + 7 as date, count(*) filter (now.segment = 'casual') as lost_users, "
        f"count(*) as power_users_before from {before} before left join {now} now "
        "on now.user_id = before.user_id and now.date = before.date + 7 "
        "where before.segment = 'power' group by before.date "
        f"having lost_users >= {_MANY_LOST} or (power_users_before >= {FEWEST_USERS} "
        f"and 100 * lost_users >= {_LOST_PERCENT} * power_users_before)",
    )
    _add(
        judging,
        RAW_STEADY,
        "select now.date as date, now.tenant_id as tenant_id, count(*) as users, "
        "count(*) filter (now.proposed_segment <> before.proposed_segment) as changed_users "
        f"from {now} now join {before} before "
        "on before.user_id = now.user_id and before.date = now.date - 7 "
        f"group by all having users >= {FEWEST_USERS} "
        f"and 100 * changed_users > {MASS_PERCENT} * users",
    )
    earlier = f"date + {_MONTH_DAYS}"
    at_risk = "count(churn_risk) as users, count(*) filter (churn_risk = 'high') as high"
    _add(
        judging,
        USUAL_CHURN,
        f"with now as (select date, {at_risk} from {USER_SEGMENTS} "
        f"where {within('date', judging.days)} group by date), "
        f"before as (select {earlier} as date, {at_risk} from {USER_SEGMENTS} "
        f"where {within(earlier, judging.days)} group by 1) "
        "select now.date as date, now.high as high_risk_users, now.users as users, "
        "before.high as high_risk_users_before, before.users as users_before "
        "from now left join before on before.date = now.date where now.users > 0 and "
        f"(100 * now.high >= {_HIGH_PERCENT_ALWAYS} * now.users or "
        f"(100 * now.high > {_HIGH_PERCENT} * now.users and "
        "coalesce(now.high * before.users > 2 * before.high * now.users, false)))",
    )


def _judge_adjustment(judging: Judging, mondays: Sequence[date]) -> None:
    bounded = pl.DataFrame(
        schema={"date": pl.Date, "tenant_id": pl.String, "seasonal_index": pl.Float64}
    )
    if mondays:
        means = judging.warehouse.read(TENANT_ENGAGEMENT, _days_until(mondays, DAYS_READ))
        quotient = pl.col("index_numerator") / pl.col("index_denominator")
        bounded = (
            index_seasons(means, mondays)
            .filter(is_index_at_a_bound())
            .select("date", "tenant_id", seasonal_index=quotient)
            .sort("date", "tenant_id")
            .collect(engine="streaming")
        )
    judging.report.add(ADJUSTMENT_BOUNDED, bounded)


CHECKS: Final = (
    TableChecks(
        USER_SEGMENTS,
        (
            POWER_HAS_ACCESSES,
            EVERY_USER,
            NOT_HELD_BACK,
            NO_COLLAPSE,
            USUAL_CHURN,
            RAW_STEADY,
            CONFIDENCE_SPREAD,
            ADJUSTMENT_BOUNDED,
        ),
        _judge,
        needs=(ENGAGEMENT_SCORES, TENANT_ENGAGEMENT),
    ),
)
