"""The subject's views: who is what now, who leaves, and what seasons and experiments show."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.llm.tables import LLM_COSTS
from harvey_pipeline.segments.questions import ADVICE, SEGMENT
from harvey_pipeline.segments.tables.access import DIM_EMPLOYEE
from harvey_pipeline.segments.tables.evaluation import AB_READOUT
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import REVIEW_BELOW, USER_SEGMENTS
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View

_LATEST: Final = f"(select max(date) from {USER_SEGMENTS})"
"""A week that failed leaves the last one in sight."""


_OF_MODEL: Final = {
    "segment": "Segment that the model would give; it and the other columns of the model are null "
    "where none was asked or answered.",
    "sub_segment": "Kind of user, in the model's words.",
    "confidence": "How sure the model is, 0 to 1.",
    "reasoning": "Why, in the model's words.",
    "evidence": "Figures that the model rests on, a list.",
    "churn_risk": "How likely the model takes it that the user leaves.",
    "recommendations": "What the model recommends, JSON; null where it was asked for nothing.",
    "agrees": "Whether the model's segment is `segment`.",
}
"""What the view of users shows of a model's opinion, with what it means."""


def _view(
    name: str, description: str, columns: Mapping[str, str], query: str, *reads: Table
) -> View:
    return View(f"segments.{name}", description, columns, query, reads)


CURRENT_SEGMENTS: Final = _view(
    "current_segments",
    "One row per user of the latest Monday: `segments.user_segments`, what a model says, and who "
    "the user is. `needs_review` is true where either of the two is not sure.",
    {
        **{f"model_{name}": told for name, told in _OF_MODEL.items()},
        "effective_segment": "`manager_label` where there is one, else `segment`.",
        "manager_id": "The employee's manager on that Monday, or last before it.",
        "department": "The employee's department, likewise.",
        "email": "The employee's e-mail address, likewise.",
        "name": "The employee's name, likewise.",
    },
    f"""
    select one.* replace (
            one.needs_review or coalesce(opinion.confidence < {REVIEW_BELOW}, false) as needs_review
        ),
        {", ".join(f"opinion.{name} as model_{name}" for name in _OF_MODEL)},
        coalesce(manager_label, one.segment) as effective_segment,
        manager_id, department, email, name
    from (select * from {USER_SEGMENTS} where date = {_LATEST}) one
    left join {LLM_OPINIONS} opinion
        on one.user_id = opinion.user_id and one.date = opinion.date
    asof left join {DIM_EMPLOYEE} employee
        on one.user_id = employee.user_id and one.date >= employee.effective_start_date
    """,
    USER_SEGMENTS,
    LLM_OPINIONS,
    DIM_EMPLOYEE,
)

SEGMENT_CHANGES: Final = _view(
    "segment_changes",
    "One row per (`date`, `user_id`) whose segment is another than a week before: "
    "`segments.user_segments`, the latest first.",
    {},
    f"select * from {USER_SEGMENTS} where is_changed order by date desc, user_id",
    USER_SEGMENTS,
)

CHURN_LIST: Final = _view(
    "churn_list",
    "One row per user whose churn risk is high or medium on the latest Monday: by risk, then those "
    "first who were most engaged before.",
    {
        "date": "The latest Monday.",
        "user_id": "User.",
        "tenant_id": "Tenant.",
        "segment": "Published segment.",
        "sub_segment": "Kind of user within the segment.",
        "churn_risk": "`high` or `medium`.",
        "score_before": "Mean score of the 60 days before the latest 30, 0 to 1.",
        "score_30d": "Score of the latest 30 days, 0 to 1.",
        "trend": "Whether the score rises or falls; null if not known.",
        "last_access_days_ago": "Days since the last access.",
        "total_accesses": "Accesses in 90 days.",
        "is_dormant": "Whether there is no access in 30 days.",
        "reasoning": "Why the user has this segment.",
    },
    f"""
    select date, user_id, one.tenant_id, segment, sub_segment, churn_risk,
        round((score_30_60d + score_60_90d) / 2, 7) as score_before, score_30d, one.trend,
        last_access_days_ago, total_accesses, is_dormant, reasoning
    from {USER_SEGMENTS} one
    join {ENGAGEMENT_SCORES} using (date, user_id)
    where date = {_LATEST} and churn_risk in ('high', 'medium')
    order by churn_risk, score_before desc, user_id
    """,
    USER_SEGMENTS,
    ENGAGEMENT_SCORES,
)

