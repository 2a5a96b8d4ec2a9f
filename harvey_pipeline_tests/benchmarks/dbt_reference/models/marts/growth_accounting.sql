with counted as (
    {{ sum_of_parts(["active", "previous_active", "new", "retained", "resurrected", "churned"]) }}
)

select
    *,
    {{ ratio("(new + resurrected)", "churned") }} as quick_ratio,
    {{ percent("(active - previous_active)", "previous_active") }} as growth_rate,
    date - 55 < (
        select min(drop_date) from {{ ref("drops") }}
        where source = 'events' and file is not null
    ) as is_history_short
from counted
