{%- set first_month = first_built("activity_month") -%}
with sums as (
    select
        date_trunc('month', date)::date as activity_month,
        firm_id,
        count(distinct date)::smallint as num_active_days,
        count(distinct user_id) as num_active_users,
        sum(queries)::bigint as num_queries,
        sum(assistant_queries)::bigint as num_assistant_queries,
        sum(vault_queries)::bigint as num_vault_queries,
        sum(workflow_queries)::bigint as num_workflow_queries,
        sum(documents)::bigint as num_docs,
        {{ hundredths("feedback_sum") }} as feedback_hundredths,
        sum(feedback_count)::bigint as feedback_count,
        least(
            last_day(activity_month),
            (
                select max(drop_date) from {{ ref("drops") }}
                where source = 'events' and file is not null
            )
        ) as seen_on
    from {{ ref("user_daily_activity") }}
    where date between {{ first_month }} and {{ last_day() }}
    group by activity_month, firm_id
)

select
    activity_month,
    sums.firm_id,
    num_active_days,
    num_active_users,
    num_queries,
    num_assistant_queries,
    num_vault_queries,
    num_workflow_queries,
    num_docs,
    {{ average_score("feedback_hundredths", "feedback_count") }} as avg_feedback_score,
    num_queries / num_active_days as queries_per_active_day,
    num_queries / num_active_users as queries_per_active_user,
    num_docs / num_queries as docs_per_query,
    firm_size,
    arr_usd,
    arr_usd / num_active_users as arr_per_user,
    {{ percent("num_active_users", "firm_size") }} as seat_utilization
from sums
asof left join {{ ref("dim_firms") }} as firms
    on sums.firm_id = firms.firm_id and sums.seen_on >= firms.effective_start_date
