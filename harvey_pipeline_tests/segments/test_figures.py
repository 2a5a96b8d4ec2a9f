"""Figures worked out by hand, which pin the reference itself."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import erfc, sqrt
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.oracle.history import History, Version
from harvey_pipeline_tests.oracle.landing import Landing, load
from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle import access, evaluation, outcomes, sources
from harvey_pipeline_tests.segments.oracle import scores as scoring
from harvey_pipeline_tests.segments.oracle import segments as segmenting
from harvey_pipeline_tests.segments.oracle.segments import Labels, Weeks
from harvey_pipeline_tests.segments.stored import silent_row, stored_row

D = date(2024, 6, 3)
"""A Monday."""
WEEK = timedelta(weeks=1)
ONE_DAY = timedelta(days=1)
LONG_AGO = date(2020, 1, 1)


def ago(days: int) -> date:
    return D - timedelta(days=days)


# --- Section 1 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("power", "power"),
        ("Power User", "power"),
        ("REVIEW", "review"),
        ("casual users", None),
        ("user", None),
        ("vip", None),
    ],
)
def test_a_label_is_one_of_four_words(text: str, label: str | None) -> None:
    assert sources.read_label(text) == label


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("0", 0), ("1440", 1440), ("7.000", 7), ("1441", None), ("1.5", None), ("-1", None)],
)
def test_minutes_are_at_most_a_days(text: str, minutes: int | None) -> None:
    assert sources.read_minutes(text) == minutes


def test_the_later_drop_of_a_label_counts_and_of_an_event_the_earlier(tmp_path: Path) -> None:
    files = {
        "segment_labels/2024-06-01.csv": (
            "user_id,label,labelled_on,labelled_by\n"
            "u,power,2024-06-01,ann\nu,casual,2024-06-01 09:00,ann\nu,regular,2024-06-01,\n"
        ),
        "segment_labels/2024-06-02.csv": (
            "user_id,label,labelled_on,labelled_by\nu,Regular User,2024-06-01,ann\n"
        ),
        "sso_events/2024-06-01.csv": (
            "event_id,published,tenant_id,actor_id,outcome,target_id\n"
            "e,2024-06-01 10:00,t,u, success ,Slack\ne,2024-06-01 11:00,t,u,failure,Zoom\n"
        ),
        "sso_events/2024-06-02.jsonl": (
            '{"event_id": "e", "published": "2024-06-01", "tenant_id": "t", "actor_id": "u", '
            '"outcome": "SUCCESS", "target_id": "zoom"}\n'
            '{"event_id": "f", "published": "2024-06-01 10:01:00", "tenant_id": "t", '
            '"actor_id": "u", "outcome": "SUCCESS", "target_id": "slack", '
            '"session_minutes": [5]}\n'
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    days = [date(2024, 6, 1), date(2024, 6, 2)]
    folder = Landing(tmp_path, days[0], sources.SOURCES)
    labels = [load(folder, sources.SEGMENT_LABELS, day) for day in days]
    assert [(row["labelled_by"], row["label"]) for row in sources.labels_table(labels, days)] == [
        ("ann", "regular"),
        ("", "regular"),
    ]
    events = [load(folder, sources.SSO_EVENTS, day) for day in days]
    rejected = [one.reasons for each in events for one in each.rejected]
    assert rejected == [["duplicate_event_id"]]
    assert events[1].repaired[0].repairs == ["unreadable_session_minutes"]
    (row,) = access.sso_rows(events, days)
    # Two untimed accesses a minute apart: two minutes each.
    assert (row["app"], row["accesses"], row["active_seconds"]) == ("slack", 2, 240)


# --- Section 2 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accesses", "span", "seconds"),
    [(0, 0, 0), (1, 0, 120), (2, 60, 240), (2, 241, 241), (2, 5000, 900), (3, 1800, 1800)],
)
def test_active_time(accesses: int, span: int, seconds: int) -> None:
    assert access.active_time(accesses, span) == seconds


def test_seconds_are_split_so_that_they_add_up() -> None:
    # floor(1000/3) = 333, floor(2000/3) - 333 = 333, 1000 - 666 = 334.
    assert access.split_over_apps(1000, [1, 1, 1]) == [333, 333, 334]
    assert access.split_over_apps(500, [0, 3, 2]) == [0, 300, 200]


def test_a_fraction_of_a_second_is_cut() -> None:
    start = datetime(2024, 6, 3, 9, 0, 0, 600_000)
    assert access.whole_seconds(start, datetime(2024, 6, 3, 9, 0, 2, 500_000)) == 1


@pytest.mark.parametrize(
    ("target", "app"),
    [(None, "sign_in"), ("vault", "sign_in"), ("sign_in", "sign_in"), ("slack", "slack")],
)
def test_the_products_own_events_say_what_is_used_there(target: str | None, app: str) -> None:
    assert access.app_of(target) == app


# --- Section 3 ------------------------------------------------------------------------------


def access_row(day: date, **changes: Any) -> TableRow:
    return {
        "date": day,
        "tenant_id": "t",
        "user_id": "u",
        "app": "vault",
        "accesses": 1,
        "active_seconds": 120,
        "auth_successes": 0,
        "auth_failures": 0,
        "devices": [],
        "locations": [],
    } | changes


def scored(
    rows: Iterable[TableRow], employees: History | None = None, day: date = D
) -> dict[str, TableRow]:
    covered = frozenset(ago(back) for back in range(400))
    around = scoring.Surroundings({}, employees or {}, covered)
    return {row["user_id"]: row for row in scoring.scores_table(rows, around, [day])}


def test_one_query_on_each_of_ninety_days() -> None:
    row = scored(access_row(ago(back)) for back in range(90))["u"]
    # 90 x 90 / 45,000; one app of at least three; 120 / 3600.
    assert row["frequency_score"] == 0.18
    assert row["diversity_score"] == 0.3333
    assert row["recency_score"] == 1
    assert row["consistency_score"] == 1
    assert row["depth_score"] == 0.0333
    # 0.3 x 0.18 + 0.2 x 0.3333 + 0.2 + 0.15 + 0.15 x 0.0333
    assert row["engagement_score"] == 0.475655
    # 30 x 90 / 15,000 = 0.18 again, and all the rest is the same.
    assert row["score_30d"] == row["score_30_60d"] == row["score_60_90d"] == 0.475655
    assert (row["active_days"], row["active_weeks"], row["days_known"]) == (90, 12, 89)
    assert row["trend"] is None
    assert row["accesses_per_week"] == 7
    assert row["avg_session_minutes"] == 2


@pytest.mark.parametrize(("silence", "score"), [(0, 1), (1, 1), (2, 0.9655), (29, 0.0345), (30, 0)])
def test_recency(silence: int, score: float) -> None:
    assert scored([access_row(ago(silence))])["u"]["recency_score"] == score


def test_one_busy_day_buys_little_and_a_long_one_is_cut() -> None:
    row = scored([access_row(D, accesses=500, active_seconds=50_000)])["u"]
    assert row["frequency_score"] == 0.04  # 20 x 90 / 45,000
    assert row["active_seconds"] == 43_200
    assert row["depth_score"] == 1
    # One of 48 day slots: 0.0208333.
    assert row["consistency_score"] == 0.0208


@pytest.mark.parametrize(("days", "seconds", "apps"), [(3, 600, 1), (2, 600, 0), (3, 597, 0)])
def test_an_app_in_earnest_is_used_on_three_days_for_ten_minutes(
    days: int, seconds: int, apps: int
) -> None:
    rows = [access_row(ago(back), active_seconds=seconds // days) for back in range(days)]
    assert scored(rows)["u"]["earnest_apps"] == apps


def test_failed_sign_ons_are_rows_and_no_accesses() -> None:
    failed = access_row(D, app="slack", accesses=0, active_seconds=0, auth_failures=2)
    row = scored([failed, access_row(ago(100), tenant_id="old")])["u"]
    assert (row["total_accesses"], row["auth_failures"], row["auth_success_rate"]) == (0, 2, 0)
    assert (row["percentile"], row["tenant_active_users"]) == (None, 0)
    assert (row["tenant_id"], row["days_known"]) == ("t", 100)


def version(key: Any, start: date = LONG_AGO, **attributes: Any) -> Version:
    return Version(key, attributes, start)


def test_the_tenant_is_told_or_the_one_most_used() -> None:
    rows = [
        access_row(ago(2), tenant_id="b"),
        access_row(ago(1), tenant_id="c"),
        access_row(ago(1), tenant_id="a", app="zoom"),
        access_row(D, tenant_id="z", accesses=0, auth_failures=1, app="sign_in"),
    ]
    assert scored(rows)["u"]["tenant_id"] == "a"
    assert scored([*rows, access_row(ago(3), tenant_id="b")])["u"]["tenant_id"] == "b"
    told: History = {"u": [version("u", tenant_id="told")]}
    assert scored(rows, told)["u"]["tenant_id"] == "told"
    untold: History = {"u": [version("u", tenant_id=None)]}
    assert scored(rows, untold)["u"]["tenant_id"] == "a"


def test_percentiles_are_of_the_active_users_of_a_tenant() -> None:
    rows = [
        access_row(D, user_id=user, accesses=count)
        for user, count in (("a", 1), ("b", 5), ("c", 5), ("d", 9), ("e", 7))
    ]
    rows.append(access_row(D, user_id="alone", tenant_id="other"))
    found = {user: row["percentile"] for user, row in scored(rows).items()}
    assert found == {"a": 0, "b": 25, "c": 25, "d": 100, "e": 75, "alone": 0}


@pytest.mark.parametrize(
    ("latest", "days_known", "trend"),
    [
        (0.6, 90, "increasing"),
        (0.599999, 90, "stable"),
        (0.400001, 90, "stable"),
        (0.4, 90, "decreasing"),
        (0.6, 89, None),
    ],
)
def test_the_trend_is_against_the_two_thirds_before(
    latest: float, days_known: int, trend: str | None
) -> None:
    row = stored_row(
        D, "u", score_30d=latest, score_30_60d=0.45, score_60_90d=0.55, days_known=days_known
    )
    assert scoring.trend_of(row) == trend


def test_a_tenants_quartiles_are_linear() -> None:
    rows = [
        stored_row(D, user, engagement_score=score)
        for user, score in (("a", 0.1), ("b", 0.2), ("c", 0.4), ("d", 1.0))
    ]
    row = scoring.tenant_row(D, "t", [*rows, silent_row(D, "e")])
    assert (row["users"], row["active_users"]) == (5, 4)
    assert row["mean_score"] == 0.425
    # Places 0.75, 1.5, 2.25.
    assert row["score_p25"] == pytest.approx(0.175)
    assert row["score_p50"] == pytest.approx(0.3)
    assert row["score_p75"] == pytest.approx(0.55)
    assert row["score_histogram"] == [0, 1, 1, 0, 1, 0, 0, 0, 0, 1]


# --- Section 4 ------------------------------------------------------------------------------


def weeks_of(
    rows: Iterable[TableRow],
    means: Mapping[int, float] | None = None,
    start: date = LONG_AGO,
    accepted: Sequence[date] = (),
) -> Weeks:
    """What rows say; `means` are a tenant's mean scores by weeks before D."""
    tenants = [
        {"date": D - week * WEEK, "tenant_id": "t", "mean_score": mean}
        for week, mean in (means or {}).items()
    ]
    return segmenting.weeks_of(rows, tenants, start, accepted)


