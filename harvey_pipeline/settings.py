"""Environment variables, read here and, but for the command line, set here and nowhere else."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

LANDING_DIR: Final = "HARVEY_LANDING_DIR"
WAREHOUSE: Final = "HARVEY_WAREHOUSE"
START_DATE: Final = "HARVEY_START_DATE"
END_DATE: Final = "HARVEY_END_DATE"
LOCK_TIMEOUT: Final = "HARVEY_LOCK_TIMEOUT_SECONDS"
ALERT_WEBHOOK: Final = "HARVEY_ALERT_WEBHOOK"
ALERT_EMAIL_TO: Final = "HARVEY_ALERT_EMAIL_TO"
ALERT_EMAIL_FROM: Final = "HARVEY_ALERT_EMAIL_FROM"
SMTP_HOST: Final = "HARVEY_SMTP_HOST"
SMTP_PORT: Final = "HARVEY_SMTP_PORT"
SMTP_USER: Final = "HARVEY_SMTP_USER"
SMTP_PASSWORD: Final = "HARVEY_SMTP_PASSWORD"
SMTP_STARTTLS: Final = "HARVEY_SMTP_STARTTLS"
QUALITY_CRITICAL_IDS: Final = "HARVEY_QUALITY_CRITICAL_MISSING_IDS_PERCENT"
QUALITY_CRITICAL_VALUES: Final = "HARVEY_QUALITY_CRITICAL_UNUSABLE_VALUES_PERCENT"
QUALITY_WARNING_IDS: Final = "HARVEY_QUALITY_WARNING_MISSING_IDS_PERCENT"
QUALITY_WARNING_VALUES: Final = "HARVEY_QUALITY_WARNING_UNUSABLE_VALUES_PERCENT"
QUALITY_INFO: Final = "HARVEY_QUALITY_INFO_ROWS"
INCOMPLETE_AFTER: Final = "HARVEY_INCOMPLETE_AFTER_HOUR"
LOOK_SECONDS: Final = "HARVEY_LOOK_SECONDS"
SUBJECTS: Final = "HARVEY_SUBJECTS"
RETAIN_USERS: Final = "HARVEY_RETAIN_USERS_DAYS"
HASH_SECRET: Final = "HARVEY_HASH_SECRET"
ENGINE: Final = "HARVEY_ENGINE"
SPARK_MASTER: Final = "HARVEY_SPARK_MASTER"
SPARK_REMOTE: Final = "HARVEY_SPARK_REMOTE"
RAW_STORE: Final = "HARVEY_RAW_STORE"
DAGSTER_HOME: Final = "DAGSTER_HOME"
DAGSTER_EVENT_BATCH_SIZE: Final = "DAGSTER_EVENT_BATCH_SIZE"


class SettingsError(Exception):
    """An environment variable or option whose value cannot be used."""


_NOON: Final = 12


@dataclass(frozen=True)
class Settings:
    """Where things are and which days there are. Paths are relative to the working directory.

    The landing folder may be an address in object storage; all else is on this machine.
    """

    landing_dir: str
    warehouse: Path
    start_date: date | None
    end_date: date | None
    lock_timeout_seconds: float
    incomplete_after_hour: int = _NOON
    """Hour of the day, UTC, from which on the sensor runs yesterday without its missing drops."""
    look_seconds: int = 30
    """Between two looks of the sensor at the landing folder; Dagster looks no oftener than in 5."""
    subjects: tuple[str, ...] = ()
    """Names of the subjects that are computed; without any, all."""
    spark: str = ""
    """Address of the Spark that reads parts of drops, `sc://...` or a master; empty: none does."""
    raw_store: str = ""
    """Where typed rows of parts lie that Spark has read; empty: in the raw layer's folder."""

    @property
    def raw_dir(self) -> Path:
        """The raw layer's folder, beside the warehouse."""
        return self.warehouse.with_name(f"{self.warehouse.stem}.raw")


