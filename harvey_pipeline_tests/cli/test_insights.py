"""`harvey insights`: what the files say, and e-mail by a server on this machine."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harvey_pipeline_tests.cli.published_conversations import (
    LAST,
    WEEK_BEFORE,
    Told,
    Values,
    asked,
    board,
    failure,
    publish,
    run_beside,
    signal,
    tool,
    use_case,
)
from harvey_pipeline_tests.graph.alert_servers import free_port, mail_server

HOSTILE = '<script>alert(1)</script> & "more"'
DAYS = [LAST - timedelta(days=ago) for ago in range(30)]

TABLES: Mapping[str, Sequence[Values]] = {
    "pmf_dashboard": [
        # Day n before the last has n new users; the last day and that of a week before differ.
        board(LAST, new_users=3, dau=12, completion_rate=60.0, avg_satisfaction=6.5),
        *(board(day, new_users=ago) for ago, day in enumerate(DAYS) if ago not in (0, 7)),
        board(WEEK_BEFORE, new_users=1, dau=14, completion_rate=62.5, avg_satisfaction=6.0),
    ],
    "pmf_signals": [
        signal("organic_sharing", "strong", value=5.5, threshold=5.0),
        signal("organic_sharing", "strong", WEEK_BEFORE, value=4.0, threshold=5.0, is_met=False),
        signal("error_rate", "weak", value=9.0, threshold=10.0, is_met=False),
        signal("error_rate", "weak", WEEK_BEFORE, value=11.0, threshold=10.0),
        signal("unmet_requests", "pivot", value=None, is_met=None),
        signal("unmet_requests", "pivot", WEEK_BEFORE),
        signal("repeated_blockers", "pivot", is_reliable=False),
        signal("repeated_blockers", "pivot", WEEK_BEFORE, is_met=False),
        signal("credit_exhaustion_rate", "strong"),
        signal("credit_exhaustion_rate", "strong", WEEK_BEFORE),
        signal("day_7_retention", "strong"),
    ],
    "failure_points": [
        failure("search", HOSTILE, 9, 4, is_repeated=True),
        failure("draft", "slow", 7, 2),
        failure("none", "quota", 7, 3),
        failure("fourth", "not shown", 6, 6),
    ],
    "conversation_daily": [
        asked(LAST, "ana", HOSTILE, "a Mac app", "an app for phones"),
        asked(LAST, "ben", "a Mac app"),
        asked(LAST - timedelta(days=6), "ben", "export to Word"),
        asked(LAST - timedelta(days=7), "cem", "something else"),
        asked(LAST - timedelta(days=90), "cem", "an app for phones"),
        asked(LAST - timedelta(days=91), "cem", "a Mac app"),
    ],
    "use_cases": [use_case("drafting", 5, 3), use_case("other", 11, 7)],
    "tool_usage": [tool("search", 97), tool("unknown", 3)],
}
"""Of 20 conversations 11 are of no use case of the catalogue, 55 %; of 100 calls 3 name no tool."""

Insights = Callable[..., Told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"), TABLES)


@pytest.fixture
def insights(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Insights:
    """Runs the command beside that copy, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_beside(folder, monkeypatch, capsys, "insights", *arguments)


def section_of(text: str, title: str) -> list[str]:
    """The lines of a section, blanks in them as single ones."""
    lines = [*text.splitlines(), ""]
    rest = lines[lines.index(title) + 1 :]
    return [" ".join(line.split()) for line in rest[: rest.index("")]]


@pytest.fixture
def text(insights: Insights, tmp_path: Path) -> str:
    told = insights()
    assert (told.code, told.error) == (0, "")
    return (tmp_path / "reports" / "insights-2024-06-30.txt").read_text()


# --- the files -----------------------------------------------------------------------------------


def test_text_and_html_are_written_and_nothing_else(insights: Insights, tmp_path: Path) -> None:
    told = insights()
    assert told.lines == [
        "Harvey insights of 2024-06-30: 12 conversations, 3 new users, 2 signals changed. Written: "
        "reports/insights-2024-06-30.txt and reports/insights-2024-06-30.html."
    ]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "insights-2024-06-30.html",
        "insights-2024-06-30.txt",
    ]


