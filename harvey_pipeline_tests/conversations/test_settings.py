"""What the environment says of credits, words and insights."""

from pathlib import Path

import pytest

from harvey_pipeline.conversations.settings import (
    ConversationSettings,
    read_conversation_settings,
)
from harvey_pipeline.settings import EmailSettings, SettingsError

TO = {"HARVEY_INSIGHTS_TO": "a@x.com, b@x.com"}


def test_without_variables_everything_is_as_usual() -> None:
    assert read_conversation_settings({}) == ConversationSettings(100, None, None)


@pytest.mark.parametrize(("text", "limit"), [("0", 0), ("250", 250), ("999999999", 999_999_999)])
def test_the_credit_limit_is_a_whole_number(text: str, limit: int) -> None:
    assert read_conversation_settings({"HARVEY_CREDIT_LIMIT": text}).credit_limit == limit


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "many", "1000000000", "٣"])
def test_another_credit_limit_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="HARVEY_CREDIT_LIMIT"):
        read_conversation_settings({"HARVEY_CREDIT_LIMIT": text})


def test_the_catalogue_is_a_path() -> None:
    found = read_conversation_settings({"HARVEY_CONVERSATIONS_CATALOGUE": "words.toml"})
    assert found.catalogue == Path("words.toml")


@pytest.mark.parametrize(
    ("url", "more", "expected"),
    [
        (
            "smtp://mail.x.com",
            {},
            EmailSettings(("a@x.com", "b@x.com"), "a@x.com", "mail.x.com"),
        ),
        (
            "smtp://mail.x.com:25",
            {"HARVEY_SMTP_STARTTLS": "false", "HARVEY_ALERT_EMAIL_FROM": "h@x.com"},
            EmailSettings(("a@x.com", "b@x.com"), "h@x.com", "mail.x.com", 25, has_starttls=False),
        ),
        (
            "smtps://me%40x.com:p%2Fw@mail.x.com",
            {},
            EmailSettings(("a@x.com", "b@x.com"), "a@x.com", "mail.x.com", 465, "me@x.com", "p/w"),
        ),
    ],
)
def test_insights_are_sent_by_the_server_of_an_address(
    url: str, more: dict[str, str], expected: EmailSettings
) -> None:
    assert read_conversation_settings({"HARVEY_SMTP_URL": url, **TO, **more}).insights == expected


@pytest.mark.parametrize("given", [TO, {"HARVEY_SMTP_URL": "smtp://mail.x.com"}])
def test_without_a_server_or_a_recipient_nothing_is_sent(given: dict[str, str]) -> None:
    assert read_conversation_settings(given).insights is None


@pytest.mark.parametrize(
    "url",
    [
        "mail.x.com",
        "https://mail.x.com",
        "smtp://",
        "smtp://mail.x.com:port",
        "smtp://mail.x.com/box",
        "smtp://me@mail.x.com",
        "smtp://mail.x.com?x=1",
        "smtps://mail.x.com:587",
        "smtp://mail.x.com:0",
    ],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HARVEY_SMTP_URL"):
        read_conversation_settings({"HARVEY_SMTP_URL": url, **TO})


def test_what_is_no_recipient_is_refused_without_telling_the_password() -> None:
    with pytest.raises(SettingsError, match="HARVEY_INSIGHTS_TO has 'nobody'") as told:
        read_conversation_settings(
            {"HARVEY_SMTP_URL": "smtp://me:secret@x.com", "HARVEY_INSIGHTS_TO": "a@x.com,nobody"}
        )
    assert "secret" not in str(told.value)