def test_the_index_is_last_years_season_where_it_is_known() -> None:
    flat = dict.fromkeys(range(108), 0.5)
    assert weeks_of([], flat).index(D, "t") == 1
    # 0.45 / ((52 x 0.5 + 0.45) / 53)
    assert weeks_of([], flat | {52: 0.45}).index(D, "t") == pytest.approx(0.45 * 53 / 26.45)
    assert weeks_of([], flat | {52: 0.1}).index(D, "t") == 0.8
    assert weeks_of([], flat | {52: 0.9}).index(D, "t") == 1.25


def test_without_a_year_the_index_is_a_dip_against_the_quarter() -> None:
    quarter = dict.fromkeys(range(27), 0.5)
    assert weeks_of([], quarter | {0: 0.45}).index(D, "t") == pytest.approx(0.9)
    assert weeks_of([], quarter | {0: 0.55}).index(D, "t") == 1
    assert weeks_of([], quarter | {0: 0.1}).index(D, "t") == 0.8
    # Eight Mondays need one 91 days before each of them: 1..8 and 14..21.
    eight = dict.fromkeys([0, *range(1, 9), 13, *range(14, 22)], 0.5) | {0: 0.45}
    assert weeks_of([], eight).index(D, "t") == pytest.approx(0.9)
    del eight[21]
    assert weeks_of([], eight).index(D, "t") == 1


