"""Checks of what the raw tables hold that only this subject knows: titles, feedback."""

from typing import Final

import polars as pl

from harvey_pipeline.checks.deliveries import Share, judge_share, share_check
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.engagement.sources import EVENTS, USERS
from harvey_pipeline.engagement.tables.labels import TITLES

_KNOWN_TITLES: Final = Check(
    "titles_are_known",
    f"Titles are {', '.join(TITLES)}.",
    WARN,
    advice="Nothing, if the role is real: it is kept as delivered.",
)
_FEEDBACK: Final = Share(
    share_check("feedback_is_delivered", "Rows without a score from 1 to 5", 5, 10),
    EVENTS.repairs,
    5,
    10,
)


def _judge_titles(rows: pl.DataFrame, judging: Judging) -> None:
    is_known = pl.col("title").is_in(TITLES).fill_null(False)
    judging.report.add(
        _KNOWN_TITLES, rows.filter(~is_known).select("drop_date", "user_id", "title")
    )


CHECKS: Final = (
    TableChecks(USERS.table, (_KNOWN_TITLES,), judge_rows=_judge_titles),
    TableChecks(
        EVENTS.table,
        (_FEEDBACK.check,),
        judge=lambda judging: judge_share(judging, EVENTS, _FEEDBACK),
    ),
)