def test_equal_data_give_equal_bytes(insights: Insights, tmp_path: Path) -> None:
    def contents(folder: str) -> list[bytes]:
        assert insights("--out", folder).code == 0
        return [path.read_bytes() for path in sorted((tmp_path / folder).iterdir())]

    assert contents("once") == contents("again")


def test_figures_stand_against_those_of_seven_days_before(text: str) -> None:
    lines = section_of(text, "Figures")
    assert lines[:3] == [
        "now 7 days before change",
        "new users 3 1 +2",
        "conversations 12 12 +0",
    ]
    assert "users on the day 12 14 -2" in lines
    assert "completed conversations, 30 days 60.0 % 62.5 % -2.5 points" in lines
    assert "satisfaction of 10, 30 days 6.5 6.0 +0.5" in lines


def test_a_week_is_summed_and_compared_with_the_week_before(
    insights: Insights, tmp_path: Path
) -> None:
    assert insights("--week").code == 0
    text = (tmp_path / "reports" / "insights-2024-06-30-week.txt").read_text()
    # New users 3 + 1 + 2 + 3 + 4 + 5 + 6 = 24, before 1 + 8 + 9 + 10 + 11 + 12 + 13 = 64.
    assert text.splitlines()[0] == (
        "Harvey insights of the week to 2024-06-30: 84 conversations, 24 new users, "
        "2 signals changed"
    )
    lines = section_of(text, "Figures")
    assert lines[1:3] == ["new users 24 64 -40", "conversations 84 84 +0"]
    assert "users on the day 12 14 -2" in lines
    requests = section_of(text, "New feature requests")
    assert "export to Word 1 user" in requests
    assert not any("something else" in line for line in requests)


def test_weeks_are_not_compared_where_a_day_was_not_run(insights: Insights, tmp_path: Path) -> None:
    # The week before begins on the 31st day before, which was not run.
    assert insights("--week", "--day", "2024-06-13").code == 0
    text = (tmp_path / "reports" / "insights-2024-06-13-week.txt").read_text()
    # Days 17 to 23 before the last: 140.
    assert section_of(text, "Figures")[1] == "new users 140 - -"


def test_only_reliable_signals_that_changed_are_told(text: str) -> None:
    assert section_of(text, "Signals newly met or lost") == [
        "newly met strong organic sharing 5.5 % (above 5 %)",
        "lost weak error rate 9.0 % (above 10 %)",
    ]


def test_signals_need_a_day_to_be_compared_with(insights: Insights, tmp_path: Path) -> None:
    assert insights("--day", "2024-06-23").code == 0
    text = (tmp_path / "reports" / "insights-2024-06-23.txt").read_text()
    assert section_of(text, "Signals newly met or lost") == [
        "2024-06-16 was not run: nothing to compare with"
    ]


def test_the_three_largest_failure_points_are_told_with_users(text: str) -> None:
    assert section_of(text, "Largest failure points of 30 days") == [
        "tool error failures users affected",
        f"search {HOSTILE} 9 4 repeated",
        "none quota 7 3",
        "draft slow 7 2",
    ]


def test_requests_are_new_that_nobody_made_within_ninety_days(text: str) -> None:
    assert section_of(text, "New feature requests") == ["a Mac app 2 users", f"{HOSTILE} 1 user"]


def test_use_cases_are_told_by_conversations(text: str) -> None:
    assert section_of(text, "Top use cases of 30 days") == [
        "use case share users completed satisfaction",
        "other 55.0 % 7 50.0 % 6.0",
        "drafting 25.0 % 3 50.0 % 6.0",
    ]


def test_doubts_about_the_data_are_told(text: str) -> None:
    assert section_of(text, "Data warnings") == [
        "3.0 % of the tool calls of 30 days name no tool",
        "55.0 % of the conversations of 30 days have no use case of the catalogue",
        "1 signal of fewer than 20 users or conversations",
    ]


def test_days_that_are_missing_or_not_covered_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    boards = [
        board(LAST),
        board(LAST - timedelta(days=2), is_covered=False),
        board(date(2024, 6, 10)),
    ]
    sound = {
        "use_cases": [use_case("other", 10, 7)],
        "tool_usage": [tool("search", 98), tool("unknown", 2)],
        "pmf_signals": [signal("error_rate", "weak")],
    }
    folder = publish(tmp_path, {**TABLES, **sound, "pmf_dashboard": boards})
    monkeypatch.chdir(tmp_path)
    assert run_beside(folder, monkeypatch, capsys, "insights").code == 0
    text = (tmp_path / "reports" / "insights-2024-06-30.txt").read_text()
    # Between June 10 and 30 lie 19 days, of which one was run. 50 % and 2 % are within bounds.
    assert section_of(text, "Data warnings") == [
        "Not run: 2024-06-11, 2024-06-12, 2024-06-13, 2024-06-14, 2024-06-15 and 13 more",
        "The 30 days are not full: the first day run of them is 2024-06-10",
        "Not covered by any delivery: 2024-06-28",
    ]


