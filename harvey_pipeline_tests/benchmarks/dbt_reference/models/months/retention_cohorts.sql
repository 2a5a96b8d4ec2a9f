{{ config(materialized="table") }}

with covered as (
    select min(drop_date) as first_covered, max(drop_date) as last_covered
    from {{ ref("drops") }}
    where source = 'events' and file is not null
),

members as (
    select *, date_trunc('month', first_activity_date)::date as cohort_month
    from {{ ref("first_activity") }}
),

cohorts as (
    select grain, cohort_month, count(*) as cohort_size
    from members
    group by all
),

active as (
    select 'user' as grain, user_id as entity_id, activity_month
    from {{ ref("user_engagement") }}

    union all

    select 'firm' as grain, firm_id as entity_id, activity_month
    from {{ ref("firm_usage_summary") }}
),

counted as (
    select grain, cohort_month, activity_month, count(*) as retained
    from active
    inner join members using (grain, entity_id)
    group by all
),

cells as (
    select
        *,
        unnest(generate_series(cohort_month, last_covered, interval 1 month))::date
            as activity_month,
        last_day(activity_month) <= last_covered as is_complete
    from cohorts
    cross join covered
)

select
    grain,
    cohort_month,
    datediff('month', cohort_month, activity_month)::integer as months_since,
    activity_month,
    cohort_size,
    case when is_complete then coalesce(counted.retained, 0) end as retained,
    {{ percent("case when is_complete then coalesce(counted.retained, 0) end", "cohort_size") }}
        as retention_rate,
    is_complete,
    cohort_month = date_trunc('month', first_covered) as is_first_month
from cells
left join counted using (grain, cohort_month, activity_month)
