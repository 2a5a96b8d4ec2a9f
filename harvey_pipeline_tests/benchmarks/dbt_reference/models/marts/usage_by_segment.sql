{%- set grains = {
    "user": ("user_id", "dim_user", ["user_role"], {"user_role": "user_role"}),
    "firm": (
        "firm_id",
        "dim_firms",
        ["firm_size", "arr_usd"],
        {"firm_size_category": firm_size_category("firm_size"), "arr_tier": arr_tier("arr_usd")},
    ),
} -%}
with {% for grain, (key, dimension, attributes, segments) in grains.items() %}
{{ grain }}_gaps as (
    select
        {{ key }},
        date,
        coalesce(lead(date) over (partition by {{ key }} order by date) - date, 56) as gap
    from (
        select distinct date, {{ key }}
        from {{ ref("user_daily_activity") }}
        where date between {{ first_day() }} - 55 and {{ last_day() }}
    )
),

-- A day of activity is the latest one until the next, and the latest one of the window before
-- until 28 days after the next.
{{ grain }}_recency as (
    select date, {{ key }}, min(since_last) as since_last, bool_or(was_active) as was_active
    from (
        select
            date + unnest(range(least(gap, 56)))::integer as date,
            {{ key }},
            unnest(range(least(gap, 56)))::integer as since_last,
            false as was_active
        from {{ grain }}_gaps

        union all

        select
            date + 28 + unnest(range(least(gap, 28)))::integer as date,
            {{ key }},
            null as since_last,
            true as was_active
        from {{ grain }}_gaps
    )
    where date between {{ first_day() }} and {{ last_day() }}
    group by all
),

{{ grain }}_attributes as (
    {{ attributes_by_day(dimension, key, attributes, first_day()) }}
),

{{ grain }}_flags as (
    select
        date,
        {%- for segment, value in segments.items() %}
        {{ value }} as {{ segment }},
        {%- endfor %}
        since_last,
        since_last < 28 as is_active,
        was_active,
        first_activity_date >= date - 27 as has_begun
    from {{ grain }}_recency
    left join {{ grain }}_attributes using (date, {{ key }})
    left join (
        select entity_id as {{ key }}, first_activity_date
        from {{ ref("first_activity") }}
        where grain = '{{ grain }}'
    ) using ({{ key }})
){{ "," if not loop.last }}
{% endfor %},

counted as (
    {%- for grain, (key, dimension, attributes, segments) in grains.items() %}
    {%- set is_last_grain = loop.last %}
    {%- for segment in segments %}
    select
        date,
        '{{ grain }}' as grain,
        '{{ segment }}' as segment,
        {{ segment }} as segment_value,
        count(*) filter (where since_last = 0) as dau,
        count(*) filter (where since_last < 7) as wau,
        count(*) filter (where since_last < 30) as mau,
        count(*) filter (where is_active) as active,
        count(*) filter (where was_active) as previous_active,
        count(*) filter (where is_active and not was_active and has_begun) as new,
        count(*) filter (where is_active and was_active) as retained,
        count(*) filter (where is_active and not was_active and not has_begun) as resurrected,
        count(*) filter (where was_active and not is_active) as churned
    from {{ grain }}_flags
    group by all
    {{ "union all" if not (loop.last and is_last_grain) }}
    {%- endfor %}
    {%- endfor %}
)

select
    date,
    grain,
    segment,
    segment_value,
    dau,
    wau,
    mau,
    {{ percent("dau", "mau") }} as stickiness,
    active,
    previous_active,
    new,
    retained,
    resurrected,
    churned,
    {{ ratio("(new + resurrected)", "churned") }} as quick_ratio,
    {{ percent("(active - previous_active)", "previous_active") }} as growth_rate
from counted
