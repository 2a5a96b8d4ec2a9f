"""Alerts: what is told, once each, to servers that listen and to servers that do not."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvey_pipeline.definitions import SUBJECTS, build_definitions, sources_of
from harvey_pipeline.graph import alerts
from harvey_pipeline.graph.alerts import alert_resource, alert_sensors
from harvey_pipeline.graph.targets import Alert, AlertError, Email, Target, Webhook, build_targets
from harvey_pipeline.settings import (
    AlertSettings,
    EmailSettings,
    QualitySettings,
    read_alert_settings,
)
from harvey_pipeline_tests.graph.alert_servers import (
    SECRET,
    Mails,
    Posts,
    free_port,
    mail_server,
    webhook_server,
)
from harvey_pipeline_tests.graph.event_log_graph import run_days
from harvey_pipeline_tests.places import CALENDAR, EVENT_HEADER, FIRST, LAST, MIDDLE, Place

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

SENSORS = {
    sensor.name: sensor
    for sensor in alert_sensors(
        ["webhook", "email"], sources_of(SUBJECTS), QualitySettings(info_rows=2)
    )
}
RANGE = ("2024-04-01", "2024-04-03")


@pytest.fixture
def posts() -> Iterator[Posts]:
    with webhook_server() as server:
        yield server


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_server() as server:
        yield server


class Watch:
    """A sensor that is evaluated tick by tick, as the daemon does: a tick that fails keeps the
    cursor that it got.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        instance: dg.DagsterInstance,
        resources: Mapping[str, Any] | None = None,
    ) -> None:
        self.sensor = SENSORS[name]
        self.resources = {
            alert_resource(name.rpartition("_")[2]): target,
            **(resources or {}),
        }
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> str:
        """Evaluate once; what the tick says."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=dict(self.resources)
        ) as context:
            data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        assert not data.run_requests
        return str(data.skip_message)


def email_to(mails: Mails, *to: str, **more: Any) -> Email:
    settings = {"has_starttls": False, **more}
    return Email(
        EmailSettings(
            to or ("ops@example.com",), "harvey@example.com", "127.0.0.1", mails.port, **settings
        )
    )


# --- runs ----------------------------------------------------------------------------------------


def test_a_failed_run_is_told_once_and_the_next_one_again(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    run_days(instance, *RANGE, "raise")
    watch = Watch("failed_runs_by_webhook", Webhook(posts.address), instance)
    assert watch.tick() == "watching from now on"
    assert watch.tick() == "nothing to tell"
    first = run_days(instance, *RANGE, "raise")
    run_days(instance, *RANGE)
    assert watch.tick() == "1 alert sent"
    assert watch.tick() == watch.tick() == "nothing to tell"
    second = run_days(instance, "2024-04-05", "2024-04-05", "raise")
    assert watch.tick() == "1 alert sent"
    assert watch.tick() == "nothing to tell"
    told, again = posts.texts
    assert re.fullmatch(
        r"\*run days of 2024-04-01 to 2024-04-03 failed\*\n"
        r"Failed since \d{4}-\d\d-\d\d \d\d:\d\d UTC, started \d{4}-\d\d-\d\d \d\d:\d\d UTC\.\n"
        r"- second: RuntimeError: this one fails\n"
        rf"More: `harvey ui`, run {first}; what did not pass: `harvey checks --failed`\.",
        told,
    )
    assert again.startswith("*run days of 2024-04-05 failed*")
    assert second in again


def test_runs_that_are_long_over_are_not_named_in_the_cursor(
    posts: Posts, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch("failed_runs_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    run = run_days(instance, *RANGE, "raise")
    watch.tick()
    assert run in str(watch.cursor)
    monkeypatch.setattr(alerts, "_OVERLAP_SECONDS", 0.0)
    assert watch.tick() == "nothing to tell"
    assert run not in str(watch.cursor)
    assert watch.tick() == "nothing to tell"


def test_a_run_whose_partitions_are_no_days_is_told(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    watch = Watch("failed_checks_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    run_blocked(instance, {"dagster/partition": "north"})
    assert watch.tick() == "1 alert sent"
    assert posts.texts[0].startswith("*2 checks failed in run blocked*")


def test_failed_checks_are_told_in_one_message_a_run_whatever_came_of_it(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    watch = Watch("failed_checks_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    succeeded = run_days(instance, *RANGE)
    assert watch.tick() == "1 alert sent"
    run_days(instance, *RANGE, "raise")
    assert watch.tick() == "nothing to tell"
    run_blocked(instance)
    assert watch.tick() == "1 alert sent"
    run_days(instance, *RANGE)
    assert watch.tick() == "1 alert sent"
    assert watch.tick() == "nothing to tell"
    of_success, of_failure, again = posts.texts
    title, check, end = of_success.split("\n")
    assert title == "*1 check failed in run days of 2024-04-01 to 2024-04-03*"
    assert check == "- third fails: found two. More: `harvey checks fails`"
    assert "`harvey checks --failed`" in end
    assert succeeded in end
    assert again.split("\n")[:2] == [title, check]
    title, first, second, _ = of_failure.split("\n")
    assert title == "*2 checks failed in run blocked*"
    assert first == (
        "- shelf stops (blocking), since 2024-04-02 (2 days): 3 rows &lt;!channel&gt; &amp; more. "
        "More: `harvey checks stops`"
    )
    assert (
        second == "- shelf breaks, since before 2024-05-01 (99 days). More: `harvey checks breaks`"
    )


@dg.asset
def shelf() -> None: ...


@dg.asset(deps=[shelf])
def room() -> None: ...


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("stops", asset="shelf", blocking=True),
        dg.AssetCheckSpec("breaks", asset="shelf"),
        dg.AssetCheckSpec("warns", asset="shelf"),
        dg.AssetCheckSpec("holds", asset="shelf"),
    ]
)
def shelf_checks() -> Iterator[dg.AssetCheckResult]:
    def result(name: str, **more: Any) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, asset_key="shelf", check_name=name, **more)

    yield result(
        "stops",
        description="3 rows <!channel> & more.",
        metadata={"failing_days": ["2024-04-02", "2024-04-03"], "failing_day_count": 2},
    )
    yield result("breaks", metadata={"failing_days": ["2024-05-01"], "failing_day_count": 99})
    yield result("warns", severity=dg.AssetCheckSeverity.WARN)
    yield dg.AssetCheckResult(passed=True, asset_key="shelf", check_name="holds")


def run_blocked(instance: dg.DagsterInstance, tags: Mapping[str, str] | None = None) -> None:
    job = dg.Definitions(
        assets=[shelf, room],
        asset_checks=[shelf_checks],
        jobs=[dg.define_asset_job("blocked")],
        executor=dg.in_process_executor,
    ).resolve_job_def("blocked")
    done = job.execute_in_process(instance=instance, raise_on_error=False, tags=dict(tags or {}))
    assert not done.success


def test_many_checks_are_cut_to_those_that_block_first(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    names = [f"check_{number:02}" for number in range(14)]

    @dg.multi_asset_check(
        specs=[
            dg.AssetCheckSpec(name, asset="shelf", blocking=name == "check_13") for name in names
        ]
    )
    def many() -> Iterator[dg.AssetCheckResult]:
        for name in names:
            yield dg.AssetCheckResult(passed=False, asset_key="shelf", check_name=name)

    watch = Watch("failed_checks_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    job = dg.Definitions(
        assets=[shelf], asset_checks=[many], executor=dg.in_process_executor
    ).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, raise_on_error=False)
    watch.tick()
    [text] = posts.texts
    lines = text.split("\n")
    assert lines[0].startswith("*14 checks failed in run ")
    assert lines[1].startswith("- shelf check_13 (blocking)")
    assert len([line for line in lines if line.startswith("- shelf ")]) == 10
    assert "- and 4 more" in lines


# --- targets that do not take it -----------------------------------------------------------------


def test_a_target_out_of_reach_fails_the_tick_and_gets_the_alert_later(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    watch = Watch("failed_runs_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    run_days(instance, *RANGE, "raise")
    posts.status = 503
    for _ in range(2):
        with pytest.raises(AlertError, match="did not take the alert: it answered 503 no_service"):
            watch.tick()
    posts.status = 200
    assert watch.tick() == "1 alert sent"
    assert watch.tick() == "nothing to tell"
    assert len(posts.texts) == 1


def test_what_was_sent_before_a_target_went_is_not_sent_again(
    posts: Posts, instance: dg.DagsterInstance
) -> None:
    watch = Watch("failed_runs_by_webhook", Webhook(posts.address), instance)
    watch.tick()
    runs = [run_days(instance, *RANGE, "raise") for _ in range(3)]
    posts.statuses = [200, 500]
    assert watch.tick().startswith("1 alert sent, then: the webhook at 127.0.0.1 did not take")
    posts.statuses = [500]
    with pytest.raises(AlertError):
        watch.tick()
    assert watch.tick() == "2 alerts sent"
    assert watch.tick() == "nothing to tell"
    assert [next(run for run in runs if run in text) for text in posts.texts] == runs


def test_one_target_out_of_reach_does_not_concern_the_other(
    mails: Mails, instance: dg.DagsterInstance
) -> None:
    gone = Webhook(f"http://127.0.0.1:{free_port()}/services/{SECRET}")
    by_webhook = Watch("failed_runs_by_webhook", gone, instance)
    by_email = Watch("failed_runs_by_email", email_to(mails), instance)
    by_webhook.tick()
    by_email.tick()
    run_days(instance, *RANGE, "raise")
    for _ in range(2):
        with pytest.raises(AlertError, match="Connection refused"):
            by_webhook.tick()
    assert [by_email.tick(), by_email.tick()] == ["1 alert sent", "nothing to tell"]
    assert mails.subjects == ["run days of 2024-04-01 to 2024-04-03 failed"]


def test_a_mail_server_that_is_busy_is_tried_again(
    mails: Mails, instance: dg.DagsterInstance
) -> None:
    watch = Watch("failed_checks_by_email", email_to(mails), instance)
    watch.tick()
    run_days(instance, *RANGE)
    mails.is_closed = True
    with pytest.raises(AlertError, match="451"):
        watch.tick()
    mails.is_closed = False
    assert [watch.tick(), watch.tick()] == ["1 alert sent", "nothing to tell"]
    [message] = mails.messages
    assert message["To"] == "ops@example.com"
    assert message["From"] == "harvey@example.com"
    assert message["Subject"] == "1 check failed in run days of 2024-04-01 to 2024-04-03"
    assert "- third fails: found two. More: `harvey checks fails`" in message.get_content()


@pytest.mark.parametrize("name", sorted(SENSORS))
def test_without_a_target_a_sensor_says_what_to_set(
    name: str, instance: dg.DagsterInstance
) -> None:
    kind = name.rpartition("_")[2]
    target = build_targets(AlertSettings())[kind]
    watch = Watch(name, target, instance, {"warehouse": None})
    variable = {"webhook": "HARVEY_ALERT_WEBHOOK", "email": "HARVEY_ALERT_EMAIL_TO"}[kind]
    assert f"set {variable}" in watch.tick()
    assert watch.cursor is None
    assert SENSORS[name].default_status is dg.DefaultSensorStatus.STOPPED


# --- targets -------------------------------------------------------------------------------------


def test_nothing_in_a_text_is_a_link_or_a_mention(posts: Posts) -> None:
    assert Webhook(posts.address).send(Alert("a <b> & c", "ü <!channel>")) == ""
    assert posts.bodies == [{"text": "*a &lt;b&gt; &amp; c*\nü &lt;!channel&gt;"}]


def test_a_redirection_is_no_success(posts: Posts) -> None:
    posts.status = 302
    with pytest.raises(AlertError, match="it answered 302"):
        Webhook(posts.address).send(Alert("what", "more"))


def test_a_password_is_not_sent_without_tls_unless_that_is_allowed(mails: Mails) -> None:
    login = {"user": "harvey", "password": "open sesame"}
    with pytest.raises(AlertError, match="STARTTLS extension not supported"):
        email_to(mails, has_starttls=True, **login).send(Alert("what", "more"))
    assert mails.logins == []
    assert email_to(mails, **login).send(Alert("what", "more")) == ""
    assert mails.logins == [(b"harvey", b"open sesame")]


def test_a_refused_login_does_not_tell_the_password(mails: Mails) -> None:
    with pytest.raises(AlertError, match="SMTPAuthenticationError") as refused:
        email_to(mails, user="harvey", password="wrong-secret").send(Alert("what", "more"))
    assert "wrong-secret" not in str(refused.value)
    assert mails.messages == []


def test_addresses_that_a_server_refuses_are_named_and_the_others_get_it(mails: Mails) -> None:
    mails.refused = {"gone@example.com"}
    complaint = email_to(mails, "gone@example.com", "ops@example.com").send(Alert("ä\nb", "ü"))
    assert "gone@example.com" in complaint
    assert "HARVEY_ALERT_EMAIL_TO" in complaint
    assert mails.recipients == [["ops@example.com"]]
    assert mails.subjects == ["ä b"]
    with pytest.raises(AlertError, match="SMTPRecipientsRefused"):
        email_to(mails, "gone@example.com").send(Alert("what", "more"))


def test_secrets_stay_out_of_what_is_shown(
    bare: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    address = f"http://127.0.0.1:{free_port()}/services/{SECRET}"
    monkeypatch.setenv("HARVEY_ALERT_WEBHOOK", address)
    monkeypatch.setenv("HARVEY_ALERT_EMAIL_TO", "ops@example.com")
    monkeypatch.setenv("HARVEY_ALERT_EMAIL_FROM", "harvey@example.com")
    monkeypatch.setenv("HARVEY_SMTP_HOST", "mail.example.com")
    monkeypatch.setenv("HARVEY_SMTP_USER", "harvey")
    monkeypatch.setenv("HARVEY_SMTP_PASSWORD", "open sesame")
    definitions = build_definitions(SUBJECTS, CALENDAR, bare.warehouse, bare.raw_store)
    snapshot = serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))
    assert "alert_webhook" in snapshot
    settings = read_alert_settings()
    watch = Watch("failed_runs_by_webhook", build_targets(settings)["webhook"], instance)
    watch.tick()
    run_days(instance, *RANGE, "raise")
    with pytest.raises(AlertError) as refused:
        watch.tick()
    shown = [snapshot, repr(settings), repr(build_targets(settings)), repr(refused.value)]
    assert settings.webhook == address
    for text in [*shown, str(watch.cursor)]:
        assert SECRET not in text
        assert "open sesame" not in text


# --- data quality --------------------------------------------------------------------------------


def event(number: int, *, user: str = "u1", score: str = "5", day: date = FIRST) -> str:
    return f"{day}-{number},{day} 09:00:00,f1,{user},VAULT,1,{score}"


def events_with(missing: int, unusable: int, day: date = FIRST) -> list[str]:
    """A drop of a hundred events."""
    bad = [event(number, user="", day=day) for number in range(missing)]
    bad += [event(100 + number, score="9", day=day) for number in range(unusable)]
    return [EVENT_HEADER, *bad, *(event(200 + n, day=day) for n in range(100 - len(bad)))]


@pytest.fixture
def quality(bare: Place, posts: Posts, instance: dg.DagsterInstance) -> Watch:
    bare.drop("users", FIRST, ["id,created,title", "u1,2024-01-01,Partner"])
    resources = {"warehouse": bare.warehouse}
    return Watch("data_quality_by_webhook", Webhook(posts.address), instance, resources)


@pytest.mark.parametrize(
    ("missing", "unusable", "expected"),
    [
        pytest.param(6, 0, "Critical: events has missing identifiers", id="critical-ids"),
        pytest.param(5, 0, "Warning: events has missing identifiers", id="not-more-than-5-percent"),
        pytest.param(2, 0, None, id="not-more-than-2-percent"),
        pytest.param(0, 11, "Critical: events has unusable values", id="critical-values"),
        pytest.param(0, 10, "Warning: events has unusable values", id="not-more-than-10-percent"),
        pytest.param(0, 5, None, id="not-more-than-5-percent-of-values"),
    ],
)
def test_levels_are_those_of_the_settings(
    bare: Place, posts: Posts, quality: Watch, missing: int, unusable: int, expected: str | None
) -> None:
    assert quality.tick().startswith("nothing was run yet")
    bare.drop("events", FIRST, events_with(missing, unusable))
    bare.ingest("events")
    assert quality.tick() == ("1 alert sent" if expected else "nothing to tell")
    assert [expected in text for text in posts.texts if expected] == [True] * bool(expected)


def test_bad_drops_are_told_in_one_message_and_again_once_they_are_loaded_anew(
    bare: Place, posts: Posts, quality: Watch
) -> None:
    quality.tick()
    bare.drop("events", FIRST, events_with(3, 12))
    bare.drop("events", MIDDLE, events_with(4, 0, MIDDLE))
    twice = [event(200 + n, day=LAST) for n in (1, 1, 1)]
    ahead = "2024-04-03-8,2024-04-04 09:00:00,f1,u1,VAULT,1,5"
    bare.drop("events", LAST, [EVENT_HEADER, *twice, ahead])
    bare.ingest("events")
    assert quality.tick() == "1 alert sent"
    bare.ingest("events")
    assert quality.tick() == "nothing to tell"
    [text] = posts.texts
    assert text.split("\n") == [
        "*Critical: data quality of events*",
        "- Critical: events has unusable values, since 2024-04-01 (1 day), at worst on 2024-04-01: "
        "12 of 100 rows (12.0 %). More: "
        "`harvey quarantine list --source events --from 2024-04-01 --to 2024-04-01`",
        "- Warning: events has missing identifiers, since 2024-04-01 (2 days), at worst on "
        "2024-04-02: 4 of 100 rows (4.0 %). More: "
        "`harvey quarantine list --source events --from 2024-04-01 --to 2024-04-02`",
        # One date in the future is less than the two rows that are asked for.
        "- Info: events has duplicates, since 2024-04-03 (1 day), at worst on 2024-04-03: 2 of 4 "
        "rows (50.0 %). More: "
        "`harvey quarantine list --source events --from 2024-04-03 --to 2024-04-03`",
        "What did not pass: `harvey checks --failed`.",
    ]
    bare.drop("events", MIDDLE, events_with(5, 0, MIDDLE))
    bare.ingest("events")
    assert quality.tick() == "1 alert sent"
    assert "since 2024-04-02 (1 day)" in posts.texts[1]


def test_a_drop_delivered_anew_with_bad_rows_more_is_told(
    bare: Place, posts: Posts, quality: Watch
) -> None:
    """Its accepted rows are the same, and so is the other source's drop of the day."""
    quality.tick()
    good = [event(number) for number in range(9)]
    bare.drop("users", FIRST, ["id,created,title", "u1,2024-01-01,Partner", ",2024-01-01,Partner"])
    bare.drop("events", FIRST, [EVENT_HEADER, *good])
    for source in ("users", "events"):
        bare.ingest(source)
    assert quality.tick() == "1 alert sent"
    bare.drop("events", FIRST, [EVENT_HEADER, *good, event(9, user="")])
    bare.ingest("events")
    assert [quality.tick(), quality.tick()] == ["1 alert sent", "nothing to tell"]
    assert posts.texts[1].startswith("*Critical: data quality of events*\n")
    assert "1 of 10 rows (10.0 %)" in posts.texts[1]


