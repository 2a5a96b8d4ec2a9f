"""Settings: what the environment says."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.definitions import build_resources
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.settings import Settings, SettingsError, read_settings


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
        landing_dir=Path("data/landing"),
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
    }
    found = read_settings(environment)
    assert found == Settings(
        landing_dir=Path("/drops"),
        warehouse=Path("/store/harvey.duckdb"),
        start_date=date(2024, 2, 29),
        end_date=date(2024, 2, 29),
        lock_timeout_seconds=0.5,
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
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    environment: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(environment)
    assert str(refused.value) == message


def test_resources_stand_where_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "in", tmp_path / "harvey.duckdb", None, None, 7.0)
    warehouse, raw_store = build_resources(settings, Calendar(date(2024, 5, 1), None))
    assert warehouse.path == tmp_path / "harvey.duckdb"
    assert warehouse.lock_timeout_seconds == 7.0
    assert (raw_store.root, raw_store.landing_dir) == (
        str(tmp_path / "harvey.raw"),
        str(tmp_path / "in"),
    )
    assert raw_store.start_date == "2024-05-01"