POWER_USERS_LOST: Final = _view(
    "power_users_lost",
    "One row per user who is casual on the latest Monday and was a power user 28 days before, the "
    "one with the highest score then first.",
    {
        "date": "The latest Monday.",
        "user_id": "User.",
        "tenant_id": "Tenant.",
        "sub_segment": "Kind of user within the segment.",
        "churn_risk": "Churn risk; null without an access in 90 days.",
        "score_before": "Engagement score 28 days before, 0 to 1.",
        "engagement_score": "Engagement score, 0 to 1.",
        "reasoning": "Why the user is casual.",
    },
    f"""
    select one.date, user_id, one.tenant_id, one.sub_segment, one.churn_risk,
        before.engagement_score as score_before, one.engagement_score, one.reasoning
    from {USER_SEGMENTS} one
    join {USER_SEGMENTS} before using (user_id)
    where one.date = {_LATEST} and before.date = {_LATEST} - 28
        and one.segment = 'casual' and before.segment = 'power'
    order by score_before desc, user_id
    """,
    USER_SEGMENTS,
)

SEASON: Final = _view(
    "season",
    "One row per (`date`, `tenant_id`), Mondays: whether a tenant is as engaged as usual at "
    "that time, and the index that its users' scores are divided by.",
    {
        "date": "The Monday.",
        "tenant_id": "Tenant.",
        "mean_score": "Mean engagement score of active users, 0 to 1; null without any.",
        "mean_score_year_before": "The same 364 days before; null if it is not known.",
        "change_percent": "Change of the mean score in 364 days, percent; null without a base.",
        "season_index": "Mean score of a year before against the year around it, 0.8 to 1.25; "
        "without such history that of now against the quarter before, 0.8 to 1; else 1.",
    },
    f"""
    with weeks as (
        select date, tenant_id, mean_score from {TENANT_ENGAGEMENT} where isodow(date) = 1
    ), counted as (
        select weeks.date, tenant_id, weeks.mean_score,
            case when quarter_before.mean_score is not null then weeks.mean_score end as counts
        from weeks
        left join (select date + 91 as date, tenant_id, mean_score from weeks) quarter_before
            using (date, tenant_id)
    ), sums as (
        select *,
            count(counts) over of_year as year_count, avg(counts) over of_year as year_mean,
            count(counts) over of_quarter as quarter_count,
            avg(counts) over of_quarter as quarter_mean
        from counted
        window of_year as (
            partition by tenant_id order by date
            range between interval 546 days preceding and interval 182 days preceding
        ), of_quarter as (
            partition by tenant_id order by date
            range between interval 91 days preceding and interval 7 days preceding
        )
    )
    select date, tenant_id, sums.mean_score, year.mean_score as mean_score_year_before,
        100 * (sums.mean_score - year.mean_score) / nullif(year.mean_score, 0) as change_percent,
        case
            when year.counts is not null and year_count >= 26 and year_mean > 0
                then greatest(0.8, least(1.25, year.counts / year_mean))
            when sums.counts is not null and quarter_count >= 8 and quarter_mean > 0
                then greatest(0.8, least(1, sums.counts / quarter_mean))
            else 1
        end as season_index
    from sums
    left join (select date + 364 as date, tenant_id, mean_score, counts from counted) year
        using (date, tenant_id)
    order by date, tenant_id
    """,
    TENANT_ENGAGEMENT,
)

