{#- `not_null` of several columns, in one look at the table. -#}
{% test none_missing(model, columns) %}
    select * from {{ model }}
    where {{ columns | join(" is null or ") }} is null
{% endtest %}