def row_of(score: float, rank: int, others: int = 20, **changes: Any) -> TableRow:
    """A row whose score and rank, of so many others, are given."""
    return stored_row(
        D,
        "u",
        engagement_score=score,
        percentile=100 * rank / others,
        tenant_active_users=others + 1,
        **changes,
    )


@pytest.mark.parametrize(
    ("row", "segment"),
    [
        (row_of(0.650001, 16), "power"),
        (row_of(0.65, 16), "regular"),
        (row_of(0.9, 15), "regular"),
        (row_of(0.249999, 4), "casual"),
        (row_of(0.25, 4), "regular"),
        (row_of(0.1, 5), "regular"),
        (row_of(0.7, 0, 3), "power"),
        (row_of(0.2, 3, 3), "casual"),
        (row_of(0.7, 0, 4), "regular"),
        (silent_row(D, "u"), "casual"),
    ],
)
def test_the_raw_segment_needs_score_and_rank(row: TableRow, segment: str) -> None:
    assert weeks_of([row]).raw(row) == segment


SCORE_OF = {"p": (0.9, 100.0), "r": (0.5, 50.0), "c": (0.1, 0.0)}


def history(user: str, letters: str, **changes: Any) -> list[TableRow]:
    """Rows of the Mondays up to D by the first letters of their raw segments; a dot is none."""
    rows = []
    for week, letter in enumerate(reversed(letters)):
        if letter != ".":
            score, percentile = SCORE_OF[letter]
            rows.append(
                stored_row(
                    D - week * WEEK,
                    user,
                    engagement_score=score,
                    percentile=percentile,
                    tenant_active_users=21,
                    **changes,
                )
            )
    return rows


def history_on(day: date, user: str, letter: str, **changes: Any) -> list[TableRow]:
    """The row of one Monday."""
    return [row | {"date": day} for row in history(user, letter, **changes)]


@pytest.mark.parametrize(
    ("letters", "segment"),
    [
        ("p", "power"),
        ("ppprr", "power"),
        ("ppprrr", "regular"),
        ("pppr.rr", "power"),
        ("rcrcpp", "power"),
        ("pprrc", "regular"),
        ("ppp" + "rc" * 5 + "r", "regular"),
        ("ppp" + "rc" * 4 + "r", "power"),
    ],
)
def test_a_change_takes_three_mondays(letters: str, segment: str) -> None:
    assert weeks_of(history("u", letters)).settled(D, "u") == segment


def tenant_history(moving: int, letters: str, users: int = 20) -> list[TableRow]:
    """Some users who go through the letters, the others always regular."""
    return [
        row
        for number in range(users)
        for row in history(f"u{number}", letters if number < moving else "r" * len(letters))
    ]


def test_a_mass_change_is_held_back_for_four_weeks() -> None:
    # The third regular Monday in a row is D - 21, D - 28 says power still.
    rows = tenant_history(7, "ppprrrrrr")
    weeks = weeks_of(rows)
    assert weeks.is_mass_change(D - 3 * WEEK, "t")
    assert weeks.published(D, "u0") == "power"
    assert not weeks_of(tenant_history(6, "ppprrrrrr")).is_mass_change(D - 3 * WEEK, "t")
    assert not weeks_of(tenant_history(7, "ppprrrrrr", 19)).is_mass_change(D - 3 * WEEK, "t")
    assert weeks_of(tenant_history(7, "ppprrrrrrr")).published(D, "u0") == "regular"
    accepted = weeks_of(rows, accepted=[D - 3 * WEEK])
    assert accepted.published(D, "u0") == "regular"
    # D - 28 - 89 is the calendar's first day, or the day before it.
    first = D - 4 * WEEK - timedelta(days=89)
    assert weeks_of(rows, start=first).held_since(D, "t") == D - 3 * WEEK
    assert weeks_of(rows, start=first + ONE_DAY).held_since(D, "t") is None