def given_values(environment: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The variables that are set, or those that are given in their place."""
    return os.environ if environment is None else environment


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives.

    Raises:
        SettingsError: A value is no date or number, the warehouse is no local path, the calendar
            ends before it starts, or it is not said which Spark is meant.
    """
    values = given_values(environment)
    settings = Settings(
        landing_dir=values.get(LANDING_DIR) or "data/landing",
        warehouse=_read_local(values, WAREHOUSE, "data/warehouse.duckdb"),
        start_date=_read_date(values, START_DATE),
        end_date=_read_date(values, END_DATE),
        lock_timeout_seconds=_read_seconds(values, LOCK_TIMEOUT, default=600.0),
        incomplete_after_hour=read_whole(
            values, INCOMPLETE_AFTER, Settings.incomplete_after_hour, 0, 24
        ),
        subjects=tuple(
            name for part in values.get(SUBJECTS, "").split(",") if (name := part.strip())
        ),
        look_seconds=read_whole(values, LOOK_SECONDS, Settings.look_seconds, 5, 3600),
        spark=_read_spark(values),
        raw_store=values.get(RAW_STORE, "").rstrip("/"),
    )
    first, last = settings.start_date, settings.end_date
    if first is not None and last is not None and last < first:
        raise SettingsError(f"{END_DATE} ({last}) lies before {START_DATE} ({first}).")
    return settings


@dataclass(frozen=True)
class EmailSettings:
    """How e-mail is sent, and to whom.

    Port 465 speaks TLS from the beginning; on others `has_starttls` says whether TLS is demanded.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int = 587
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    has_starttls: bool = True


@dataclass(frozen=True)
class AlertSettings:
    """Where alerts go; None where they go nowhere. Whoever knows the webhook can post to it."""

    webhook: str | None = field(default=None, repr=False)
    email: EmailSettings | None = None


@dataclass(frozen=True)
class QualitySettings:
    """What of a day's rows may be bad before an alert is critical, a warning, or information.

    The percentages are of the rows read, and more than them is needed; `info_rows` is how many
    rows with a date in the future, or that repeat another one, are worth telling.
    """

    critical_missing_ids_percent: float = 5.0
    critical_unusable_values_percent: float = 10.0
    warning_missing_ids_percent: float = 2.0
    warning_unusable_values_percent: float = 5.0
    info_rows: int = 1


def read_alert_settings(environment: Mapping[str, str] | None = None) -> AlertSettings:
    """Where the environment sends alerts.

    Raises:
        SettingsError: The webhook is no address, or what e-mail needs is missing or unusable. The
            message holds neither the webhook nor the password.
    """
    values = given_values(environment)
    return AlertSettings(_read_webhook(values), _read_email(values))


def read_quality_settings(environment: Mapping[str, str] | None = None) -> QualitySettings:
    """The thresholds of data quality that the environment gives.

    Raises:
        SettingsError: A percentage is not between 0 and 100, a warning is rarer than what is
            critical, or the number of rows is no whole number from 1 on.
    """
    values = given_values(environment)
    ids = _read_percent(values, QUALITY_CRITICAL_IDS, 5.0)
    some_ids = _read_percent(values, QUALITY_WARNING_IDS, 2.0)
    unusable = _read_percent(values, QUALITY_CRITICAL_VALUES, 10.0)
    some_unusable = _read_percent(values, QUALITY_WARNING_VALUES, 5.0)
    for warning, critical, limit, higher in (
        (QUALITY_WARNING_IDS, QUALITY_CRITICAL_IDS, some_ids, ids),
        (QUALITY_WARNING_VALUES, QUALITY_CRITICAL_VALUES, some_unusable, unusable),
    ):
        if limit > higher:
            raise SettingsError(f"{warning} ({limit:g}) lies above {critical} ({higher:g}).")
    rows = read_whole(values, QUALITY_INFO, 1, 1, 10**9)
    return QualitySettings(ids, unusable, some_ids, some_unusable, rows)


LEAST_USERS_DAYS: Final = 400
"""What rests on the tables of people looks back as far as a year, and some days more."""


def read_users_days(environment: Mapping[str, str] | None = None) -> int | None:
    """For how many days rows of people are kept in tables that say nothing of it; None: for ever.

    Raises:
        SettingsError: It is no whole number of at least 400.
    """
    values = given_values(environment)
    if not values.get(RETAIN_USERS):
        return None
    return read_whole(values, RETAIN_USERS, LEAST_USERS_DAYS, LEAST_USERS_DAYS, 36_525)


def read_hash_secret(environment: Mapping[str, str] | None = None) -> str:
    """The secret of which the pseudonyms of people are made.

    Raises:
        SettingsError: None is set.
    """
    secret = given_values(environment).get(HASH_SECRET)
    if not secret:
        raise SettingsError(f"{HASH_SECRET} is not set; people are shown by hashes made with it.")
    return secret


def read_amount(values: Mapping[str, str], name: str, default: float) -> float:
    """An amount in USD.

    Raises:
        SettingsError: It is none.
    """
    text = values.get(name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise SettingsError(f"{name} is {text!r}; give an amount in USD such as 1000.")
    return float(text)


_STORAGE_PREFIXES: Final = ("AWS_", "AZURE_", "GOOGLE_")


def read_storage_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the libraries of object storage read: endpoints, and credentials, which are secrets."""
    values = given_values(environment)
    return {name: value for name, value in values.items() if name.startswith(_STORAGE_PREFIXES)}


def take_over(variables: Mapping[str, str]) -> None:
    """Set variables that another process has read."""
    os.environ.update(variables)


def set_unless_given(name: str, value: str) -> None:
    """Set a variable for this process and those that it starts, unless the user has set it."""
    os.environ.setdefault(name, value)


def _read_local(values: Mapping[str, str], name: str, default: str) -> Path:
    text = values.get(name) or default
    if "://" in text:
        raise SettingsError(f"{name} is {text}; give a path of this machine.")
    return Path(text)


def _read_spark(values: Mapping[str, str]) -> str:
    """The address of a Spark; empty where it is not the engine."""
    engine = values.get(ENGINE, "")
    if not engine:
        return ""
    if engine != "spark":
        raise SettingsError(f"{ENGINE} is {engine!r}; give spark, or unset it for one machine.")
    master, remote = values.get(SPARK_MASTER, ""), values.get(SPARK_REMOTE, "")
    if bool(master) == bool(remote):
        given = "both are" if master else "neither is"
        raise SettingsError(
            f"{ENGINE} is spark, and of {SPARK_MASTER} and {SPARK_REMOTE} {given} set; set the "
            f"master of a Spark, or the address of a Spark Connect as sc://host:port."
        )
    if remote and not remote.startswith("sc://"):
        raise SettingsError(f"{SPARK_REMOTE} is {remote!r}; give an address as sc://host:port.")
    if ";token=" in remote:
        raise SettingsError(
            f"{SPARK_REMOTE} holds a token, which is a secret and would be shown with the address; "
            f"give it by SPARK_CONNECT_AUTHENTICATE_TOKEN."
        )
    if master.startswith("sc://"):
        raise SettingsError(f"{SPARK_MASTER} is {master!r}; give that by {SPARK_REMOTE}.")
    return master or remote


def _read_date(values: Mapping[str, str], name: str) -> date | None:
    text = values.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}; give a day as YYYY-MM-DD.") from None


