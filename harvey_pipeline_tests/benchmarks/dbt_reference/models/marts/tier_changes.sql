{%- set components = {
    "active_days_weight": ("active_days", 4),
    "document_volume_weight": ("total_documents_processed", 3),
    "feature_breadth_weight": ("unique_event_types", 3),
} -%}
with compared as (
    select
        today.date,
        today.user_id,
        today.firm_id,
        before.power_user_tier as tier_before,
        today.power_user_tier as tier_now,
        case when today.power_user_score > before.power_user_score then 'up' else 'down' end
            as direction,
        before.power_user_score as score_before,
        today.power_user_score as score_now,
        {%- for component in components %}
        before.{{ component }} as {{ component }}_before,
        today.{{ component }} as {{ component }}_now,
        {%- endfor %}
        case direction when 'up' then 1 else -1 end as sign,
        {%- for component, (measure, tenths) in components.items() %}
        before.{{ measure }} as {{ measure }}_before,
        today.{{ measure }} as {{ measure }}_now,
        sign * {{ tenths }} * (today.{{ component }}::integer - before.{{ component }})
            as {{ component }}_moved
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ ref("daily_user_engagement") }} as today
    inner join {{ ref("daily_user_engagement") }} as before
        on today.user_id = before.user_id and today.date - 30 = before.date
    where
        today.date between {{ first_day() }} and {{ last_day() }}
        and before.date between {{ first_day() }} - 30 and {{ last_day() }} - 30
        and today.power_user_tier <> before.power_user_tier
)

select
    date,
    user_id,
    firm_id,
    tier_before,
    tier_now,
    direction,
    score_before,
    score_now,
    {%- for component in components %}
    {{ component }}_before,
    {{ component }}_now,
    {%- endfor %}
    case greatest({{ components | join("_moved, ") }}_moved)
        {%- for component in components %}
        when {{ component }}_moved then '{{ component }}'
        {%- endfor %}
    end as main_component,
    {%- for moment in ("before", "now") %}
    case main_component
        {%- for component, (measure, _) in components.items() %}
        when '{{ component }}' then {{ measure }}_{{ moment }}
        {%- endfor %}
    end::bigint as measure_{{ moment }}
    {{- "," if not loop.last }}
    {%- endfor %}
from compared
