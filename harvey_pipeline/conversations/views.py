"""The subject's views: lifetime totals, who is out of credits, what people ask for, and how far."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.conversations.configured import SETTINGS
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.tables.labels import PERIODS, PROMPT, STEPS
from harvey_pipeline.conversations.tables.marts import ACTIVATION_FUNNEL, RETENTION
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION, USER_PROFILES
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View


def _view(
    name: str, description: str, columns: Mapping[str, str], query: str, *reads: Table
) -> View:
    return View(f"conversations.{name}", description, columns, query, reads)


USER_TOTALS: Final = _view(
    "user_totals",
    "One row per user: what they have done on all days together, most credits first.",
    {
        "user_id": "User.",
        "conversations": "Distinct conversations.",
        "messages": "Messages in these, of any role.",
        "credits_used": "Credits used.",
        "exhaustions": "Days on which the credits were exhausted.",
        "active_days": "Days with an event.",
        "first_active_date": "First day with an event.",
        "last_active_date": "Last day with an event.",
    },
    f"""
    with used as (
        select user_id, sum(messages)::bigint as messages,
            sum(credits_used)::bigint as credits_used, count(*) as active_days,
            min(date) as first_active_date, max(date) as last_active_date
        from {USER_DAILY} group by user_id
    ), held as (
        select user_id, count(distinct conversation_id) as conversations
        from {CONVERSATION_DAILY} group by user_id
    ), exhausted as (
        select user_id, count(*) as exhaustions
        from {CREDIT_EXHAUSTION} where is_exhausted group by user_id
    )
    select user_id, coalesce(conversations, 0) as conversations, messages, credits_used,
        coalesce(exhaustions, 0) as exhaustions, active_days, first_active_date, last_active_date
    from used left join held using (user_id) left join exhausted using (user_id)
    order by credits_used desc, user_id
    """,
    USER_DAILY,
    CONVERSATION_DAILY,
    CREDIT_EXHAUSTION,
)

CREDIT_EXHAUSTED_USERS: Final = _view(
    "credit_exhausted_users",
    "One row per user who, as of the last day, exhausted the credits in 90 days, or used 90 % or "
    "more of a month's limit in them: the profile, who was exhausted most often first.",
    {
        "credit_limit": "Credits a month as of that day; `HARVEY_CREDIT_LIMIT` where the account "
        "names none."
    },
    f"""
    select profile.*, coalesce(account.credit_limit, {SETTINGS.credit_limit}) as credit_limit
    from (
        select * from {USER_PROFILES} where date = (select max(date) from {USER_PROFILES})
    ) profile
    asof left join {DIM_ACCOUNT} account
        on profile.user_id = account.user_id and profile.date >= account.effective_start_date
    where profile.credit_exhaustion_count > 0
        or (coalesce(account.credit_limit, {SETTINGS.credit_limit}) > 0
            and 10 * profile.total_credits_used
                >= 9 * coalesce(account.credit_limit, {SETTINGS.credit_limit}))
    order by profile.credit_exhaustion_count desc, profile.user_id
    """,
    USER_PROFILES,
    DIM_ACCOUNT,
)

MESSAGE_FREQUENCY: Final = _view(
    "message_frequency",
    "One row per (`date`, `prompt`): what users asked, the latest day and what was asked most "
    "often first.",
    {
        "date": "Day.",
        "prompt": "Normal form of the message, of at least two words.",
        "times": "User messages with it.",
        "users": "Users with one.",
    },
    f"""
    select date, name as prompt, sum(times)::bigint as times, count(distinct user_id) as users
    from {TRAIT_DAILY} where kind = '{PROMPT}'
    group by date, name
    order by date desc, times desc, prompt
    """,
    TRAIT_DAILY,
)

INTENT_CLUSTERS: Final = _view(
    "intent_clusters",
    "One row per (`date`, `cluster`): conversations by what their users want, the latest day and "
    "the largest first.",
    {
        "date": "Day on which the conversations begin.",
        "cluster": "Action and use case.",
        "conversations": "Conversations that begin on the day.",
        "users": "Users with one.",
        "completion_rate": "Completed ones of these, 0 to 100.",
        "avg_satisfaction": "Mean satisfaction signal of their intents, 0 to 10.",
    },
    f"""
    select date, cluster, count(*) as conversations, count(distinct user_id) as users,
        100.0::double * count(*) filter (completion_status = 'completed') / count(*)
            as completion_rate,
        sum(satisfaction_signal)::double / count(*) as avg_satisfaction
    from {INTENTS} join {CONVERSATIONS} using (date, conversation_id, user_id)
    group by date, cluster
    order by date desc, conversations desc, cluster
    """,
    INTENTS,
    CONVERSATIONS,
)

FEATURE_REQUESTS: Final = _view(
    "feature_requests",
    "One row per feature that was asked for in a conversation, the latest day first.",
    {
        "date": "Day on which the conversation begins.",
        "user_id": "User.",
        "conversation_id": "Conversation.",
        "feature_request": "What is asked for, in the user's words or a model's.",
    },
    f"""
    select date, user_id, conversation_id, unnest(feature_requests) as feature_request
    from {INTENTS}
    order by date desc, user_id, conversation_id
    """,
    INTENTS,
)

CONVERSATION_TOTALS: Final = _view(
    "conversation_totals",
    "One row per conversation: all of its rows in `conversations` together, the latest first.",
    {
        "conversation_id": "Conversation.",
        "rows": "Rows that it is cut into, by user and in time.",
        "users": "Users in it.",
        "started_at": "First event.",
        "last_event_at": "Last event.",
        "message_count": "Messages, of any role.",
        "user_messages": "Messages that its users wrote.",
        "tool_calls": "Tool calls.",
        "failures": "Failed events.",
        "credits_used": "Credits used.",
        "completed_rows": "Rows that are completed.",
    },
    f"""
    select conversation_id, count(*) as rows, count(distinct user_id) as users,
        min(started_at) as started_at, max(last_event_at) as last_event_at,
        sum(message_count)::bigint as message_count, sum(user_messages)::bigint as user_messages,
        sum(tool_calls)::bigint as tool_calls, sum(failures)::bigint as failures,
        sum(credits_used)::bigint as credits_used,
        count(*) filter (completion_status = 'completed') as completed_rows
    from {CONVERSATIONS} group by conversation_id
    order by last_event_at desc, conversation_id
    """,
    CONVERSATIONS,
)

_STEPS_SHOWN: Final = " union all ".join(
    f"select date, cohort, {place} as place, '{step}' as step, {step} as users, {rate} as rate "
    f"from {ACTIVATION_FUNNEL}"
    for place, (step, rate) in enumerate(
        (("total_users", "null::double"), *((step, f"{step}_rate") for step in STEPS)), start=1
    )
)

FUNNEL_TODAY: Final = _view(
    "funnel_today",
    "One row per cohort and step of the journey, as of the last day.",
    {
        "date": "The last day.",
        "cohort": "All users, or those of the 30 days.",
        "place": "Place of the step in the journey, from 1.",
        "step": "Step.",
        "users": "Users who have taken it.",
        "rate": "These of the users of the step before, 0 to 100; null of the first step, and "
        "where nobody took the step before.",
    },
    f"""
    select * from ({_STEPS_SHOWN})
    where date = (select max(date) from {ACTIVATION_FUNNEL})
    order by cohort desc, place
    """,
    ACTIVATION_FUNNEL,
)

RETENTION_TRIANGLE: Final = _view(
    "retention_triangle",
    "One row per day of signing up: its retention in every period, the latest first.",
    {
        "cohort": "Day of signing up.",
        "cohort_size": "Users who signed up on the day.",
        **{
            period: f"Active in `{period}`, percent of these; null where that is not known yet."
            for period in PERIODS
        },
    },
    "select date as cohort, max(cohort_size) as cohort_size, "
    + ", ".join(
        f"max(retention_rate) filter (period = '{period}') as {period}" for period in PERIODS
    )
    + f" from {RETENTION} group by date order by date desc",
    RETENTION,
)

VIEWS: Final = (
    USER_TOTALS,
    CREDIT_EXHAUSTED_USERS,
    MESSAGE_FREQUENCY,
    INTENT_CLUSTERS,
    FEATURE_REQUESTS,
    CONVERSATION_TOTALS,
    FUNNEL_TODAY,
    RETENTION_TRIANGLE,
)
