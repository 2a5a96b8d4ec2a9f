{% for source in ("users", "firms", "events") %}
select
    '{{ source }}' as source,
    days.date as drop_date,
    found.file
from {{ calendar(first_drop()) }} as days
left join (
    select {{ day_of_file("file") }} as date, max(file) as file
    from glob('{{ env_var("BENCH_LANDING") }}/{{ source }}/*')
    group by all
) as found using (date)
{{ "union all" if not loop.last }}
{% endfor %}
