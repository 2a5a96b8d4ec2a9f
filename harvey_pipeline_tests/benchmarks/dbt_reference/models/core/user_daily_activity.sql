{{ config(meta={"day_column": "date"}) }}

with events as not materialized (
    select *, created_at::date as date
    from {{ ref("stg_events") }}
    where
        reject_reason is null
        and drop_date between {{ first_day() }} and {{ last_day() }}
        and created_at >= {{ first_day() }}
),

-- An event delivered again counts once.
repeated as materialized (
    select date, event_id
    from events
    where event_id is not null
    group by all
    having count(*) > 1
),

counted as (
    select * from events
    anti join repeated using (date, event_id)

    union all

    select events.* from events
    semi join repeated using (date, event_id)
    qualify row_number() over (partition by date, event_id order by drop_date) = 1
)

select
    date,
    user_id,
    firm_id,
    count(*) as queries,
    count(*) filter (where event_type = 'ASSISTANT') as assistant_queries,
    count(*) filter (where event_type = 'VAULT') as vault_queries,
    count(*) filter (where event_type = 'WORKFLOW') as workflow_queries,
    sum(num_docs)::bigint as documents,
    coalesce(sum((feedback_score * 100)::integer), 0)::bigint / 100 as feedback_sum,
    count(feedback_score) as feedback_count,
    count(*) filter (where feedback_score >= 4) as high_feedback,
    count(*) filter (where feedback_score <= 2) as low_feedback,
    min(created_at) as first_event_at,
    max(created_at) as last_event_at
from counted
group by all
