{#- The days of drops that a build takes in. -#}
{% macro first_drop() -%}
    date '{{ env_var("BENCH_FROM") }}'
{%- endmacro %}

{% macro last_day() -%}
    date '{{ env_var("BENCH_TO") }}'
{%- endmacro %}

{#- The first day of events that a build counts: late events are dated before their drop. -#}
{% macro first_day() -%}
    {%- set first = modules.datetime.date.fromisoformat(env_var("BENCH_FROM")) -%}
    {%- set late = modules.datetime.timedelta(days=var("late_days")) -%}
    date '{{ [(first - late).isoformat(), var("history_start")] | max }}'
{%- endmacro %}

{#- The first day of a model's own column of days that a build computes. -#}
{% macro first_built(day_column) -%}
    {%- if day_column == "drop_date" -%} {{ first_drop() }}
    {%- elif day_column == "activity_month" -%} date_trunc('month', {{ first_day() }})::date
    {%- else -%} {{ first_day() }}
    {%- endif -%}
{%- endmacro %}

{#- A row for each day that a build counts. -#}
{% macro calendar(first) -%}
    (
        select unnest(generate_series({{ first }}, {{ last_day() }}, interval 1 day))::date as date
    )
{%- endmacro %}

{#- The incremental strategy `by_day`: the days that a build computes are replaced as a whole. -#}
{% macro get_incremental_by_day_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    {%- set day_column = config.get("meta")["day_column"] %}
    delete from {{ arg_dict["target_relation"] }}
    where {{ day_column }} between {{ first_built(day_column) }} and {{ last_day() }};

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{% endmacro %}

{#-
Tests look at the days that a build computed, or at all of a model that is not split by days.
Without this, a build of one day would test all of history again.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set tested = graph.nodes.get(model.attached_node) if execute and graph else none -%}
    {%- set day_column = (tested.config.meta or {}).get("day_column") if tested else none -%}
    {%- if day_column -%}
        (
            select * from {{ relation }}
            where {{ day_column }} between {{ first_built(day_column) }} and {{ last_day() }}
        ) as built
    {%- else -%} {{ relation }}
    {%- endif -%}
{%- endmacro %}
