"""Sums over the window of one day, as queries that the warehouse answers.

The window of a day holds some hundred times as many rows as its sums: where only a day or two are
wanted, bringing these rows out of the warehouse would cost most of the time.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.labels import MONTH_DAYS, WINDOW_DAYS, YEAR_DAYS
from harvey_pipeline.segments.transforms.access_windows import (
    DAILY_ACCESSES,
    DAILY_SECONDS,
    THIRDS,
)
from harvey_pipeline.warehouse.days import DayRange


def queries_of_window(day: date) -> Mapping[str, str]:
    """The query of each frame of `transforms.window_sums.WindowSums`, of a day."""
    start = day - timedelta(days=WINDOW_DAYS - 1)
    in_window = USER_DAILY_ACCESS.within(DayRange(start, day))
    year = DayRange(day - timedelta(days=YEAR_DAYS - 1), start - timedelta(days=1))
    ago = f"(date '{day}' - date)"
    third = f"cast({ago} // {MONTH_DAYS} + 1 as bigint)"
    seconds = ", ".join(
        f"cast(sum(case when accesses > 0 and {third} = {one} then active_seconds else 0 end) "
        f"as bigint) as active_seconds_{one}"
        for one in THIRDS
    )
    dates = ", ".join(
        f"cast((dates >> {(one - 1) * MONTH_DAYS}) & {2**MONTH_DAYS - 1} as bigint) as dates_{one}"
        for one in THIRDS
    )
    return {
        "thirds": f"""
            select user_id, {third} as third,
                cast(sum(accesses) as bigint) as accesses,
                cast(sum(least(accesses, {DAILY_ACCESSES})) as bigint) as capped_accesses,
                cast(sum(least(active_seconds, {DAILY_SECONDS})) as bigint) as active_seconds,
                max(accesses) as busiest_day_accesses
            from (
                select user_id, date,
                    cast(sum(accesses) as bigint) as accesses,
                    cast(sum(active_seconds) as bigint) as active_seconds
                from {USER_DAILY_ACCESS} where {in_window} group by user_id, date
            )
            group by all""",
        "uses": f"""
            select * exclude (dates), {dates}
            from (
                select user_id, tenant_id, app,
                    cast(sum(accesses) as bigint) as accesses,
                    {seconds},
                    cast(sum(auth_successes) as bigint) as auth_successes,
                    cast(sum(auth_failures) as bigint) as auth_failures,
                    bit_or(case when accesses > 0 then 1::hugeint << {ago} else 0::hugeint end)
                        as dates,
                    min(date) as first_day,
                    max(date) as last_day
                from {USER_DAILY_ACCESS} where {in_window} group by user_id, tenant_id, app
            )""",
        "earlier": f"""
            select user_id, tenant_id, min(date) as first_day, max(date) as last_day
            from {USER_DAILY_ACCESS} where {USER_DAILY_ACCESS.within(year)}
            group by user_id, tenant_id""",
        "texts": f"""
            select distinct user_id, devices, locations
            from {USER_DAILY_ACCESS}
            where {in_window} and (len(devices) > 0 or len(locations) > 0)""",
    }
