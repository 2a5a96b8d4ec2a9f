with activity as (
    select * from {{ ref("user_daily_activity") }}
    where date between {{ first_day() }} - 29 and {{ last_day() }}
),

firm_days as (
    select
        date,
        firm_id,
        count(*) as active_users,
        sum(queries)::bigint as total_queries,
        sum(assistant_queries)::bigint as assistant_queries,
        sum(vault_queries)::bigint as vault_queries,
        sum(workflow_queries)::bigint as workflow_queries,
        sum(documents)::bigint as total_documents_processed,
        {{ hundredths("feedback_sum") }} as feedback_hundredths,
        sum(feedback_count)::bigint as feedback_count
    from activity
    group by all
),

window_sums as (
    select
        firm_days.date + days.later as date,
        firm_id,
        sum(total_queries)::bigint as total_queries_30d,
        sum(assistant_queries)::bigint as assistant_queries_30d,
        sum(vault_queries)::bigint as vault_queries_30d,
        sum(workflow_queries)::bigint as workflow_queries_30d,
        sum(feedback_hundredths)::bigint as feedback_hundredths_30d,
        sum(feedback_count)::bigint as feedback_count_30d
    from firm_days
    cross join (select unnest(range(30))::integer as later) as days
    where firm_days.date + days.later between {{ first_day() }} and {{ last_day() }}
    group by all
),

-- A user counts from each active day until the next one, or until it leaves the window.
window_users as (
    select date, firm_id, count(*) as active_users_30d
    from (
        select
            firm_id,
            unnest(
                generate_series(
                    greatest(date, {{ first_day() }}),
                    least(date + 29, next_date - 1, {{ last_day() }}),
                    interval 1 day
                )
            )::date as date
        from (
            select
                firm_id,
                date,
                lead(date) over (partition by user_id, firm_id order by date) as next_date
            from activity
        )
    )
    group by all
),

firms as (
    {{ attributes_by_day(
        "dim_firms", "firm_id", ["firm_size", "arr_usd", "firm_created_date"], first_day()
    ) }}
),

joined as (
    select
        date,
        firm_id,
        {%- for name in [
            "active_users", "total_queries", "assistant_queries", "vault_queries",
            "workflow_queries", "total_documents_processed", "feedback_count", "active_users_30d",
            "total_queries_30d", "assistant_queries_30d", "vault_queries_30d",
            "workflow_queries_30d"
        ] %}
        coalesce({{ name }}, 0) as {{ name }},
        {%- endfor %}
        feedback_hundredths,
        feedback_hundredths_30d,
        feedback_count_30d,
        firm_size,
        arr_usd,
        firm_created_date
    from firms
    full join window_sums using (date, firm_id)
    left join window_users using (date, firm_id)
    left join firm_days using (date, firm_id)
    where is_valid or total_queries_30d > 0
)

select
    date,
    firm_id,
    active_users,
    total_queries,
    assistant_queries,
    vault_queries,
    workflow_queries,
    total_documents_processed,
    {{ average_score("feedback_hundredths", "feedback_count") }} as avg_feedback_score,
    {{ ratio("total_documents_processed", "total_queries") }} as avg_documents_per_query,
    {{ ratio("total_queries", "active_users") }} as queries_per_active_user,
    {{ usage_pattern("assistant_queries", "vault_queries", "workflow_queries") }}
        as firm_usage_pattern,
    {{ percent("active_users", "firm_size") }} as daily_adoption_rate,
    active_users_30d,
    total_queries_30d,
    {{ usage_pattern("assistant_queries_30d", "vault_queries_30d", "workflow_queries_30d") }}
        as firm_usage_pattern_30d,
    {{ average_score("feedback_hundredths_30d", "feedback_count_30d") }} as avg_feedback_score_30d,
    {{ ratio("total_queries_30d", "active_users_30d") }} as queries_per_active_user_30d,
    {{ percent("active_users_30d", "firm_size") }} as adoption_rate_30d,
    firm_size,
    arr_usd,
    firm_created_date,
    (date - firm_created_date)::integer as days_since_firm_creation,
    {{ ratio("arr_usd", "active_users_30d") }} as arr_per_active_user_30d,
    case when firm_size is not null then greatest(0, firm_size - active_users_30d) end
        as unused_seats_30d,
    {{ label(
        "adoption_rate_30d",
        [
            (80, "High Adoption"), (60, "Good Adoption"),
            (40, "Moderate Adoption"), (20, "Low Adoption")
        ],
        "Very Low Adoption"
    ) }} as adoption_level,
    case
        when total_queries_30d = 0 then 'Critical'
        when avg_feedback_score_30d is null and queries_per_active_user_30d >= 2 then 'Fair'
        when avg_feedback_score_30d is null then 'Needs Attention'
        when avg_feedback_score_30d >= 4.5 and queries_per_active_user_30d >= 10 then 'Excellent'
        when avg_feedback_score_30d >= 4.0 and queries_per_active_user_30d >= 5 then 'Good'
        when avg_feedback_score_30d >= 3.5 and queries_per_active_user_30d >= 2 then 'Fair'
        when avg_feedback_score_30d >= 3.0 then 'Needs Attention'
        else 'Critical'
    end as firm_health_status,
    {{ label(
        "days_since_firm_creation",
        [(366, "Mature"), (181, "Established"), (91, "Growing"), (31, "Early Stage")],
        "New"
    ) }} as firm_maturity_stage,
    {{ firm_size_category("firm_size") }} as firm_size_category,
    {{ arr_tier("arr_usd") }} as arr_tier
from joined
