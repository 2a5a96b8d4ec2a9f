{{ config(incremental_strategy="delete+insert", unique_key=["grain", "entity_id"]) }}

with found as (
    {%- for grain, key in (("user", "user_id"), ("firm", "firm_id")) %}
    select '{{ grain }}' as grain, {{ key }} as entity_id, min(date) as first_activity_date
    from {{ ref("user_daily_activity") }}
    where date between {{ first_day() }} and {{ last_day() }}
    group by all
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select found.*
from found
{%- if is_incremental() %}
left join {{ this }} as known using (grain, entity_id)
where known.entity_id is null or found.first_activity_date < known.first_activity_date
{%- endif %}