def _read_seconds(values: Mapping[str, str], name: str, default: float) -> float:
    text = values.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise SettingsError(f"{name} is {text!r}; give a number of seconds.")
    return seconds


def is_address(text: str) -> bool:
    """Whether a text is an address of HTTP."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _read_webhook(values: Mapping[str, str]) -> str | None:
    text = values.get(ALERT_WEBHOOK)
    if not text:
        return None
    if not is_address(text) or not re.fullmatch(r"[!-~]+", text):
        raise SettingsError(f"{ALERT_WEBHOOK} is no address that begins with https:// or http://.")
    return text


def _read_email(values: Mapping[str, str]) -> EmailSettings | None:
    to = tuple(filter(None, (one.strip() for one in values.get(ALERT_EMAIL_TO, "").split(","))))
    if not to:
        return None
    sender = values.get(ALERT_EMAIL_FROM, "").strip()
    host = values.get(SMTP_HOST, "").strip()
    missing = [name for name, value in ((ALERT_EMAIL_FROM, sender), (SMTP_HOST, host)) if not value]
    if missing:
        raise SettingsError(f"{ALERT_EMAIL_TO} is set without {' and '.join(missing)}.")
    for name, address in ((ALERT_EMAIL_FROM, sender), *((ALERT_EMAIL_TO, one) for one in to)):
        if not re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", address):
            raise SettingsError(f"{name} has {address!r}; give addresses like name@example.com.")
    user = values.get(SMTP_USER) or None
    password = values.get(SMTP_PASSWORD) or None
    if (user is None) != (password is None):
        given, other = (SMTP_PASSWORD, SMTP_USER) if user is None else (SMTP_USER, SMTP_PASSWORD)
        raise SettingsError(f"{given} is set without {other}.")
    return EmailSettings(
        to,
        sender,
        host,
        read_whole(values, SMTP_PORT, 587, 1, 65_535),
        user,
        password,
        _read_flag(values, SMTP_STARTTLS, default=True),
    )


def _read_percent(values: Mapping[str, str], name: str, default: float) -> float:
    text = values.get(name)
    if not text:
        return default
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise SettingsError(f"{name} is {text!r}; give a percentage from 0 to 100.")
    return percent


def read_whole(values: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises:
        SettingsError: It is none.
    """
    text = values.get(name)
    if not text:
        return default
    number = int(text) if re.fullmatch(r"[0-9]{1,10}", text) else -1
    if not least <= number <= most:
        raise SettingsError(f"{name} is {text!r}; give a whole number from {least} to {most:,}.")
    return number


def _read_flag(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = values.get(name)
    if not text:
        return default
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise SettingsError(f"{name} is {text!r}; give true or false.")
    return known[text.lower()]
