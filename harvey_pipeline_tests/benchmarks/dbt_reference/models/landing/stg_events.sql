{{ config(post_hook="{{ keep_unreadable_lines('events') }}") }}

with typed as (
    select
        drop_date,
        {{ to_id("event_id") }} as event_id,
        {{ to_moment("created") }} as created_at,
        {{ to_id("user_id") }} as user_id,
        {{ to_id("firm_id") }} as firm_id,
        upper(trim(event_type)) as event_type,
        try_cast(num_docs as integer) as num_docs,
        try_cast(feedback_score as decimal(5, 2)) as score,
        case when score between 1 and 5 then score::decimal(3, 2) end as feedback_score,
        {
            created: created, firm_id: columns.firm_id, user_id: columns.user_id,
            event_type: columns.event_type, num_docs: columns.num_docs,
            feedback_score: columns.feedback_score, event_id: columns.event_id
        } as record
    from (
        {{ read_drops(
            "events",
            [
                "created", "firm_id", "user_id", "event_type", "num_docs", "feedback_score",
                "event_id"
            ]
        ) }}
    ) as columns
)

select
    * exclude (score, record),
    case
        when user_id is null then 'missing_user_id'
        when firm_id is null then 'missing_firm_id'
        {{ reject_days(var("late_days")) }}
        when event_type is null then 'missing_event_type'
        when event_type not in ('ASSISTANT', 'VAULT', 'WORKFLOW') then 'unknown_event_type'
        when num_docs is null or num_docs not between 0 and 999999999 then 'invalid_num_docs'
    end as reject_reason,
    feedback_score is null and reject_reason is null as is_repaired,
    case when reject_reason is not null or is_repaired then to_json(record) end as record
from typed
