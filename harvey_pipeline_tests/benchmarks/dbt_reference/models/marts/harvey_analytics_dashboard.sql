with events as (
    select * from {{ ref("daily_event_summary") }}
    where date between {{ first_day() }} - 59 and {{ last_day() }}
),

trends as (
    select
        date,
        count(*) filter (where is_covered) over (
            order by date range between interval 59 days preceding and current row
        ) = 60 as has_trend
    from events
),

users as (
    select
        date,
        count(*) filter (where is_active_today) as dau,
        count(*) filter (where last_activity_date > date - 7) as wau,
        count(*) filter (where active_days > 0) as mau,
        count(*) filter (where power_user_tier = 'Power User') as power_users,
        count(*) filter (where power_user_tier = 'High Value User') as high_value_users,
        count(*) filter (where power_user_tier = 'Medium Value User') as medium_value_users,
        count(*) filter (where power_user_tier = 'Low Value User') as low_value_users,
        count(*) filter (where power_user_tier = 'Inactive User') as inactive_users,
        count(*) filter (where unique_event_types >= 2) as feature_adopters,
        count(*) filter (
            where active_days > 0 and user_created_date between date - 29 and date
        ) as new_users,
        avg(power_user_score) filter (where active_days > 0) as avg_power_score,
        avg(total_queries) filter (where active_days > 0) as avg_queries_per_user,
        avg(active_days) filter (where active_days > 0) as avg_active_days_per_user,
        avg(avg_feedback_score) as avg_user_feedback
    from {{ ref("daily_user_engagement") }}
    where date between {{ first_day() }} and {{ last_day() }}
    group by all
),

power_users as (
    select date, user_id
    from {{ ref("daily_user_engagement") }}
    where
        date between {{ first_day() }} - 30 and {{ last_day() }}
        and power_user_tier = 'Power User'
),

power_users_kept as (
    select
        before.date + 30 as date,
        count(*) as power_users_before,
        count(today.user_id) as power_users_kept
    from power_users as before
    left join power_users as today
        on before.user_id = today.user_id and before.date + 30 = today.date
    group by all
),

moves as (
    select
        date,
        count(*) filter (where direction = 'up') as users_moved_up,
        count(*) filter (where direction = 'down') as users_moved_down
    from {{ ref("tier_changes") }}
    where date between {{ first_day() }} and {{ last_day() }}
    group by all
),

firms as (
    select
        date,
        avg(avg_feedback_score) filter (where active_users > 0) as avg_firm_feedback,
        avg(daily_adoption_rate) filter (where active_users > 0) as avg_firm_adoption_rate,
        count(*) filter (where firm_health_status = 'Excellent') as excellent_firms,
        count(*) filter (where firm_health_status = 'Good') as good_firms,
        count(*) filter (where firm_health_status = 'Fair') as fair_firms,
        count(*) filter (where firm_health_status = 'Needs Attention') as needs_attention_firms,
        count(*) filter (where firm_health_status = 'Critical') as critical_firms
    from {{ ref("daily_firm_usage_summary") }}
    where date between {{ first_day() }} and {{ last_day() }}
    group by all
),

joined as (
    select
        events.*,
        has_trend,
        {%- for name in ["avg_power_score", "avg_queries_per_user", "avg_active_days_per_user",
            "avg_user_feedback", "avg_firm_feedback", "avg_firm_adoption_rate"] %}
        {{ name }},
        {%- endfor %}
        {%- for name in ["dau", "wau", "mau", "power_users", "high_value_users",
            "medium_value_users", "low_value_users", "inactive_users", "feature_adopters",
            "new_users", "excellent_firms", "good_firms", "fair_firms", "needs_attention_firms",
            "critical_firms", "power_users_before", "power_users_kept", "users_moved_up",
            "users_moved_down"] %}
        coalesce({{ name }}, 0) as {{ name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from events
    left join trends using (date)
    left join users using (date)
    left join firms using (date)
    left join power_users_kept using (date)
    left join moves using (date)
    where date >= {{ first_day() }}
)

select
    date,
    is_covered,
    is_volume_usual,
    total_events,
    active_users,
    active_firms,
    total_documents,
    avg_feedback_score,
    assistant_events,
    vault_events,
    workflow_events,
    scored_events,
    high_satisfaction_events,
    low_satisfaction_events,
    {%- for kind in ("assistant", "vault", "workflow") %}
    {{ percent(kind ~ "_events", "total_events") }} as {{ kind }}_percent,
    {%- endfor %}
    {{ percent("high_satisfaction_events", "scored_events") }} as high_satisfaction_rate,
    {{ percent("low_satisfaction_events", "scored_events") }} as low_satisfaction_rate,
    {{ ratio("total_events", "active_users") }} as events_per_user,
    {{ ratio("total_documents", "active_users") }} as documents_per_user,
    {{ ratio("total_documents", "total_events") }} as documents_per_event,
    dau,
    wau,
    mau,
    {{ percent("dau", "mau") }} as stickiness,
    power_users,
    high_value_users,
    medium_value_users,
    low_value_users,
    inactive_users,
    {{ percent("power_users", "mau") }} as power_user_rate,
    avg_power_score,
    avg_queries_per_user,
    avg_active_days_per_user,
    avg_user_feedback,
    {{ percent("feature_adopters", "mau") }} as feature_adoption_rate,
    avg_firm_feedback,
    avg_firm_adoption_rate,
    excellent_firms,
    good_firms,
    fair_firms,
    needs_attention_firms,
    critical_firms,
    new_users,
    mau - new_users as returning_users,
    {{ percent("power_users_kept", "power_users_before") }} as power_user_retention,
    users_moved_up,
    users_moved_down,
    case
        when not has_trend or power_users_before < 20 then 'Insufficient Data'
        when abs(power_users - power_users_before) <= 1 then 'Stable'
        when
            100 * (power_users - power_users_before) >= 10 * power_users_before
            and 100 * power_users_kept >= 70 * power_users_before
            then 'Strong Growth'
        when 100 * (power_users - power_users_before) >= 2 * power_users_before then 'Growing'
        when 100 * (power_users - power_users_before) > -2 * power_users_before then 'Stable'
        when 100 * (power_users - power_users_before) > -20 * power_users_before then 'Declining'
        else 'Critical Decline'
    end as growth_trend,
    {{ label(
        "total_events",
        [(10000, "High Volume"), (5000, "Medium Volume"), (1000, "Low Volume")],
        "Minimal Usage"
    ) }} as usage_volume_category
from joined
