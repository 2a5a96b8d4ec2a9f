{%- set first_month = first_built("activity_month") -%}
with activity as (
    select *, date_trunc('month', date)::date as activity_month
    from {{ ref("user_daily_activity") }}
    where date between {{ first_month }} - interval 1 month and {{ last_day() }}
),

pairs as (
    select
        activity_month,
        user_id,
        firm_id,
        sum(queries) as firm_queries,
        max(date) as firm_last_date
    from activity
    where activity_month >= {{ first_month }}
    group by all
),

main_firms as (
    select
        activity_month,
        user_id,
        first(firm_id order by firm_queries desc, firm_last_date desc, firm_id) as firm_id
    from pairs
    group by all
),

active_months as (
    select distinct
        user_id,
        (activity_month + interval 1 month)::date as activity_month,
        true as was_active
    from activity
),

sums as (
    select
        activity_month,
        user_id,
        count(distinct date)::smallint as num_active_days,
        sum(queries)::bigint as num_queries,
        sum(workflow_queries)::bigint as num_workflow_queries,
        sum(vault_queries)::bigint as num_vault_queries,
        sum(assistant_queries)::bigint as num_assistant_queries,
        sum(documents)::bigint as num_docs,
        {{ hundredths("feedback_sum") }} as feedback_hundredths,
        sum(feedback_count)::bigint as feedback_count,
        max(date) as last_active_date
    from activity
    where activity_month >= {{ first_month }}
    group by all
),

measured as (
    select
        *,
        {{ average_score("feedback_hundredths", "feedback_count") }} as avg_feedback_score,
        {{ event_types("num_assistant_queries", "num_vault_queries", "num_workflow_queries") }}
            as unique_event_types
    from sums
),

-- Ranks less one; ties share the lowest. Compared as whole numbers, they are exact.
ranked as (
    select
        *,
        rank() over (partition by activity_month order by num_queries) - 1 as queries_rank,
        rank() over (partition by activity_month order by num_docs) - 1 as docs_rank,
        case
            when avg_feedback_score is null then 0
            else rank() over (
                partition by activity_month order by avg_feedback_score nulls last
            ) - 1
        end as feedback_rank,
        greatest(1, count(*) over (partition by activity_month) - 1) as others,
        greatest(1, count(avg_feedback_score) over (partition by activity_month) - 1)
            as scored_others,
        (6 * queries_rank + 3 * docs_rank) * scored_others + feedback_rank * others
            as weighted_rank
    from measured
),

placed as (
    select
        *,
        rank() over (partition by activity_month order by weighted_rank) - 1 as score_rank
    from ranked
)

select
    activity_month,
    user_id,
    firm_id,
    num_active_days,
    num_queries,
    num_workflow_queries,
    num_vault_queries,
    num_assistant_queries,
    num_queries / num_active_days as avg_queries_per_active_day,
    num_docs,
    num_docs / num_queries as avg_docs_per_query,
    avg_feedback_score,
    last_active_date,
    unique_event_types,
    {{ power_user_columns("num_active_days", "num_docs", "unique_event_types") }},
    queries_rank / others as pr_num_queries,
    docs_rank / others as pr_num_docs,
    feedback_rank / scored_others as pr_avg_feedback_score,
    weighted_rank / (10 * others * scored_others) as engagement_score,
    score_rank / others as pr_engagement_score,
    case
        when 10 * score_rank >= 8 * others then 'high'
        when 10 * score_rank >= 3 * others then 'medium'
        else 'low'
    end as engagement_level,
    engagement_level = 'high' and coalesce(was_active, false) and unique_event_types >= 2
        as is_power_user
from placed
inner join main_firms using (activity_month, user_id)
left join active_months using (activity_month, user_id)
