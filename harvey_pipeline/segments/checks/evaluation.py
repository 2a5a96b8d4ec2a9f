"""Checks of what judges the segments: labels, experiments, and what people say of interventions."""

from typing import Final

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.segments.tables.evaluation import AB_READOUT, EVALUATION
from harvey_pipeline.segments.tables.labels import ALL

_LOWEST_ACCURACY: Final = 80
_LOWEST_SATISFACTION: Final = 3.5

LABELS_AGREE: Final = Check(
    "labels_agree",
    f"Where 200 or more users are labelled, the accuracy is {_LOWEST_ACCURACY} or more.",
    WARN,
    advice="Look at the cells of the row: labels that mean something else, or thresholds that do.",
)
GROUPS_ARE_CLEAN: Final = Check(
    "experiment_groups_are_clean",
    "No user starts interventions of one kind in both groups in a month.",
    WARN,
    advice="They are left out of the read-out. Have the delivered groups corrected.",
)
SATISFACTION_HOLDS: Final = Check(
    "satisfaction_holds",
    f"The mean satisfaction of a kind's treatment group is {_LOWEST_SATISFACTION} or more.",
    WARN,
    advice="Ask the users concerned before more of them get this intervention.",
)


def _judge_evaluation(judging: Judging) -> None:
    failing = (
        "select date, tenant_id, labelled_users, correct, accuracy "
        f"from {EVALUATION} where {within('date', judging.days)} and is_reliable "
        f"and 100 * correct < {_LOWEST_ACCURACY} * labelled_users"
    )
    add_failing_rows(judging.report, LABELS_AGREE, judging.connection, failing)


def _judge_read_out(judging: Judging) -> None:
    # Kinds together mix experiments whose groups have nothing to do with each other.
    of_kinds = (
        f"from {AB_READOUT} where {within('activity_month', judging.days)} "
        f"and kind <> '{ALL}' and segment = '{ALL}' and metric = 'satisfaction'"
    )
    contaminated = (
        "select activity_month, kind, contaminated_users "
        + of_kinds
        + " and contaminated_users > 0"
    )
    add_failing_rows(judging.report, GROUPS_ARE_CLEAN, judging.connection, contaminated)
    dissatisfied = (
        "select activity_month, kind, treatment_n, treatment_value as satisfaction "
        + of_kinds
        + f" and round(treatment_value, 9) < {_LOWEST_SATISFACTION}"
    )
    add_failing_rows(judging.report, SATISFACTION_HOLDS, judging.connection, dissatisfied)


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(EVALUATION, (LABELS_AGREE,), _judge_evaluation),
    TableChecks(AB_READOUT, (GROUPS_ARE_CLEAN, SATISFACTION_HOLDS), _judge_read_out),
)