def segment_row(
    rows: Sequence[TableRow], labels: Sequence[TableRow] = (), user: str = "u"
) -> TableRow:
    """The user's row of D; tenants' means are those of the rows."""
    table = segmenting.segments_table(
        segmenting.weeks_of(rows, scoring.tenants_table(rows), LONG_AGO), Labels(labels), [D]
    )
    return next(row for row in table if row["user_id"] == user)


@pytest.mark.parametrize(
    ("letters", "status", "previous"),
    [
        ("ppp", "stable", "power"),
        ("pppr", "watch", "power"),
        ("ppprr", "at_risk", "power"),
        ("rrrp", "watch", "regular"),
        ("rrrpp", "rising", "regular"),
        ("rrrppp", "stable", "regular"),
        ("p", "stable", None),
    ],
)
def test_transitions(letters: str, status: str, previous: str | None) -> None:
    row = segment_row(history("u", letters))
    assert (row["transition_status"], row["previous_segment"]) == (status, previous)
    assert row["is_changed"] is (letters == "rrrppp")


@pytest.mark.parametrize(
    ("thirds", "changes", "risk"),
    [
        ((0.299999, 0.700001, 0.700001), {}, "high"),
        ((0.3, 0.700001, 0.700001), {}, "medium"),
        ((0.075, 0.25, 0.25), {}, "high"),
        ((0.075001, 0.25, 0.25), {}, "medium"),
        ((0.15, 0.25, 0.25), {}, "medium"),
        ((0.150001, 0.25, 0.25), {}, "very_low"),
        ((0.0, 0.249999, 0.25), {}, "very_low"),
        ((0.5, 0.5, 0.5), {"last_access_days_ago": 30}, "medium"),
        ((0.5, 0.5, 0.5), {"trend": "decreasing"}, "low"),
    ],
)
def test_churn_risk(thirds: tuple[float, ...], changes: dict[str, Any], risk: str) -> None:
    names = ("score_30d", "score_30_60d", "score_60_90d")
    row = row_of(0.5, 10) | dict(zip(names, thirds, strict=True)) | changes
    assert segmenting.churn_risk(row, "regular") == risk


def test_no_risk_of_leaving_without_access_and_a_low_one_of_casuals() -> None:
    assert segmenting.churn_risk(silent_row(D, "u"), "casual") is None
    assert segmenting.churn_risk(row_of(0.1, 0), "casual") == "low"


@pytest.mark.parametrize(
    ("day", "is_one"),
    [
        (date(2024, 12, 19), False),
        (date(2024, 12, 20), True),
        (date(2025, 1, 6), True),
        (date(2025, 1, 7), False),
    ],
)
def test_holidays_go_across_new_year(day: date, is_one: bool) -> None:
    assert segmenting.is_holiday(day, segmenting.DEFAULT_HOLIDAYS) is is_one


def test_a_dip_that_all_share_is_no_risk() -> None:
    def fallen(user: str, score: float, day: date = D) -> TableRow:
        return stored_row(
            day, user, score_30d=score, score_30_60d=0.5, score_60_90d=0.5, last_access_days_ago=9
        )

    before = [fallen(f"u{number}", 0.5, D - 4 * WEEK) for number in range(5)]
    now = [fallen(f"u{number}", 0.2) for number in range(5)]
    # The tenant falls to 0.4 of what it was: 0.5 x 0.4 / 2 = 0.1 is still shared.
    row = segment_row([*before, *now], user="u0")
    assert (row["churn_risk"], row["is_churn_suppressed"]) == ("low", True)
    alone = [fallen("u0", 0.04), *[fallen(f"u{number}", 0.24) for number in range(1, 5)]]
    row = segment_row([*before, *alone], user="u0")
    assert (row["churn_risk"], row["is_churn_suppressed"]) == ("high", False)
    row = segment_row([*before, *now[:4]], user="u0")
    assert (row["churn_risk"], row["is_churn_suppressed"]) == ("medium", False)


@pytest.mark.parametrize(
    ("changes", "is_suspected"),
    [
        ({"accesses_30d": 125, "total_accesses": 150}, True),
        ({"accesses_30d": 124, "total_accesses": 149}, False),
        ({"accesses_30d": 125, "total_accesses": 150, "observed_days": 79}, False),
        ({"accesses_30d": 150, "total_accesses": 150}, False),
        ({"unique_apps": 5, "earnest_apps": 2, "active_seconds": 40 * 300 - 1}, True),
        ({"unique_apps": 5, "earnest_apps": 2, "active_seconds": 40 * 300}, False),
        ({"unique_apps": 4, "earnest_apps": 1, "active_seconds": 40}, False),
        ({"total_accesses": 100, "busiest_day_accesses": 50}, True),
        ({"total_accesses": 100, "busiest_day_accesses": 49}, False),
    ],
)
def test_gaming(changes: dict[str, Any], is_suspected: bool) -> None:
    assert segmenting.is_gaming(stored_row(D, "u", **changes)) is is_suspected


