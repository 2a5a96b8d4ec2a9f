{#-
A dimension's versions (SCD type 2) out of the snapshots that a build takes in.

A version starts on the day of the snapshot that first shows its attributes (in the first snapshot
of all: on the day of creation, if that is earlier), and ends the day before the next one that
shows others or none. A build of later days goes on from the versions of the last day before
them, and gives the rows that are new or that end.
-#}
{% macro versions_of(snapshots, key, surrogate_key, attributes, created_date) %}
with delivered as (
    select
        drop_date,
        {{ key }},
        {%- for name, expression in attributes.items() %}
        {{ expression }} as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ snapshots }}
    where
        reject_reason is null
        and drop_date between {{ first_drop() }} and {{ last_day() }}
),

days as (
    select drop_date, row_number() over (order by drop_date) as place
    from (select distinct drop_date from delivered)
),

shown as (
    select
        days.place,
        null::date as begun_on,
        delivered.*
    from delivered
    inner join days using (drop_date)
    {%- if is_incremental() %}

    union all

    select
        0 as place,
        effective_start_date as begun_on,
        {{ first_drop() }} - 1 as drop_date,
        {{ key }},
        {{ attributes.keys() | join(",\n        ") }}
    from {{ this }}
    where
        effective_start_date < {{ first_drop() }}
        and effective_end_date >= (
            select max(drop_date) from {{ snapshots }}
            where drop_date < {{ first_drop() }}
        )
    {%- endif %}
),

followed as (
    select
        *,
        lag(place) over by_day as place_before,
        max(place) over (partition by {{ key }}) as last_place,
        place_before is distinct from place - 1
        {%- for name in attributes %}
        or lag({{ name }}) over by_day is distinct from {{ name }}
        {%- endfor %} as begins
    from shown
    window by_day as (partition by {{ key }} order by place)
),

versions as (
    select
        * exclude (place_before, last_place),
        coalesce(
            lead(place_before) over (partition by {{ key }} order by place), last_place
        ) as last_place
    from followed
    where begins
),

dated as (
    select
        versions.*,
        coalesce(
            versions.begun_on,
            {%- if not is_incremental() %}
            case
                when versions.place = 1
                    then least(versions.{{ created_date }}, versions.drop_date)
            end,
            {%- endif %}
            versions.drop_date
        ) as effective_start_date,
        coalesce(next_day.drop_date - 1, date '9999-12-31') as effective_end_date,
        next_day.drop_date is null as is_current
    from versions
    left join days as next_day on next_day.place = versions.last_place + 1
)

select
    {{ key }} || '_' || strftime(effective_start_date, '%Y%m%d') as {{ surrogate_key }},
    {{ key }},
    {%- for name in attributes %}
    {{ name }},
    {%- endfor %}
    effective_start_date,
    effective_end_date,
    is_current
from dated
{%- if is_incremental() %}
where begun_on is null or not is_current
{%- endif %}
{% endmacro %}

{#-
Each key's attributes on each day that a build counts: those of the version valid that day or,
after a departure, of the latest one before. None before the first version.
-#}
{% macro attributes_by_day(dimension, key, attributes, first) -%}
    select
        unnest(
            generate_series(
                greatest(effective_start_date, {{ first }}), shown_until, interval 1 day
            )
        )::date as date,
        {{ key }},
        {{ attributes | join(",\n        ") }},
        date <= effective_end_date as is_valid
    from (
        select
            *,
            least(
                coalesce(
                    lead(effective_start_date) over (
                        partition by {{ key }} order by effective_start_date
                    ) - 1,
                    {{ last_day() }}
                ),
                {{ last_day() }}
            ) as shown_until
        from {{ ref(dimension) }}
    )
    where shown_until >= greatest(effective_start_date, {{ first }})
{%- endmacro %}
