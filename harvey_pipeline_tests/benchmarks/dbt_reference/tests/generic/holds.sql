{#- An expression that is true of every row, or of as many as it is null for. -#}
{% test holds(model, expression) %}
    select * from {{ model }}
    where not ({{ expression }})
{% endtest %}
