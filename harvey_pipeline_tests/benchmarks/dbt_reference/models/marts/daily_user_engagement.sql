with activity as (
    select
        date, user_id, firm_id, queries, assistant_queries, vault_queries, workflow_queries,
        documents, feedback_sum, feedback_count
    from {{ ref("user_daily_activity") }}
    where date between {{ first_day() }} - 29 and {{ last_day() }}
),

user_days as (
    select
        date,
        user_id,
        min(firm_id) as firm_id,
        sum(queries)::bigint as queries,
        sum(assistant_queries)::bigint as assistant_queries,
        sum(vault_queries)::bigint as vault_queries,
        sum(workflow_queries)::bigint as workflow_queries,
        sum(documents)::bigint as documents,
        {{ hundredths("feedback_sum") }} as feedback_hundredths,
        sum(feedback_count)::bigint as feedback_count
    from activity
    group by all
),

-- Each day counts in its own window and in those of the 29 days after it.
usage as (
    select
        user_days.date + days.later as date,
        user_id,
        min(firm_id) as firm_id,
        1 as firm_count,
        sum(queries)::bigint as total_queries,
        sum(assistant_queries)::bigint as assistant_queries,
        sum(vault_queries)::bigint as vault_queries,
        sum(workflow_queries)::bigint as workflow_queries,
        sum(documents)::bigint as documents,
        sum(feedback_hundredths)::bigint as feedback_hundredths,
        sum(feedback_count)::bigint as feedback_count,
        count(*)::smallint as active_days,
        max(days.later) as since_first,
        min(days.later) as since_last
    from user_days
    cross join (select unnest(range(30))::integer as later) as days
    where user_days.date + days.later between {{ first_day() }} and {{ last_day() }}
    group by all
),

-- Only who works for several firms needs to be counted by firm.
shared as (
    select
        activity.date + days.later as date,
        user_id,
        firm_id,
        sum(queries)::bigint as queries,
        min(days.later) as since_last
    from activity
    cross join (select unnest(range(30))::integer as later) as days
    where
        user_id in (
            select user_id from activity
            group by user_id
            having min(firm_id) <> max(firm_id)
        )
        and activity.date + days.later between {{ first_day() }} and {{ last_day() }}
    group by all
),

main_firms as (
    select
        date,
        user_id,
        first(firm_id order by queries desc, since_last, firm_id) as main_firm_id,
        count(*) as firms
    from shared
    group by all
),

users as (
    {{ attributes_by_day("dim_user", "user_id", ["user_role", "user_created_date"], first_day()) }}
),

joined as (
    select
        date,
        user_id,
        user_role,
        user_created_date,
        (
            datediff('month', user_created_date, date)
            - (least(day(user_created_date), day(last_day(date))) > day(date))::integer
        )::integer as months_since_creation,
        coalesce(main_firm_id, firm_id) as firm_id,
        coalesce(firms, firm_count, 0)::bigint as firm_count,
        coalesce(total_queries, 0) as total_queries,
        coalesce(assistant_queries, 0) as assistant_queries,
        coalesce(vault_queries, 0) as vault_queries,
        coalesce(workflow_queries, 0) as workflow_queries,
        coalesce(documents, 0) as total_documents_processed,
        coalesce(active_days, 0)::smallint as active_days,
        {{ average_score("feedback_hundredths", "feedback_count") }} as avg_feedback_score,
        {{ ratio("documents", "total_queries") }} as avg_documents_per_query,
        date - since_first as first_activity_date,
        date - since_last as last_activity_date,
        coalesce(since_last = 0, false) as is_active_today
    from users
    full join usage using (date, user_id)
    left join main_firms using (date, user_id)
    where is_valid or active_days > 0
)

select
    date,
    user_id,
    user_role,
    user_created_date,
    months_since_creation,
    {{ label(
        "months_since_creation",
        [(12, "12+ months"), (6, "6-12 months"), (3, "3-6 months"), (1, "1-3 months")],
        "0-1 months"
    ) }} as tenure_band,
    firm_id,
    firm_count,
    total_queries,
    assistant_queries,
    vault_queries,
    workflow_queries,
    total_documents_processed,
    active_days,
    {{ event_types("assistant_queries", "vault_queries", "workflow_queries") }}
        as unique_event_types,
    avg_feedback_score,
    avg_documents_per_query,
    first_activity_date,
    last_activity_date,
    is_active_today,
    {{ power_user_columns("active_days", "total_documents_processed", "unique_event_types") }},
    case
        when total_queries >= 20 and active_days >= 15 then 'High Frequency User'
        when total_queries >= 10 and active_days >= 8 then 'Mid Frequency User'
        when total_queries >= 5 and active_days >= 3 then 'Low Frequency User'
        when total_queries >= 1 then 'Occasional User'
        else 'Inactive User'
    end as engagement_level,
    {{ usage_pattern("assistant_queries", "vault_queries", "workflow_queries") }} as usage_pattern,
    {{ label(
        "avg_feedback_score",
        [(4.5, "High Quality"), (3.5, "Good Quality"), (2.5, "Average Quality")],
        "Needs Improvement"
    ) }} as quality_level
from joined
