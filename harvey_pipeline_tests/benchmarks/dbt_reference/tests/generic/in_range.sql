{% test in_range(model, column_name, least=none, most=none) %}
    select {{ column_name }} from {{ model }}
    where
        false
        {{ "or " ~ column_name ~ " < " ~ least if least is not none }}
        {{ "or " ~ column_name ~ " > " ~ most if most is not none }}
{% endtest %}
