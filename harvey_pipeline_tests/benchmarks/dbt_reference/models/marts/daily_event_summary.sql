with days as (
    select date from {{ calendar(first_day()) }}
),

activity as (
    select * from {{ ref("user_daily_activity") }}
    where date between {{ first_day() }} and {{ last_day() }}
),

sums as (
    select
        date,
        sum(queries)::bigint as total_events,
        count(distinct user_id) as active_users,
        count(distinct firm_id) as active_firms,
        sum(documents)::bigint as total_documents,
        {{ hundredths("feedback_sum") }} as feedback_hundredths,
        sum(assistant_queries)::bigint as assistant_events,
        sum(vault_queries)::bigint as vault_events,
        sum(workflow_queries)::bigint as workflow_events,
        sum(feedback_count)::bigint as scored_events,
        sum(high_feedback)::bigint as high_satisfaction_events,
        sum(low_feedback)::bigint as low_satisfaction_events
    from activity
    group by all
),

covered as (
    select drop_date as date, coalesce(events, 0) as events
    from {{ ref("drops") }}
    left join (
        select date as drop_date, sum(queries)::bigint as events
        from {{ ref("user_daily_activity") }}
        where date between {{ first_day() }} - 56 and {{ last_day() }}
        group by all
    ) using (drop_date)
    where
        source = 'events' and file is not null
        and drop_date between {{ first_day() }} - 56 and {{ last_day() }}
),

-- Usual is the median of the four latest covered days of the same weekday.
usual as (
    select date, list_sum(list_sort(latest)[2:3])::bigint as twice_the_median
    from (
        select days.date, list(covered.events order by covered.date desc)[1:4] as latest
        from days
        inner join covered
            on
                covered.date between days.date - 56 and days.date - 7
                and (days.date - covered.date) % 7 = 0
        group by all
    )
    where len(latest) = 4
)

select
    date,
    covered.date is not null as is_covered,
    case
        when not is_covered then false
        else 4 * events between twice_the_median and 4 * twice_the_median
    end as is_volume_usual,
    coalesce(total_events, 0) as total_events,
    coalesce(active_users, 0) as active_users,
    coalesce(active_firms, 0) as active_firms,
    coalesce(total_documents, 0) as total_documents,
    {{ average_score("feedback_hundredths", "scored_events") }} as avg_feedback_score,
    coalesce(assistant_events, 0) as assistant_events,
    coalesce(vault_events, 0) as vault_events,
    coalesce(workflow_events, 0) as workflow_events,
    coalesce(sums.scored_events, 0) as scored_events,
    coalesce(high_satisfaction_events, 0) as high_satisfaction_events,
    coalesce(low_satisfaction_events, 0) as low_satisfaction_events
from days
left join sums using (date)
left join covered using (date)
left join usual using (date)
