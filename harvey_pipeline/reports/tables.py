"""What the warehouse says of the report: a row a day."""

from typing import Final

import dataframely as dy

from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table


class AnalyticsReport(dy.Schema):
    """One row per `date`: where the day's report is once it was written, and what the day was."""

    date = c.day("Last day that the report shows.", key=True)
    page = c.text("Its first page, within the folder of reports beside the warehouse.")
    is_cut_off = c.flag("Whether the day's volume is unusual: headlines are of a day before.")
    total_events = c.count("Events dated `date`.")
    dau = c.count("Users active on `date`.")
    power_users = c.count("Users of tier Power User on `date`.")


ANALYTICS_REPORT: Final = Table("reports.analytics_report", AnalyticsReport, "date")
