"""Checks of the raw tables that only this subject has: values that cannot be read."""

from functools import partial
from typing import Final

from harvey_pipeline.agents.sources import APPROVALS, FEEDBACK, QUERIES
from harvey_pipeline.checks.deliveries import Share, judge_share, share_check
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.landing.source import Source


def _values_are_readable(source: Source) -> TableChecks:
    share = Share(
        share_check("values_are_readable", "Rows with a value that was repaired", 2, 5),
        source.repairs,
        2,
        5,
    )
    return TableChecks(source.table, (share.check,), partial(_judge, source, share))


def _judge(source: Source, share: Share, judging: Judging) -> None:
    judge_share(judging, source, share)


CHECKS: Final = tuple(_values_are_readable(source) for source in (APPROVALS, QUERIES, FEEDBACK))