class Tags(HTMLParser):
    """Which tags a page has, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)
        assert "src" not in str(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_shows_texts_of_people_as_text(insights: Insights, tmp_path: Path) -> None:
    assert insights().code == 0
    page = (tmp_path / "reports" / "insights-2024-06-30.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.names
    assert tags.text.count(HOSTILE) == 2
    assert "<h2>Figures</h2>" in page


def test_a_folder_that_cannot_be_written_is_told(insights: Insights, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    told = insights("--out", "taken")
    assert (told.code, told.lines) == (2, [])
    assert "--out" in told.error
    assert "s3://bucket" in insights("--out", "s3://bucket").error


# --- e-mail --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVEY_SMTP_STARTTLS", "false")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_it_is_sent_as_text_and_html(
    insights: Insights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(needs_login=True) as mails:
        monkeypatch.setenv("HARVEY_SMTP_URL", f"smtp://harvey:open%20sesame@127.0.0.1:{mails.port}")
        monkeypatch.setenv("HARVEY_INSIGHTS_TO", "a@example.com, b@example.com")
        told = insights()
    assert (told.code, told.error) == (0, "")
    assert told.lines[-1] == "Sent to a@example.com, b@example.com."
    [message] = mails.messages
    assert mails.recipients == [["a@example.com", "b@example.com"]]
    assert mails.logins == [(b"harvey", b"open sesame")]
    assert message["From"] == "a@example.com"
    assert message["Subject"].startswith("Harvey insights of 2024-06-30: 12 conversations")
    reports = tmp_path / "reports" / "insights-2024-06-30"
    for kind, suffix in (("plain", ".txt"), ("html", ".html")):
        body = message.get_body((kind,))
        assert body is not None
        written = reports.with_suffix(suffix).read_text()
        assert body.get_content().rstrip().splitlines() == written.rstrip().splitlines()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HARVEY_INSIGHTS_TO": "a@example.com"},
        {"HARVEY_SMTP_URL": "smtp://127.0.0.1:{port}"},
    ],
    ids=["neither", "no-server", "nobody"],
)
def test_nothing_is_sent_unless_both_are_set(
    insights: Insights, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
) -> None:
    with mail_server() as mails:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(port=mails.port))
        assert insights().code == 0
    assert mails.messages == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("fault", ["closed", "login", "no server", "no TLS"])
def test_a_server_that_does_not_take_it_fails_without_telling_the_password(
    insights: Insights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with mail_server(needs_login=fault == "login") as mails:
        mails.is_closed = fault == "closed"
        port = free_port() if fault == "no server" else mails.port
        if fault == "no TLS":
            monkeypatch.delenv("HARVEY_SMTP_STARTTLS")
        login = "harvey:hush-hush@" if fault == "login" else ""
        monkeypatch.setenv("HARVEY_SMTP_URL", f"smtp://{login}127.0.0.1:{port}")
        monkeypatch.setenv("HARVEY_INSIGHTS_TO", "a@example.com")
        told = insights()
    assert told.code == 1
    assert f"127.0.0.1:{port} did not take the e-mail" in told.error
    assert "HARVEY_SMTP_URL" in told.error
    assert "hush" not in told.error
    assert mails.messages == []
    assert (tmp_path / "reports" / "insights-2024-06-30.html").exists()


def test_addresses_that_the_server_refuses_are_named(
    insights: Insights, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as mails:
        mails.refused = {"b@example.com"}
        monkeypatch.setenv("HARVEY_SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        monkeypatch.setenv("HARVEY_INSIGHTS_TO", "a@example.com,b@example.com")
        told = insights()
    assert told.code == 1
    assert "refused b@example.com. Correct HARVEY_INSIGHTS_TO" in told.error
    assert mails.recipients == [["a@example.com"]]