@pytest.mark.parametrize(
    ("letters", "changes", "confidence"),
    [
        # Margins 0.9 - 0.65 = 0.25 and 1 - 0.75 = 0.25: all there is.
        ("ppp", {}, 1.0),
        # Margins 0.15 and 0.25 to both sides.
        ("rrr", {"observed_days": 45, "total_accesses": 5}, 0.5 + 0.3 + 0.2 * 0.25),
        ("pppr", {}, 0.5 + 0.2),
        ("ppp", {"busiest_day_accesses": 90}, 0.35),
    ],
)
def test_confidence(letters: str, changes: dict[str, Any], confidence: float) -> None:
    row = segment_row(history("u", letters, **changes))
    assert row["confidence"] == pytest.approx(confidence, abs=1e-15)
    assert row["needs_review"] is (confidence < 0.6)


def test_confidence_counts_the_nearer_bound() -> None:
    row = row_of(0.67, 16)
    # min(0.02, 0.8 - 0.75) / 0.1 = 0.2
    assert segmenting.margin_of("power", 670_000, row) == Fraction(2, 100)
    # max(0.65 - 0.67, 0.75 - 0.8) < 0: at the bound of power.
    assert segmenting.margin_of("regular", 670_000, row) == Fraction(-2, 100)
    small = row_of(0.3, 0, 3)
    assert segmenting.margin_of("regular", 300_000, small) == Fraction(5, 100)


def test_words_and_evidence() -> None:
    row = segment_row(history("u", "pppr"))
    assert row["reasoning"] == (
        "Power user (Multi-tool Specialist): engagement score 0.500, percentile 50, "
        "trend stable. 100 accesses of 4 apps on 40 days in 90 days; last access 1 days ago. "
        "This week alone says regular (watch)."
    )
    assert row["evidence"] == [
        "Frequency: 100 accesses in 90 days (tenant mean 100)",
        "Diversity: 3 of 4 apps used in earnest (tenant mean 4 apps)",
        "Recency: last access 1 days ago",
        "Consistency: 40 days, 12 of 12 weeks",
        "Depth: 30 minutes a day of use (tenant mean 30)",
    ]
    silent = segment_row([silent_row(D, "u", auth_successes=3, auth_failures=1, trend=None)])
    assert silent["sub_segment"] == "Sign-in Only"
    assert silent["reasoning"] == (
        "Casual user (Sign-in Only): engagement score 0.000, not ranked, trend unknown. "
        "0 accesses of 0 apps on 0 days in 90 days; no access."
    )
    assert silent["evidence"] == ["No access in 90 days", "Sign-ins: 3 successful, 1 failed"]


@pytest.mark.parametrize(
    ("segment", "changes", "name"),
    [
        ("power", {"days_known": 29, "last_access_days_ago": 40}, "New"),
        ("power", {"last_access_days_ago": 30}, "Dormant"),
        ("power", {"score_30d": 0.0}, "At-risk Churn"),
        ("power", {"top_app_accesses": 70}, "Single-tool Expert"),
        ("power", {"top_app_accesses": 69}, "Multi-tool Specialist"),
        ("power", {"earnest_apps": 2}, "Power Generalist"),
        ("regular", {"top_app_accesses": 70, "consistency_score": 0.5}, "Steady Regular"),
        ("regular", {"top_app_accesses": 70, "consistency_score": 0.4999}, "Single-tool Expert"),
        ("regular", {"consistency_score": 0.4999}, "Intermittent Regular"),
        ("casual", {"trend": "decreasing"}, "Fading"),
        ("casual", {"top_app_accesses": 100}, "Occasional"),
        (
            "casual",
            {"score_30d": 0.700001, "score_30_60d": 0.299999, "score_60_90d": 0.1},
            "Rapid Growth",
        ),
        ("casual", {"score_30d": 0.7, "score_30_60d": 0.2, "score_60_90d": 0.1}, "Occasional"),
    ],
)
def test_sub_segments(segment: str, changes: dict[str, Any], name: str) -> None:
    assert segment_row(history("u", 3 * segment[0], **changes))["sub_segment"] == name


def label(day: date, word: str, by: str = "ann", user: str = "u") -> TableRow:
    return {"date": day, "user_id": user, "labelled_by": by, "label": word}


def test_labels_and_what_a_model_is_asked() -> None:
    labels = [
        label(ago(89), "power"),
        label(ago(10), "casual", "bo"),
        label(ago(10), "regular", "abe"),
        label(ago(6), "review"),
    ]
    # SHA-256 of "u" begins with 0bfe935e = 201,233,246; D is 2,839 weeks after 1970-01-05;
    # 201,236,085 = 13 x 15,479,698 + 11.
    row = segment_row(history("u", "rrr"), labels)
    assert row["manager_label"] == "regular"
    assert row["llm_reasons"] == ["flagged"]
    row = segment_row(history("u", "rrrp"), [label(ago(90), "power"), label(ago(7), "review")])
    assert row["manager_label"] is None
    assert row["llm_reasons"] == ["score_moved"]
    assert row["score_change_7d"] == pytest.approx(0.4)
    # That of "u0" begins with 9dc02223: 2,646,614,563 + 2,839 = 13 x 203,585,954.
    assert segment_row(history("u0", "rrr"), user="u0")["llm_reasons"] == ["refresh"]


# --- Section 5 ------------------------------------------------------------------------------


