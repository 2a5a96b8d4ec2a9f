{{ config(post_hook="{{ keep_unreadable_lines('firms') }}") }}

with typed as (
    select
        drop_date,
        {{ to_id("id") }} as firm_id,
        {{ to_moment("created") }} as created_at,
        try_cast(firm_size as integer) as firm_size,
        (1000 * try_cast(arr_in_thousands as decimal(15, 6)))::double as arr_usd,
        {
            id: id, created: created, firm_size: firm_size, arr_in_thousands: arr_in_thousands
        } as record
    from ({{ read_drops("firms", ["id", "created", "firm_size", "arr_in_thousands"]) }})
),

judged as (
    select
        * exclude (record),
        case
            when firm_id is null then 'missing_id'
            {{ reject_days() }}
            when firm_size is null or firm_size not between 0 and 999999999 then 'invalid_firm_size'
            when arr_usd is null or arr_usd < 0 then 'invalid_arr'
        end as reason,
        case when reason is not null then to_json(record) end as record
    from typed
)

{{ keep_latest("judged", "firm_id") }}
