"""Checks of users: what signing up, and the credits, rest on."""

from typing import Final

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.conversations.tables.users import (
    CREDIT_EXHAUSTION,
    FIRST_STEPS,
    USER_PROFILES,
)

_DIM_ACCOUNT: Final = "conversations.dim_account"
_USER_DAILY: Final = "conversations.user_daily"

SIGNUP_AGREES: Final = Check(
    "signup_agrees_with_account",
    "Whoever signed up on a day has an account that was created on it, if any.",
    WARN,
    advice="The account was delivered late, or events came before it; the day of signing up is "
    "the first on which the user was seen.",
)
EVERY_REFUSAL: Final = Check(
    "every_refused_user_is_exhausted",
    "Each user with a refusal on a day is exhausted on it, and its refusals and credits are those "
    "of the day.",
    is_blocking=True,
)
EVERY_ACTIVE_USER: Final = Check(
    "every_active_user_has_a_profile",
    "Each user with an event on a day has a profile of it, last active at the last event.",
    is_blocking=True,
)


def _judge_first_steps(judging: Judging) -> None:
    differing = (
        "select signed_up_date, user_id, created_date from "
        f"{FIRST_STEPS} join (select user_id, "
        "arg_min(account_created_at, effective_start_date)::date as created_date "
        f"from {_DIM_ACCOUNT} group by user_id) using (user_id) "
        f"where {within('signed_up_date', judging.days)} and signed_up_date <> created_date"
    )
    add_failing_rows(judging.report, SIGNUP_AGREES, judging.connection, differing)


def _judge_exhaustion(judging: Judging) -> None:
    days = within("date", judging.days)
    wrong = (
        "select date, user_id, daily.refusals as expected_refusals, found.refusals as refusals, "
        "daily.credits_used as expected_credits, found.credits_used as credits_used "
        f"from (from {_USER_DAILY} where {days} and refusals > 0) daily "
        f"full join (from {CREDIT_EXHAUSTION} where {days} and refusals > 0) found "
        "using (date, user_id) where not coalesce(found.is_exhausted, false) "
        "or daily.refusals is distinct from found.refusals "
        "or daily.credits_used is distinct from found.credits_used"
    )
    add_failing_rows(judging.report, EVERY_REFUSAL, judging.connection, wrong)


def _judge_profiles(judging: Judging) -> None:
    days = within("date", judging.days)
    wrong = (
        "select date, user_id, daily.last_event_at as last_event_at, profile.last_active_at as "
        f"last_active_at from (from {_USER_DAILY} where {days}) daily "
        f"full join (from {USER_PROFILES} where {days} and last_active_date = date) profile "
        "using (date, user_id) where daily.last_event_at is distinct from profile.last_active_at"
    )
    add_failing_rows(judging.report, EVERY_ACTIVE_USER, judging.connection, wrong)


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(FIRST_STEPS, (SIGNUP_AGREES,), _judge_first_steps, needs=(_DIM_ACCOUNT,)),
    TableChecks(CREDIT_EXHAUSTION, (EVERY_REFUSAL,), _judge_exhaustion, needs=(_USER_DAILY,)),
    TableChecks(USER_PROFILES, (EVERY_ACTIVE_USER,), _judge_profiles, needs=(_USER_DAILY,)),
)
