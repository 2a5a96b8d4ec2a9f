{#- 100 x part / whole; null where the whole is 0 or unknown. In DuckDB `/` by 0 is null. -#}
{% macro percent(part, whole) -%}
    100 * {{ part }} / nullif({{ whole }}, 0)
{%- endmacro %}

{% macro ratio(numerator, denominator) -%}
    {{ numerator }} / nullif({{ denominator }}, 0)
{%- endmacro %}

{#- Scores are added up in whole hundredths, so that their sums are exact. -#}
{% macro hundredths(feedback_sum) -%}
    sum(round({{ feedback_sum }} * 100)::bigint)::bigint
{%- endmacro %}

{#- Null where nothing was scored. -#}
{% macro average_score(hundredths, count) -%}
    {{ ratio(hundredths, "(100 * " ~ count ~ ")") }}
{%- endmacro %}

{% macro weight(value, bounds) -%}
    (case
        {%- for bound, points in bounds %} when {{ value }} >= {{ bound }} then {{ points }}
        {%- endfor %} else 0
    end)::smallint
{%- endmacro %}

{% macro label(value, bounds, otherwise) -%}
    case
        when {{ value }} is null then null
        {%- for bound, name in bounds %}
        when {{ value }} >= {{ bound }} then '{{ name }}'
        {%- endfor %}
        else '{{ otherwise }}'
    end
{%- endmacro %}

{#- The score's weights, the score and its tier. -#}
{% macro power_user_columns(active_days, documents, event_types) -%}
    {{ weight(active_days, [(20, 100), (15, 80), (10, 60), (5, 40), (2, 20)]) }}
        as active_days_weight,
    {{ weight(documents, [(100, 100), (50, 80), (25, 60), (10, 40), (5, 20)]) }}
        as document_volume_weight,
    {{ weight(event_types, [(3, 100), (2, 70), (1, 40)]) }} as feature_breadth_weight,
    (
        (4 * active_days_weight + 3 * document_volume_weight + 3 * feature_breadth_weight) // 10
    )::smallint as power_user_score,
    {{ label(
        "power_user_score",
        [
            (80, "Power User"), (60, "High Value User"),
            (40, "Medium Value User"), (20, "Low Value User")
        ],
        "Inactive User"
    ) }} as power_user_tier
{%- endmacro %}

{% macro event_types(assistant, vault, workflow) -%}
    (({{ assistant }} > 0)::int + ({{ vault }} > 0)::int + ({{ workflow }} > 0)::int)::smallint
{%- endmacro %}

{% macro usage_pattern(assistant, vault, workflow) -%}
    case
        when {{ assistant }} + {{ vault }} + {{ workflow }} = 0 then 'No Usage'
        when {{ assistant }} > greatest({{ vault }}, {{ workflow }}) then 'Assistant-Focused'
        when {{ vault }} > greatest({{ assistant }}, {{ workflow }}) then 'Vault-Focused'
        when {{ workflow }} > greatest({{ assistant }}, {{ vault }}) then 'Workflow-Focused'
        when {{ assistant }} = {{ vault }} and {{ vault }} = {{ workflow }} then 'Balanced Usage'
        else 'Mixed Usage'
    end
{%- endmacro %}

{% macro firm_size_category(seats) -%}
    {{ label(
        seats,
        [(500, "Large Firm"), (100, "Medium Firm"), (25, "Small Firm")],
        "Boutique Firm"
    ) }}
{%- endmacro %}

{% macro arr_tier(arr_usd) -%}
    {{ label(
        arr_usd,
        [(1000000, "High Value"), (500000, "Medium Value"), (100000, "Standard Value")],
        "Entry Level"
    ) }}
{%- endmacro %}
