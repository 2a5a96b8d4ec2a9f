{% for source in ("users", "firms", "events") %}
select
    '{{ source }}' as source,
    drop_date,
    case when reject_reason is null then 'repaired' else 'rejected' end as action,
    coalesce(reject_reason, 'unusable_feedback_score') as reason,
    record
from {{ ref("stg_" ~ source) }}
where
    record is not null
    and drop_date between {{ first_drop() }} and {{ last_day() }}
union all
{% endfor %}
select
    source,
    drop_date,
    'rejected' as action,
    'wrong_field_count' as reason,
    to_json(record) as record
from {{ target.database }}.landing.unreadable_lines
where drop_date between {{ first_drop() }} and {{ last_day() }}
