with counted as (
    {{ sum_of_parts(["dau", "wau", "mau"]) }}
)

select *, {{ percent("dau", "mau") }} as stickiness
from counted
