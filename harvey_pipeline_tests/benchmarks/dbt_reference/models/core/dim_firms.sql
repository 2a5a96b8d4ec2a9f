{{ config(incremental_strategy="delete+insert", unique_key="firm_dim_key") }}

{{ versions_of(
    ref("stg_firms"),
    "firm_id",
    "firm_dim_key",
    {"firm_size": "firm_size", "arr_usd": "arr_usd", "firm_created_date": "created_at::date"},
    "firm_created_date"
) }}
