{#- Counts of each day and grain, as the sum of the parts of one segment; zeros for none. -#}
{% macro sum_of_parts(counts) -%}
    select
        date,
        grain,
        {%- for name in counts %}
        coalesce(sum({{ name }}), 0)::bigint as {{ name }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ calendar(first_day()) }} as days
    cross join (values ('user'), ('firm')) as grains (grain)
    left join (
        select * from {{ ref("usage_by_segment") }}
        where
            segment in ('user_role', 'firm_size_category')
            and date between {{ first_day() }} and {{ last_day() }}
    ) using (date, grain)
    group by all
{%- endmacro %}
