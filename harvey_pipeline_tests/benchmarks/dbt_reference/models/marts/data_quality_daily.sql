{{ config(meta={"day_column": "drop_date"}) }}

with drops as (
    select * from {{ ref("drops") }}
    where drop_date between {{ first_drop() }} and {{ last_day() }}
),

read as (
    {%- for source in ("users", "firms", "events") %}
    select '{{ source }}' as source, drop_date, count(*) as rows_read
    from {{ ref("stg_" ~ source) }}
    where drop_date between {{ first_drop() }} and {{ last_day() }}
    group by all
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

by_reason as (
    select source, drop_date, action, reason, count(*) as rows
    from {{ ref("quarantine") }}
    where drop_date between {{ first_drop() }} and {{ last_day() }}
    group by all
),

found as (
    select
        source,
        drop_date,
        sum(rows) filter (where action = 'repaired') as rows_repaired,
        sum(rows) filter (where action = 'rejected') as rows_rejected,
        string_agg(format('"{}": {}', reason, rows), ', ' order by reason)
            filter (where action = 'rejected') as rejected_by_reason,
        sum(rows) filter (where reason in ('missing_id', 'missing_user_id', 'missing_firm_id'))
            as rows_missing_id,
        sum(rows) filter (where action = 'repaired') as rows_unusable_value,
        sum(rows) filter (where reason = 'wrong_field_count') as rows_unreadable,
        sum(rows) filter (where reason = 'created_after_drop') as rows_future_dated,
        sum(rows) filter (where reason in ('superseded', 'duplicate_event_id')) as rows_duplicate
    from by_reason
    group by all
),

events as (
    select drop_date, created_at, user_id, firm_id
    from {{ ref("stg_events") }}
    where
        reject_reason is null
        and drop_date between {{ first_drop() }} and {{ last_day() }}
),

-- Whom events of a day name before they are known; mostly nobody.
unknown as (
    select date, user_id, firm_id
    from {{ ref("user_daily_activity") }}
    left join (
        select user_id, min(effective_start_date) as user_begins
        from {{ ref("dim_user") }}
        group by all
    ) using (user_id)
    left join (
        select firm_id, min(effective_start_date) as firm_begins
        from {{ ref("dim_firms") }}
        group by all
    ) using (firm_id)
    where
        date between {{ first_day() }} and {{ last_day() }}
        and (coalesce(user_begins > date, true) or coalesce(firm_begins > date, true))
),

delays as (
    select
        drop_date,
        count(*) filter (where created_at < drop_date) as rows_late,
        quantile_cont(
            epoch_us(drop_date + interval 1 day) - epoch_us(created_at), [0.5, 0.95]
        ) as delays
    from events
    group by all
),

orphaned as (
    select drop_date, count(*) as rows_orphaned
    from events
    semi join unknown
        on
            events.created_at::date = unknown.date
            and events.user_id = unknown.user_id
            and events.firm_id = unknown.firm_id
    group by all
),

judged as (
    select
        drop_date,
        source,
        case when file is null then 'none' else 'drop' end as form,
        file is not null as is_observed,
        (coalesce(rows_read, 0) + coalesce(rows_unreadable, 0))::bigint as rows_read,
        {%- for name in ["rows_repaired", "rows_rejected", "rows_missing_id",
            "rows_unusable_value", "rows_future_dated", "rows_duplicate"] %}
        coalesce({{ name }}, 0)::bigint as {{ name }},
        {%- endfor %}
        '{' || coalesce(rejected_by_reason, '') || '}' as rejected_by_reason,
        case when source = 'events' and is_observed then coalesce(rows_late, 0) end as rows_late,
        case when source = 'events' and is_observed then coalesce(rows_orphaned, 0) end
            as rows_orphaned,
        case when source = 'events' then round(delays[1] / 3.6e9, 12) end
            as hours_to_arrival_median,
        case when source = 'events' then round(delays[2] / 3.6e9, 12) end as hours_to_arrival_p95
    from drops
    left join read using (source, drop_date)
    left join found using (source, drop_date)
    left join delays using (drop_date)
    left join orphaned using (drop_date)
)

select
    drop_date,
    source,
    form,
    is_observed,
    rows_read,
    rows_read - rows_rejected as rows_accepted,
    rows_repaired,
    rows_rejected,
    0::bigint as rows_erased,
    rejected_by_reason,
    rows_missing_id,
    rows_unusable_value,
    rows_future_dated,
    rows_duplicate,
    rows_late,
    rows_orphaned,
    hours_to_arrival_median,
    hours_to_arrival_p95,
    case
        when 100 * rows_missing_id > 5 * rows_read or 100 * rows_unusable_value > 10 * rows_read
            then 'critical'
        when 100 * rows_missing_id > 2 * rows_read or 100 * rows_unusable_value > 5 * rows_read
            then 'warning'
        when rows_future_dated + rows_duplicate > 0 then 'info'
        else 'ok'
    end as level
from judged
