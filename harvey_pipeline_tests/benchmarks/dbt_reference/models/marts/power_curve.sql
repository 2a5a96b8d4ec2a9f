with user_days as (
    select distinct date, user_id
    from {{ ref("user_daily_activity") }}
    where date between {{ first_day() }} - 27 and {{ last_day() }}
),

counted as (
    select
        user_days.date + days.later as date,
        user_id,
        count(*) as active_days_28,
        count(*) filter (where days.later < 7) as active_days_7
    from user_days
    cross join (select unnest(range(28))::integer as later) as days
    where user_days.date + days.later between {{ first_day() }} and {{ last_day() }}
    group by all
),

curves as (
    {%- for length in (7, 28) %}
    select date, {{ length }} as window_days, active_days_{{ length }} as active_days,
        count(*) as users
    from counted
    where active_days_{{ length }} > 0
    group by all
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

points as (
    select
        days.date,
        windows.window_days,
        unnest(range(1, windows.window_days + 1)) as active_days
    from {{ calendar(first_day()) }} as days
    cross join (values (7), (28)) as windows (window_days)
)

select
    date,
    window_days::smallint as window_days,
    active_days::smallint as active_days,
    coalesce(users, 0) as users,
    {{ percent("coalesce(users, 0)", "sum(users) over (partition by date, window_days)") }}
        as users_percent
from points
left join curves using (date, window_days, active_days)
