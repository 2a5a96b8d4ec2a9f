{{ config(incremental_strategy="delete+insert", unique_key="user_dim_key") }}

{{ versions_of(
    ref("stg_users"),
    "user_id",
    "user_dim_key",
    {"user_role": "title", "user_created_date": "created_at::date"},
    "user_created_date"
) }}