def test_drops_loaded_before_the_first_tick_are_not_told(
    bare: Place, posts: Posts, quality: Watch
) -> None:
    bare.drop("events", FIRST, events_with(9, 0))
    bare.ingest("events")
    assert quality.tick() == "watching from now on"
    assert quality.tick() == "nothing to tell"
    assert posts.texts == []


def test_a_warehouse_that_was_made_anew_is_told_from_its_beginning(
    bare: Place, quality: Watch
) -> None:
    bare.drop("events", FIRST, events_with(9, 0))
    bare.ingest("events")
    quality.cursor = "1000"
    assert [quality.tick(), quality.tick()] == ["1 alert sent", "nothing to tell"]


def test_a_locked_warehouse_and_a_webhook_out_of_reach_lose_no_drop(
    bare: Place, posts: Posts, quality: Watch
) -> None:
    quality.tick()
    bare.drop("events", FIRST, events_with(9, 0))
    bare.ingest("events")
    cursor = quality.cursor
    with held_by_another_process(bare.database):
        assert "is still locked" in quality.tick()
    assert quality.cursor == cursor
    posts.status = 500
    with pytest.raises(AlertError):
        quality.tick()
    assert quality.cursor == cursor
    posts.status = 200
    assert [quality.tick(), quality.tick()] == ["1 alert sent", "nothing to tell"]
    assert len(posts.texts) == 1


@contextmanager
def held_by_another_process(database: Path) -> Iterator[None]:
    code = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate("\n")
