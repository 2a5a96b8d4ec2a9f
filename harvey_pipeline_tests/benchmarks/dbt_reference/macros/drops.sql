{#- The files of a source's drops whose days a build takes in. -#}
{% macro drop_files(source) %}
    {%- set found -%}
        select file
        from glob('{{ env_var("BENCH_LANDING") }}/{{ source }}/*')
        where
            {{ day_of_file("file") }} between {{ first_drop() }} and {{ last_day() }}
            and regexp_matches(file, '\.(csv|csv\.gz|parquet)$')
        order by file
    {%- endset -%}
    {{ return(run_query(found).columns[0].values() | list if execute else []) }}
{% endmacro %}

{% macro files_named(files, endings) %}
    {%- set named = [] -%}
    {%- for file in files if file.endswith(endings) -%}
        {%- do named.append(file) -%}
    {%- endfor -%}
    {{ return(named) }}
{% endmacro %}

{% macro day_of_file(column) -%}
    try_cast(regexp_extract({{ column }}, '(\d{4}-\d{2}-\d{2})\.[^/]*$', 1) as date)
{%- endmacro %}

{#- The columns of a source as text, with the day of the drop, out of CSV and Parquet files. -#}
{% macro read_drops(source, columns) %}
    {%- set files = drop_files(source) -%}
    {%- set texts = files_named(files, (".csv", ".gz")) -%}
    {%- set parquet = files_named(files, (".parquet",)) -%}
    {%- for reader, named in (("read_csv", texts), ("read_parquet", parquet)) if named %}
    select
        {%- for column in columns %}
        {{ column }}::varchar as {{ column }},
        {%- endfor %}
        {{ day_of_file("filename") }} as drop_date
    from {{ reader }}(
        {{ named }},
        filename = true
        {%- if reader == "read_csv" %},
        all_varchar = true,
        header = true,
        delim = ',',
        quote = '"',
        escape = '"',
        nullstr = ['', 'NULL', '\N', 'None', 'NaN'],
        ignore_errors = true,
        store_rejects = true,
        rejects_table = 'errors_of_{{ source }}',
        rejects_scan = 'scans_of_{{ source }}'
        {%- endif %}
    )
    {{ "union all" if reader == "read_csv" and parquet }}
    {%- else %}
    select
        {%- for column in columns %}
        null::varchar as {{ column }},
        {%- endfor %}
        null::date as drop_date
    where false
    {%- endfor %}
{% endmacro %}

{% macro to_id(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{#- ISO 8601 or US style. -#}
{% macro to_moment(column) -%}
    coalesce(
        try_cast({{ column }} as timestamp),
        try_strptime(
            trim({{ column }}),
            [
                '%m/%d/%Y %I:%M:%S %p', '%m/%d/%Y %I:%M %p',
                '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %H:%M', '%m/%d/%Y'
            ]
        )
    )
{%- endmacro %}

{#- Why a moment or its day makes a row unacceptable, as branches of a `case`. -#}
{% macro reject_days(late_days=none) -%}
    when created_at is null then 'invalid_timestamp'
    when created_at >= drop_date + interval 1 day then 'created_after_drop'
    {%- if late_days is not none %}
    when created_at < drop_date - interval {{ late_days }} day then 'too_late'
    when created_at < date '{{ var("history_start") }}' then 'before_history'
    {%- endif %}
{%- endmacro %}

{#- Of acceptable rows of one key in one snapshot the one created last is kept. -#}
{% macro keep_latest(rows, key) -%}
    select
        * exclude (reason, record),
        case
            when reason is not null then reason
            when
                row_number() over (
                    partition by drop_date, {{ key }}
                    order by reason is not null, created_at desc
                ) > 1
                then 'superseded'
        end as reject_reason,
        case
            when reason is not null then record
            when reject_reason is not null then to_json({{ rows }})
        end as record
    from {{ rows }}
{%- endmacro %}

{#-
Lines that are no records go to a table of their own: DuckDB tells of them only to the connection
that read them.
-#}
{% macro make_unreadable_lines() %}
    {%- if flags.FULL_REFRESH %}
    drop table if exists {{ target.database }}.landing.unreadable_lines;
    {%- endif %}
    create schema if not exists {{ target.database }}.landing;
    create table if not exists {{ target.database }}.landing.unreadable_lines (
        source varchar,
        drop_date date,
        line_number bigint,
        record varchar
    );
{% endmacro %}

{% macro keep_unreadable_lines(source) %}
    delete from {{ target.database }}.landing.unreadable_lines
    where
        source = '{{ source }}'
        and drop_date between {{ first_drop() }} and {{ last_day() }};

    {%- if files_named(drop_files(source), (".csv", ".gz")) %}
    insert into {{ target.database }}.landing.unreadable_lines
    select distinct '{{ source }}', {{ day_of_file("file_path") }}, line, csv_line
    from errors_of_{{ source }}
    inner join scans_of_{{ source }} using (scan_id, file_id)
    {%- endif %}
{% endmacro %}