def recommended(**changes: Any) -> list[str]:
    score = stored_row(D, "u", depth_score=0.5, auth_success_rate=95.0, auth_successes=100)
    segment = {
        "date": D,
        "user_id": "u",
        "tenant_id": "t",
        "segment": "power",
        "sub_segment": "Multi-tool Specialist",
        "churn_risk": "very_low",
        "trend": None,
        "is_dormant": False,
    }
    scores = {D: {"u": {**score, **changes}}}
    table = outcomes.recommendations_table([{**segment, **changes}], scores)
    return [row["rule_id"] for row in table]


def test_at_most_three_recommendations_by_priority_and_hours() -> None:
    assert recommended() == ["workflow_automation", "advanced_training", "fewer_sign_in_steps"]
    assert recommended(churn_risk="high") == [
        "workflow_automation",
        "check_in",
        "advanced_training",
    ]
    assert recommended(segment="regular") == []
    assert recommended(segment="regular", trend="stable") == ["guided_workflows"]
    assert recommended(segment="casual", days_known=29) == []
    assert recommended(segment="casual", days_known=30) == ["simplified_start"]


def test_delivered_licences() -> None:
    licenses: History = {
        (user, "slack"): [version((user, "slack"), start, tier="pro", annual_cost_usd=cost)]
        for user, start, cost in (
            ("none", LONG_AGO, 100.0),
            ("two", LONG_AGO, 10.0),
            ("three", LONG_AGO, 1.0),
            ("new", ago(89), 1000.0),
        )
    }
    licenses[("none", "teams")] = [
        version(("none", "teams"), ago(90), tier="standard", annual_cost_usd=5.0)
    ]
    used = {"two": 2, "three": 3, "new": 1}
    rows = [
        access_row(ago(back), user_id=user, app="slack")
        for user, days in used.items()
        for back in range(days)
    ]
    names = ("none", "two", "three", "new")
    scores = {D: {user: {"tenant_id": "t"} for user in names}}
    segments = [
        {"date": D, "user_id": user, "tenant_id": "t", "segment": "casual"} for user in names
    ]
    slack, teams = outcomes.licences_table(rows, scores, segments, licenses, {}, [D])
    assert {name: value for name, value in slack.items() if name not in ("date", "tier")} == {
        "tenant_id": "t",
        "app": "slack",
        "licenses": 4,
        "unused": 1,
        "underused": 1,
        "new_licenses": 1,
        "casual_holders": 3,
        "annual_cost_usd": 1111,
        "reclaimable_usd": 100,
        "underused_usd": 10,
        "casual_usd": 111,
        "is_measured": True,
    }
    assert (teams["unused"], teams["reclaimable_usd"], teams["is_measured"]) == (None, None, False)
    assert (teams["new_licenses"], teams["casual_usd"]) == (0, 5)


def test_seats() -> None:
    firms: History = {
        "t": [version("t", firm_size=10, arr_usd=5000.0)],
        "zero": [version("zero", firm_size=0, arr_usd=5000.0)],
        "gone": [Version("gone", {"firm_size": 5, "arr_usd": 1.0}, LONG_AGO, ago(1))],
    }
    rows = [
        access_row(ago(back), user_id=user)
        for user, days in (("two", 2), ("three", 3))
        for back in range(days)
    ]
    rows.append(access_row(D, user_id="other", app="slack"))
    segments = [{"date": D, "user_id": "two", "tenant_id": "t", "segment": "casual"}]
    seats, zero = outcomes.licences_table(rows, {}, segments, {}, firms, [D])
    assert (seats["licenses"], seats["unused"], seats["underused"]) == (10, 8, 1)
    assert (seats["reclaimable_usd"], seats["underused_usd"]) == (4000, 500)
    assert (seats["casual_holders"], seats["casual_usd"]) == (1, 500)
    assert (zero["unused"], zero["reclaimable_usd"]) == (0, None)


def test_what_a_tenant_gains() -> None:
    segments = [
        {
            "date": D,
            "user_id": user,
            "tenant_id": "t",
            "segment": segment,
            "is_dormant": is_dormant,
            "sub_segment": sub_segment,
        }
        for user, segment, is_dormant, sub_segment in (
            ("p", "power", False, "Power Generalist"),
            ("c", "casual", False, "Occasional"),
            ("d", "casual", True, "Dormant"),
            ("n", "casual", False, "New"),
        )
    ]
    given = [
        {
            "date": D,
            "user_id": user,
            "estimated_time_savings_hours_month": hours,
            "implementation_cost_usd_year": cost,
        }
        for user, hours, cost in (("p", 7.5, 600), ("p", 5, 200), ("c", 1, 25), ("n", 1, 50))
    ]
    licences = [{"date": D, "tenant_id": "t", "reclaimable_usd": worth} for worth in (300.0, None)]
    (row,) = outcomes.roi_table(segments, given, licences)
    # 12.5 x 12 x 50; 1 x 0.2 x 1,000; 7,500 + 300 + 200; less 800 and 25.
    assert row["power_savings_usd_year"] == 7500
    assert row["power_cost_usd_year"] == 800
    assert row["convertible_users"] == 1
    assert row["conversion_usd_year"] == 200
    assert row["conversion_cost_usd_year"] == 25
    assert (row["total_usd_year"], row["net_usd_year"]) == (8000, 7175)