SCORE_THRESHOLDS: Final = _view(
    "score_thresholds",
    "One row per tenant of the latest Monday: how the engagement scores of active users lie.",
    {
        "date": "The latest Monday.",
        "tenant_id": "Tenant.",
        "active_users": "Users with an access in 90 days.",
        "score_p25": "25th percentile of the engagement score, 0 to 1; null without active users.",
        "score_p50": "Median, likewise.",
        "score_p75": "75th percentile, likewise.",
        "score_histogram": "Active users by score: ten counts, of [0, 0.1) to [0.9, 1].",
    },
    f"""
    select date, tenant_id, active_users, score_p25, score_p50, score_p75, score_histogram
    from {TENANT_ENGAGEMENT}
    where date = (select max(date) from {TENANT_ENGAGEMENT} where isodow(date) = 1)
    order by tenant_id
    """,
    TENANT_ENGAGEMENT,
)

INTERVENTION_EFFECTS: Final = _view(
    "intervention_effects",
    "One row per (`kind`, `segment`, `metric`): `segments.ab_readout` of the newest month "
    "of starts in which the two groups can be compared, or the newest where none can.",
    {"activity_month": "First day of that month."},
    f"""
    select *
    from {AB_READOUT}
    qualify row_number() over (
        partition by kind, segment, metric
        order by difference is not null desc, activity_month desc
    ) = 1
    order by kind, segment, metric
    """,
    AB_READOUT,
)

PROMPT_VERSIONS: Final = _view(
    "prompt_versions",
    "One row per (`purpose`, `prompt_version`, `model`) that was asked: how versions of a prompt "
    "compare, over all days.",
    {
        "purpose": f"`{SEGMENT}`, which `segments.llm_opinions` are of, or `{ADVICE}`.",
        "prompt_version": "Version of the prompt.",
        "model": "Model that was asked.",
        "calls": "Calls, every try.",
        "cached": "Answers that were known already.",
        "invalid_percent": "Calls with an answer that was none, percent; null without calls.",
        "error_percent": "Calls without a valid answer for whatever reason, percent; likewise.",
        "opinions": f"Opinions that it gave; null for `{ADVICE}`, as all that follow.",
        "agrees_percent": "Opinions with the segment of the rules, percent.",
        "labelled": "Opinions on users whom someone has labelled.",
        "agrees_with_labels_percent": "Of these the ones with the label's segment, percent; null "
        "without any.",
        "mean_confidence": "Mean confidence, 0 to 1.",
        "cost_usd": "What the calls cost, USD; not null for any purpose.",
    },
    f"""
    with asked as (
        select purpose, prompt_version, model, sum(calls)::bigint as calls,
            sum(cached)::bigint as cached, 100 * sum(invalid) / nullif(sum(calls), 0)
            as invalid_percent, 100 * sum(errors) / nullif(sum(calls), 0) as error_percent,
            sum(cost_usd) as cost_usd
        from {LLM_COSTS}
        where purpose in ('{SEGMENT}', '{ADVICE}')
        group by all
    ), told as (
        select '{SEGMENT}' as purpose, prompt_version, model, count(*) as opinions,
            100 * avg(agrees::int) as agrees_percent, count(manager_label) as labelled,
            100 * avg((opinion.segment = manager_label)::int) as agrees_with_labels_percent,
            avg(opinion.confidence) as mean_confidence
        from {LLM_OPINIONS} opinion
        join {USER_SEGMENTS} using (date, user_id)
        group by all
    )
    select purpose, prompt_version, model, calls, cached, invalid_percent, error_percent, opinions,
        agrees_percent, labelled, agrees_with_labels_percent, mean_confidence, cost_usd
    from asked
    left join told using (purpose, prompt_version, model)
    order by purpose, prompt_version, model
    """,
    LLM_COSTS,
    LLM_OPINIONS,
    USER_SEGMENTS,
)

VIEWS: Final = (
    CURRENT_SEGMENTS,
    SEGMENT_CHANGES,
    CHURN_LIST,
    POWER_USERS_LOST,
    SEASON,
    SCORE_THRESHOLDS,
    INTERVENTION_EFFECTS,
    PROMPT_VERSIONS,
)
