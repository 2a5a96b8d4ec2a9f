{{ config(post_hook="{{ keep_unreadable_lines('users') }}") }}

with typed as (
    select
        drop_date,
        {{ to_id("id") }} as user_id,
        {{ to_moment("created") }} as created_at,
        {{ to_id("title") }} as title,
        {id: id, created: created, title: title} as record
    from ({{ read_drops("users", ["id", "created", "title"]) }})
),

judged as (
    select
        * exclude (record),
        case
            when user_id is null then 'missing_id'
            {{ reject_days() }}
        end as reason,
        case when reason is not null then to_json(record) end as record
    from typed
)

{{ keep_latest("judged", "user_id") }}