def test_a_dashboard_against_four_weeks_before() -> None:
    then = D - 4 * WEEK
    before = [*history_on(then, "a", "p"), *history_on(then, "b", "c"), *history_on(then, "c", "r")]
    now = [
        *history_on(D, "a", "c"),
        *history_on(D, "b", "r"),
        *history_on(D, "d", "p", tenant_id="s"),
    ]
    scores = [*before, *now]
    weeks = segmenting.weeks_of(scores, scoring.tenants_table(scores), LONG_AGO)
    segments = segmenting.segments_table(weeks, Labels([]), [then, D])
    worth = [
        {
            "date": day,
            "tenant_id": tenant_id,
            "reclaimable_usd_year": 1.0,
            "total_usd_year": 2.0,
            "net_usd_year": -3.0,
        }
        for day, tenant_id in ((then, "t"), (D, "t"), (D, "s"))
    ]
    table = outcomes.dashboard_table(segments, weeks.scores, weeks.tenants, worth)
    rows = {row["tenant_id"]: row for row in table if row["date"] == D}
    assert set(rows) == {"t", "s", "all"}
    whole, own = rows["all"], rows["t"]
    assert (whole["users"], whole["power_users"], whole["casual_users"]) == (3, 1, 1)
    # Of "a" the settled segment is the one seen latest of two: casual.
    assert (own["power_to_casual_28d"], own["moved_up_28d"], own["moved_down_28d"]) == (1, 1, 1)
    assert own["casual_percent_change_28d"] == pytest.approx(50 - 100 / 3)
    # 0.3 against 0.5; all: (0.1 + 0.5 + 0.9) / 3 = 0.5 against 0.5.
    assert own["mean_score_change_28d_percent"] == pytest.approx(-40)
    assert whole["mean_score_change_28d_percent"] == pytest.approx(0)
    assert rows["s"]["mean_score_change_28d_percent"] is None
    assert whole["mean_score_change_364d_percent"] is None
    assert (own["changed_users"], own["changed_percent"]) == (0, None)
    assert (whole["reclaimable_usd_year"], whole["net_usd_year"]) == (2, -6)


# --- Section 6 ------------------------------------------------------------------------------


def published(day: date, user: str, segment: str, **changes: Any) -> TableRow:
    return {
        "date": day,
        "user_id": user,
        "tenant_id": "t",
        "segment": segment,
        "percentile": None,
        "churn_risk": None,
    } | changes


def by_monday(*rows: TableRow) -> dict[date, dict[str, TableRow]]:
    return scoring.by_day(rows, "user_id")


def test_labels_are_judged_by_the_monday_before_them() -> None:
    segments = by_monday(
        published(ago(7), "a", "power"),
        published(D, "a", "casual"),
        published(D, "b", "regular", tenant_id="s"),
    )
    labels = Labels(
        [
            label(ago(1), "power", user="a"),
            label(D, "casual", user="b"),
            label(D, "review", user="c"),
            label(ago(365), "power", user="d"),
            label(ago(364), "power", user="e"),
        ]
    )
    table = {row["tenant_id"]: row for row in evaluation.evaluation_table(labels, segments, [D])}
    assert set(table) == {"all", "t", "s"}
    whole = table["all"]
    assert (whole["labelled_users"], whole["unmatched_labels"]) == (2, 1)
    assert (whole["power_as_power"], whole["casual_as_regular"]) == (1, 1)
    assert (whole["accuracy"], whole["is_met"], whole["is_reliable"]) == (50, False, False)
    assert (whole["regular_precision"], whole["regular_recall"]) == (0, None)
    assert (table["t"]["accuracy"], table["t"]["unmatched_labels"]) == (100, 0)


def test_stability_of_a_cohort() -> None:
    # The last Mondays of February to May 2024.
    start, *later = (date(2024, 2, 26), date(2024, 3, 25), date(2024, 4, 29), date(2024, 5, 27))
    segments = by_monday(
        *(published(start, user, "power") for user in "abcde"),
        *(published(later[2], user, "power", percentile=75.1) for user in "abcd"),
        published(later[2], "e", "casual", percentile=75.0),
    )
    days = [date(2024, 2, 1) + timedelta(days=offset) for offset in range(121)]
    rows = [access_row(date(2024, 5, 1), user_id=user) for user in "abcd"]
    accesses = evaluation.accesses_of(rows, days, days)
    table = evaluation.stability_table(segments, accesses, [date(2024, 2, 1)])
    row = next(row for row in table if row["tenant_id"] == "t" and row["months_after"] == 3)
    assert (row["cohort_size"], row["same_segment"], row["in_top_quartile"]) == (5, 4, 4)
    assert (row["inactive"], row["inactive_rate"]) == (1, 20)
    assert row["is_met"] is False  # 80 % is not more than 80 %.
    # 24 of May's 31 days are too few, 25 are enough.
    for count, is_known in ((24, False), (25, True)):
        thin = evaluation.accesses_of(rows, days, days[: 90 + count])
        row = evaluation.stability_table(segments, thin, [date(2024, 2, 1)])[2]
        assert (row["same_segment"] is not None) is is_known
    row = evaluation.stability_table(
        segments, evaluation.accesses_of(rows, days[:-1], days), [date(2024, 2, 1)]
    )[2]
    assert (row["cohort_size"], row["same_segment"]) == (5, None)


