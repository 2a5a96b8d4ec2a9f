"""Settings: what the environment says."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.definitions import build_resources
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.settings import (
    AlertSettings,
    EmailSettings,
    QualitySettings,
    Settings,
    SettingsError,
    read_alert_settings,
    read_quality_settings,
    read_settings,
    read_storage_variables,
    read_users_days,
)

WEBHOOK = "https://hooks.example.com/services/T0/B0/secret"
EMAIL = {
    "HARVEY_ALERT_EMAIL_TO": "ops@example.com, lead@example.com,",
    "HARVEY_ALERT_EMAIL_FROM": "harvey@example.com",
    "HARVEY_SMTP_HOST": "mail.example.com",
}


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nothing-set"),
        pytest.param(
            {
                "HARVEY_LANDING_DIR": "",
                "HARVEY_WAREHOUSE": "",
                "HARVEY_START_DATE": "",
                "HARVEY_END_DATE": "",
                "HARVEY_LOCK_TIMEOUT_SECONDS": "",
            },
            id="empty-is-not-set",
        ),
    ],
)
def test_settings_by_default(environment: Mapping[str, str]) -> None:
    assert read_settings(environment) == Settings(
        landing_dir="data/landing",
        warehouse=Path("data/warehouse.duckdb"),
        start_date=None,
        end_date=None,
        lock_timeout_seconds=600.0,
    )


def test_settings_as_given() -> None:
    environment = {
        "HARVEY_LANDING_DIR": "/drops",
        "HARVEY_WAREHOUSE": "/store/harvey.duckdb",
        "HARVEY_START_DATE": "2024-02-29",
        "HARVEY_END_DATE": "2024-02-29",
        "HARVEY_LOCK_TIMEOUT_SECONDS": "0.5",
        "HARVEY_LOOK_SECONDS": "5",
        "HARVEY_SUBJECTS": " engagement, agents,",
    }
    found = read_settings(environment)
    assert found == Settings(
        landing_dir="/drops",
        warehouse=Path("/store/harvey.duckdb"),
        start_date=date(2024, 2, 29),
        end_date=date(2024, 2, 29),
        lock_timeout_seconds=0.5,
        look_seconds=5,
        subjects=("engagement", "agents"),
    )
    assert found.raw_dir == Path("/store/harvey.raw")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVEY_WAREHOUSE", "/store/harvey.duckdb")
    assert read_settings().warehouse == Path("/store/harvey.duckdb")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param(
            {"HARVEY_START_DATE": "2024-02-30"},
            "HARVEY_START_DATE is '2024-02-30'; give a day as YYYY-MM-DD.",
            id="a-day-that-does-not-exist",
        ),
        pytest.param(
            {"HARVEY_END_DATE": "4/23/2024"},
            "HARVEY_END_DATE is '4/23/2024'; give a day as YYYY-MM-DD.",
            id="another-notation",
        ),
        pytest.param(
            {"HARVEY_START_DATE": "2024-05-02", "HARVEY_END_DATE": "2024-05-01"},
            "HARVEY_END_DATE (2024-05-01) lies before HARVEY_START_DATE (2024-05-02).",
            id="an-end-before-the-start",
        ),
        pytest.param(
            {"HARVEY_WAREHOUSE": "s3://bucket/warehouse.duckdb"},
            "HARVEY_WAREHOUSE is s3://bucket/warehouse.duckdb; give a path of this machine.",
            id="a-warehouse-elsewhere",
        ),
        pytest.param(
            {"HARVEY_LOCK_TIMEOUT_SECONDS": "soon"},
            "HARVEY_LOCK_TIMEOUT_SECONDS is 'soon'; give a number of seconds.",
            id="no-number",
        ),
        pytest.param(
            {"HARVEY_LOCK_TIMEOUT_SECONDS": "-1"},
            "HARVEY_LOCK_TIMEOUT_SECONDS is '-1'; give a number of seconds.",
            id="a-negative-time",
        ),
        pytest.param(
            {"HARVEY_LOCK_TIMEOUT_SECONDS": "nan"},
            "HARVEY_LOCK_TIMEOUT_SECONDS is 'nan'; give a number of seconds.",
            id="not-a-number-as-a-number",
        ),
        pytest.param(
            {"HARVEY_LOOK_SECONDS": "4"},
            "HARVEY_LOOK_SECONDS is '4'; give a whole number from 5 to 3,600.",
            id="oftener-than-Dagster-looks",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    environment: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environment)
    assert str(refused.value) == message


def test_resources_stand_where_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path / "in"), tmp_path / "harvey.duckdb", None, None, 7.0)
    warehouse, raw_store = build_resources(settings, Calendar(date(2024, 5, 1), None))
    assert warehouse.path == tmp_path / "harvey.duckdb"
    assert warehouse.lock_timeout_seconds == 7.0
    assert (raw_store.root, raw_store.landing_dir) == (
        str(tmp_path / "harvey.raw"),
        str(tmp_path / "in"),
    )
    assert raw_store.start_date == "2024-05-01"


def test_alerts_go_nowhere_by_default() -> None:
    assert read_alert_settings({"HARVEY_ALERT_WEBHOOK": "", "HARVEY_ALERT_EMAIL_TO": ""}) == (
        AlertSettings(None, None)
    )


def test_alerts_go_where_the_environment_says() -> None:
    login = {"HARVEY_SMTP_USER": "harvey", "HARVEY_SMTP_PASSWORD": "open sesame"}
    transport = {"HARVEY_SMTP_PORT": "2525", "HARVEY_SMTP_STARTTLS": "False"}
    to = ("ops@example.com", "lead@example.com")
    sender, host = EMAIL["HARVEY_ALERT_EMAIL_FROM"], EMAIL["HARVEY_SMTP_HOST"]
    assert read_alert_settings({"HARVEY_ALERT_WEBHOOK": WEBHOOK}) == AlertSettings(WEBHOOK, None)
    assert read_alert_settings(EMAIL).email == EmailSettings(
        to, sender, host, 587, None, None, has_starttls=True
    )
    found = read_alert_settings(EMAIL | login | transport)
    assert found.email == EmailSettings(
        to, sender, host, 2525, "harvey", "open sesame", has_starttls=False
    )
    assert "secret" not in repr(read_alert_settings({"HARVEY_ALERT_WEBHOOK": WEBHOOK}))
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param(
            {"HARVEY_ALERT_WEBHOOK": "hooks.example.com/secret"},
            "HARVEY_ALERT_WEBHOOK is no address that begins with https:// or http://.",
            id="no-address",
        ),
        pytest.param(
            {"HARVEY_ALERT_WEBHOOK": f"{WEBHOOK}\n"},
            "HARVEY_ALERT_WEBHOOK is no address that begins with https:// or http://.",
            id="an-address-with-a-line-end",
        ),
        pytest.param(
            {"HARVEY_ALERT_EMAIL_TO": "ops@example.com"},
            "HARVEY_ALERT_EMAIL_TO is set without HARVEY_ALERT_EMAIL_FROM and HARVEY_SMTP_HOST.",
            id="no-sender-and-no-server",
        ),
        pytest.param(
            EMAIL | {"HARVEY_ALERT_EMAIL_TO": "ops"},
            "HARVEY_ALERT_EMAIL_TO has 'ops'; give addresses like name@example.com.",
            id="no-e-mail-address",
        ),
        pytest.param(
            EMAIL | {"HARVEY_SMTP_USER": "harvey"},
            "HARVEY_SMTP_USER is set without HARVEY_SMTP_PASSWORD.",
            id="no-password",
        ),
        pytest.param(
            EMAIL | {"HARVEY_SMTP_PASSWORD": "secret"},
            "HARVEY_SMTP_PASSWORD is set without HARVEY_SMTP_USER.",
            id="no-user",
        ),
        pytest.param(
            EMAIL | {"HARVEY_SMTP_PORT": "65536"},
            "HARVEY_SMTP_PORT is '65536'; give a whole number from 1 to 65,535.",
            id="no-port",
        ),
        pytest.param(
            EMAIL | {"HARVEY_SMTP_STARTTLS": "maybe"},
            "HARVEY_SMTP_STARTTLS is 'maybe'; give true or false.",
            id="neither-true-nor-false",
        ),
    ],
)
def test_where_alerts_cannot_go_is_named_without_secrets(
    environment: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_alert_settings(environment)
    assert str(refused.value) == message


def test_thresholds_of_quality() -> None:
    assert read_quality_settings({}) == QualitySettings(5.0, 10.0, 2.0, 5.0, 1)
    given = {
        "HARVEY_QUALITY_CRITICAL_MISSING_IDS_PERCENT": "1.5",
        "HARVEY_QUALITY_CRITICAL_UNUSABLE_VALUES_PERCENT": "30",
        "HARVEY_QUALITY_WARNING_MISSING_IDS_PERCENT": "0",
        "HARVEY_QUALITY_WARNING_UNUSABLE_VALUES_PERCENT": "20",
        "HARVEY_QUALITY_INFO_ROWS": "10",
    }
    assert read_quality_settings(given) == QualitySettings(1.5, 30.0, 0.0, 20.0, 10)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param(
            {"HARVEY_QUALITY_WARNING_MISSING_IDS_PERCENT": "101"},
            "HARVEY_QUALITY_WARNING_MISSING_IDS_PERCENT is '101'; give a percentage from 0 to 100.",
            id="no-percentage",
        ),
        pytest.param(
            {"HARVEY_QUALITY_WARNING_UNUSABLE_VALUES_PERCENT": "11"},
            "HARVEY_QUALITY_WARNING_UNUSABLE_VALUES_PERCENT (11) lies above "
            "HARVEY_QUALITY_CRITICAL_UNUSABLE_VALUES_PERCENT (10).",
            id="a-warning-beyond-what-is-critical",
        ),
        pytest.param(
            {"HARVEY_QUALITY_INFO_ROWS": "0"},
            "HARVEY_QUALITY_INFO_ROWS is '0'; give a whole number from 1 to 1,000,000,000.",
            id="no-rows",
        ),
    ],
)
def test_a_threshold_that_cannot_be_used_is_named(
    environment: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_quality_settings(environment)
    assert str(refused.value) == message


def test_people_are_kept_for_ever_or_for_more_than_a_year() -> None:
    assert read_users_days({}) is None
    assert read_users_days({"HARVEY_RETAIN_USERS_DAYS": "400"}) == 400
    for text in ("399", "a year", "-1"):
        with pytest.raises(SettingsError, match="HARVEY_RETAIN_USERS_DAYS"):
            read_users_days({"HARVEY_RETAIN_USERS_DAYS": text})


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, ""),
        ({"HARVEY_SPARK_MASTER": "spark://one:7077"}, ""),
        ({"HARVEY_ENGINE": "spark", "HARVEY_SPARK_MASTER": "local[2]"}, "local[2]"),
        ({"HARVEY_ENGINE": "spark", "HARVEY_SPARK_REMOTE": "sc://one:15002"}, "sc://one:15002"),
    ],
)
def test_spark_is_the_engine_where_it_is_said(environment: Mapping[str, str], address: str) -> None:
    assert read_settings(environment).spark == address


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HARVEY_ENGINE": "flink"}, "HARVEY_ENGINE is 'flink'; give spark"),
        ({"HARVEY_ENGINE": "spark"}, "HARVEY_SPARK_MASTER and HARVEY_SPARK_REMOTE neither is set"),
        (
            {
                "HARVEY_ENGINE": "spark",
                "HARVEY_SPARK_MASTER": "local[2]",
                "HARVEY_SPARK_REMOTE": "sc://one",
            },
            "both are set",
        ),
        (
            {"HARVEY_ENGINE": "spark", "HARVEY_SPARK_REMOTE": "spark://one:7077"},
            "HARVEY_SPARK_REMOTE is 'spark://one:7077'; give an address as sc://host:port",
        ),
        (
            {"HARVEY_ENGINE": "spark", "HARVEY_SPARK_REMOTE": "sc://one:15002/;token=t0p"},
            "holds a token, which is a secret .* by SPARK_CONNECT_AUTHENTICATE_TOKEN",
        ),
        (
            {"HARVEY_ENGINE": "spark", "HARVEY_SPARK_MASTER": "sc://one"},
            "HARVEY_SPARK_MASTER is 'sc://one'; give that by HARVEY_SPARK_REMOTE",
        ),
    ],
)
def test_a_spark_that_is_not_said_clearly_is_refused(
    environment: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(environment)


def test_only_what_storage_reads_is_passed_on() -> None:
    environment = {"AWS_SECRET_ACCESS_KEY": "s", "AZURE_STORAGE_ACCOUNT_KEY": "k", "HOME": "/"}
    assert read_storage_variables(environment) == {
        "AWS_SECRET_ACCESS_KEY": "s",
        "AZURE_STORAGE_ACCOUNT_KEY": "k",
    }