def test_who_was_said_to_leave_did() -> None:
    segments = by_monday(
        *(published(D, user, "regular", churn_risk="high") for user in "ab"),
        *(published(D, user, "regular", churn_risk="very_low") for user in "cdef"),
        published(D, "g", "casual"),
    )
    days = [D + timedelta(days=offset) for offset in range(31)]
    rows = [access_row(days[30], user_id=user) for user in "bcdef"]
    rows.append(access_row(D, user_id="a"))
    known = evaluation.accesses_of(rows, days, days[1:25])
    table = evaluation.backtest_table(segments, known, [D])
    assert len(table) == 8
    high, medium, _, very_low = (row for row in table if row["tenant_id"] == "t")
    assert (high["users"], high["churned"], high["precision"], high["recall"]) == (2, 1, 50, 100)
    assert high["lift"] == 3  # 50 % against 1 of 6.
    assert (medium["users"], medium["churned"], medium["precision"]) == (0, 0, None)
    assert (very_low["precision"], very_low["lift"]) == (0, 0)
    for unknown in (
        evaluation.accesses_of(rows, days[:-1], days),
        evaluation.accesses_of(rows, days, days[1:24]),
    ):
        row = evaluation.backtest_table(segments, unknown, [D])[0]
        assert (row["users"], row["churned"], row["lift"]) == (2, None, None)


def fractions(*values: int) -> list[Fraction]:
    return [Fraction(value) for value in values]


def test_means_are_compared_by_the_normal_distribution() -> None:
    found = evaluation.compare_means(fractions(5, 7), fractions(1, 3))
    # Variances 2 and 2, error sqrt(1 + 1).
    assert found["ci_low"] == pytest.approx(4 - 1.959963984540054 * sqrt(2))
    assert found["ci_high"] == pytest.approx(4 + 1.959963984540054 * sqrt(2))
    assert found["p_value"] == pytest.approx(erfc(2))
    assert evaluation.compare_means(fractions(5, 5), fractions(1, 1)) == {}


def test_shares_are_compared_as_newcombe_does() -> None:
    """56 of 70 against 48 of 80 is the example of his paper of 1998, method 10."""
    treated = fractions(*[1] * 56, *[0] * 14)
    controls = fractions(*[1] * 48, *[0] * 32)
    found = evaluation.compare_shares(treated, controls)
    assert found["ci_low"] == pytest.approx(0.0524, abs=5e-5)
    assert found["ci_high"] == pytest.approx(0.3339, abs=5e-5)
    # Pooled 104 / 150: 0.2 / sqrt(0.69333 x 0.30667 x (1/70 + 1/80)) = 2.65017
    assert found["p_value"] == pytest.approx(erfc(2.65017 / sqrt(2)), rel=1e-4)


def start(user: str, day: date, group: str, kind: str = "tips", **survey: float) -> TableRow:
    return {
        "date": day,
        "user_id": user,
        "kind": kind,
        "group": group,
        "satisfaction": survey.get("satisfaction"),
        "reported_hours_saved": survey.get("hours"),
    }


def test_a_readout_counts_by_the_first_start() -> None:
    before, started = date(2024, 2, 26), date(2024, 3, 4)  # Both Mondays.
    after = date(2024, 6, 3)  # The first one from 2 June, 90 days on.
    segments = by_monday(
        *(published(before, user, "casual") for user in "abcd"),
        *(published(after, user, "regular") for user in "ab"),
        *(published(after, user, "casual") for user in "cd"),
    )
    scores = {
        day: {
            user: stored_row(day, user, engagement_score=score, active_days=days)
            for user, score, days in (("a", a, 10), ("b", b, 9), ("c", 0.2, 9), ("d", 0.2, 10))
        }
        for day, a, b in ((before, 0.2, 0.2), (after, 0.5, 0.3))
    }
    starts = [
        start("a", started, "treatment", hours=6.0),
        start("a", started, "treatment", "coaching", hours=2.0),
        start("b", started, "treatment", hours=5.0),
        start("c", started, "control"),
        start("d", started, "control"),
        start("e", started, "control"),
        start("e", started + ONE_DAY, "treatment", "coaching"),
    ]
    table = {
        (row["kind"], row["segment"], row["metric"]): row
        for row in evaluation.readout_table(starts, segments, scores, [date(2024, 3, 1)])
    }
    assert {kind for kind, *_ in table} == {"tips", "coaching", "all"}
    tips = table["tips", "all", "engagement_change"]
    assert (tips["treatment_n"], tips["control_n"]) == (2, 2)
    assert tips["treatment_value"] == pytest.approx(0.2)
    # 0.2 against a mean of 0.2 before.
    assert tips["relative_percent"] == pytest.approx(100)
    assert (tips["is_met"], tips["is_reliable"]) == (True, False)
    conversion = table["tips", "casual", "conversion"]
    assert (conversion["treatment_value"], conversion["control_value"]) == (1, 0)
    assert conversion["relative_percent"] is None
    use = table["tips", "casual", "license_use"]
    assert (use["difference"], use["relative_percent"], use["is_met"]) == (0, 0, False)
    hours = table["tips", "all", "hours_saved"]
    assert (hours["treatment_value"], hours["is_met"], hours["difference"]) == (5.5, True, None)
    # Of two kinds on one day the first by name counts.
    assert table["all", "all", "hours_saved"]["treatment_value"] == 3.5
    assert table["all", "all", "hours_saved"]["contaminated_users"] == 1
    assert table["tips", "all", "hours_saved"]["contaminated_users"] == 0
    assert ("all", "regular", "conversion") not in table


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [(0, -7, 91), (1, 0, 91), (6, 0, 98), (7, 0, 98)],
)
def test_the_mondays_before_and_after_a_start(day: int, before: int, after: int) -> None:
    started = D + timedelta(days=day)
    assert evaluation.monday_before(started) == D + timedelta(days=before)
    assert evaluation.monday_after(started) == D + timedelta(days=after)
