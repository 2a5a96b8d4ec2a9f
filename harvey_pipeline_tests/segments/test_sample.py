"""The sample: small, the same whenever it is made, about the people of the users' sample."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from harvey_pipeline.engagement import sample as engagement
from harvey_pipeline.segments.sample import SOURCE_NAMES, prepare_sample, write_sample
from harvey_pipeline.segments.sample_people import (
    LEAVER,
    NOT_CONNECTED,
    PLAYER,
    SLEEPER,
    STEADY,
    employees,
    licenses,
    people,
)
from harvey_pipeline.segments.sample_records import first_day_of_dip
from harvey_pipeline.segments.sample_spec import SampleSpec

DATA = Path(__file__).parents[2] / "data"
SPEC = SampleSpec()
MOST_BYTES = 200_000

Snapshot = Callable[[SampleSpec, pl.DataFrame, int], pl.DataFrame]


def read_drop(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if ".jsonl" in path.name:
        return pl.read_ndjson(path, infer_schema_length=None)
    return pl.read_csv(path, infer_schema=False)


def read_source(landing: Path, name: str) -> pl.DataFrame:
    """All rows of a source, with `drop`, the day of their file."""
    drops = [
        read_drop(path).with_columns(drop=pl.lit(date.fromisoformat(path.name[:10])))
        for path in sorted((landing / name).iterdir())
    ]
    return pl.concat(drops, how="vertical_relaxed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    write_sample(out, SPEC)
    return out


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clean")
    write_sample(out, SampleSpec(dirty=0))
    return out


@pytest.fixture(scope="module")
def sso(clean: Path) -> pl.DataFrame:
    """The sign-ins without dirt, with `day`, the one on which they happened, and their user."""
    who = people(SampleSpec(dirty=0)).select("user_id", "role", "firm_id")
    return (
        read_source(clean, "sso_events")
        .with_columns(
            day=pl.col("published").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.date(),
            minutes=pl.col("session_minutes").cast(pl.Int64),
        )
        .join(who, left_on="actor_id", right_on="user_id", how="left")
    )


# --- files -------------------------------------------------------------------------------------


def test_it_is_small_and_has_every_source_in_every_form(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {path.parent.name for path in files} == set(SOURCE_NAMES)
    assert {"".join(path.suffixes) for path in files} == {
        ".csv",
        ".csv.gz",
        ".jsonl.gz",
        ".parquet",
    }


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_whole_lists_come_weekly_and_all_else_daily(made: Path, name: str) -> None:
    days = [SPEC.day(number) for number in range(SPEC.days)]
    if name in ("employees", "licenses"):
        days = [day for day in days if day.weekday() == 0]
    assert sorted(path.name[:10] for path in (made / name).iterdir()) == [str(day) for day in days]


def test_lists_come_on_a_first_day_that_is_no_monday_too(tmp_path: Path) -> None:
    write_sample(tmp_path, SampleSpec(days=6, start=date(2024, 4, 3)))
    names = sorted(path.name[:10] for path in (tmp_path / "licenses").iterdir())
    assert names == ["2024-04-03", "2024-04-08"]


def test_equal_specs_give_equal_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def contents(seed: int, folder: str) -> dict[Path, bytes]:
        out = tmp_path / folder
        write_sample(out, SampleSpec(days=3, seed=seed))
        return {
            path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()
        }

    once, other = contents(7, "once"), contents(8, "other")
    assert once == contents(7, "again")
    assert once.keys() == other.keys()
    assert all(once[path] != other[path] for path in once if path.parts[0] == "sso_events")


@pytest.mark.long
def test_the_data_is_what_is_made(made: Path) -> None:
    files = [path.relative_to(made) for path in made.rglob("*") if path.is_file()]
    different = [
        path
        for path in files
        if path.suffix != ".parquet"
        and (made / path).read_bytes() != (DATA / "landing" / path).read_bytes()
    ]
    assert different == []


def test_any_size_can_be_had_and_no_two_samples_are_mixed(tmp_path: Path) -> None:
    done: list[date] = []
    sizes = {"days": 2, "events_per_day": 22, "users": 20, "firms": 5, "seed": 1}
    written = prepare_sample(tmp_path, sizes)(done.append)
    assert done == written.days == [date(2024, 4, 1), date(2024, 4, 2)]
    with pytest.raises(FileExistsError, match="already holds drops"):
        prepare_sample(tmp_path, {"days": 2})


# --- who ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dirty", "seed"), [(0.0, 7), (1e-9, 7), (1e-9, 3)])
def test_ids_and_firms_are_those_of_the_users_sample(
    tmp_path: Path, dirty: float, seed: int
) -> None:
    theirs = engagement.SampleSpec(120, 10, 4, events_per_day=400, seed=seed, dirty=dirty)
    engagement.write_sample(tmp_path, theirs)
    who = people(SampleSpec(120, 10, 4, seed=seed, dirty=dirty))
    firms = dict(who.select("user_id", "firm_id").iter_rows())
    ids = set(read_drop(tmp_path / "users" / "2024-04-01.csv")["id"])
    assert {one for one in ids if one is not None} <= firms.keys()
    events = read_source(tmp_path, "events").drop_nulls("user_id")
    # The first two work for another firm too; dirt names one user that is on no list.
    sure = events.filter(~pl.col("user_id").is_in([*who["user_id"][:2], "user-unlisted"]))
    seen = {
        (user.strip(), firm.strip())
        for user, firm in sure.select("user_id", "firm_id").iter_rows()
        if user.strip() and firm is not None and firm.strip()
    }
    assert len(seen) > 30
    assert {(user, firms[user]) for user, _ in seen} == seen


def test_everybody_reports_within_two_levels_to_the_head_of_the_own_firm(clean: Path) -> None:
    rows = read_source(clean, "employees").filter(pl.col("drop") == SPEC.start)
    firms = dict(people(SampleSpec(dirty=0)).select("user_id", "firm_id").iter_rows())
    managers = dict(people(SampleSpec(dirty=0)).select("user_id", "manager_id").iter_rows())
    assert dict(rows.select("user_id", "manager_id").iter_rows()).items() <= managers.items()
    levels = set()
    for user in managers:
        chain, above = [user], managers[user]
        while above is not None:
            assert above not in chain
            chain, above = [*chain, above], managers[above]
        assert len({firms[one] for one in chain}) == 1
        levels.add(len(chain))
    assert levels == {1, 2, 3}


def test_somebody_moves_to_another_manager_and_somebody_goes(clean: Path) -> None:
    rows = read_source(clean, "employees")
    by_user = rows.group_by("user_id").agg(
        versions=pl.struct("manager_id", "department").n_unique(), last=pl.col("drop").max()
    )
    assert by_user.filter(pl.col("versions") == 2).height == 1
    last = rows["drop"].max()
    assert by_user.filter(pl.col("last") < last).height == 1


def test_licences_are_used_idle_new_given_back_and_of_an_app_that_is_not_connected(
    clean: Path, sso: pl.DataFrame
) -> None:
    rows = read_source(clean, "licenses")
    used = sso.select(user_id="actor_id", app="target_id").unique()
    held = rows.group_by("user_id", "app").agg(
        first=pl.col("drop").min(), last=pl.col("drop").max(), tiers=pl.col("tier").n_unique()
    )
    assert held.join(used, on=["user_id", "app"], how="semi").height > 50
    assert held.join(used, on=["user_id", "app"], how="anti").height > 50
    assert held.filter(pl.col("first") > SPEC.start).height > 0
    assert held.filter(pl.col("last") < date(2024, 6, 24)).height > 0
    assert held.filter(pl.col("tiers") == 2).height > 0
    assert NOT_CONNECTED in held["app"]
    assert NOT_CONNECTED not in used["app"]
    assert not rows.select("drop", "user_id", "app").is_duplicated().any()


# --- what they do --------------------------------------------------------------------------------


def test_sign_ins_are_of_forty_users_and_eight_apps_a_few_of_them_late(sso: pl.DataFrame) -> None:
    assert 40 <= sso["actor_id"].n_unique() <= 45
    assert sso["target_id"].drop_nulls().n_unique() == 8
    assert sso["event_id"].is_unique().all()
    assert sso["tenant_id"].equals(sso["firm_id"])
    assert 25 <= sso.height / SPEC.days <= 35
    assert {(row - day).days for row, day in sso.select("drop", "day").iter_rows()} == {0, 1}
    failures = sso.filter(pl.col("outcome") == "FAILURE").height
    assert 0.02 < failures / sso.height < 0.10
    assert sso["minutes"].is_null().any()
    assert sso["minutes"].is_between(1, 45).all()


def test_in_one_week_hardly_anybody_is_there(sso: pl.DataFrame) -> None:
    number = first_day_of_dip(SPEC)
    assert number is not None
    dip = SPEC.day(number)
    assert dip.weekday() == 0

    def events_from(first: date) -> int:
        week = pl.col("day").is_between(first, first + timedelta(days=6))
        return sso.filter(week).height

    week = timedelta(days=7)
    assert 3 * events_from(dip) < events_from(dip - week)
    assert 3 * events_from(dip) < events_from(dip + week)


@pytest.mark.parametrize(("days", "is_there"), [(27, False), (28, True)])
def test_short_ranges_have_no_such_week(days: int, is_there: bool) -> None:
    assert (first_day_of_dip(SampleSpec(days=days)) is not None) == is_there


def test_parts_are_played_until_the_last_monday(sso: pl.DataFrame) -> None:
    monday = date(2024, 6, 24)

    def days_of(role: str) -> list[date]:
        return sorted(sso.filter(pl.col("role") == role)["day"].unique())

    gone = days_of(LEAVER)
    assert len(gone) > 25
    # The thirty days up to the Monday begin on May 26.
    assert gone[-1] < date(2024, 5, 26)
    asleep = days_of(SLEEPER)
    assert max(b - a for a, b in pairwise(asleep)) > timedelta(days=30)
    assert monday in asleep
    assert sso.filter(pl.col("role") == STEADY)["actor_id"].n_unique() == 2
    assert monday in days_of(STEADY)
    played = sso.filter(pl.col("role") == PLAYER)
    assert played["target_id"].n_unique() == 8
    assert set(played["minutes"]) == {1}
    # One access of an app on a day, and fewer than five minutes a day.
    assert not played.select("day", "target_id").is_duplicated().any()
    assert played.group_by("day").len()["len"].max() == 3


def test_labels_are_handed_in_within_a_week_on_mondays(clean: Path) -> None:
    rows = read_source(clean, "segment_labels").with_columns(pl.col("labelled_on").str.to_date())
    assert rows.height == 60 == rows["user_id"].n_unique()
    assert set(rows["drop"].dt.weekday()) == {1}
    ages = (rows["drop"] - rows["labelled_on"]).dt.total_days()
    assert ages.is_between(0, 6).all()
    assert rows["labelled_on"].min() == SPEC.start
    assert set(rows["label"]) == {"power", "regular user", "Casual", "review"}


def test_the_experiment_has_two_groups_surveys_later_and_one_user_in_both(clean: Path) -> None:
    rows = read_source(clean, "interventions")
    key = ["user_id", "started_on", "kind"]
    starts = rows.filter(pl.col("drop").cast(pl.String) == pl.col("started_on"))
    training = starts.filter(pl.col("kind") == "advanced training")
    assert dict(training["group"].value_counts().iter_rows()) == {"treatment": 32, "control": 32}
    assert training["user_id"].is_unique().all()
    assert starts["satisfaction"].is_null().all()
    surveys = rows.join(starts, on=[*key, "drop"], how="anti")
    assert surveys.height > 30
    assert surveys.join(starts, on=[*key, "group"], how="semi").height == surveys.height
    assert surveys["satisfaction"].cast(pl.Float64).is_between(1, 5).all()
    assert surveys["reported_hours_saved"].cast(pl.Float64).is_between(0, 744).all()
    groups = starts.group_by("user_id").agg(pl.col("group").n_unique())
    assert groups.filter(pl.col("group") == 2).height == 1


# --- dirt ----------------------------------------------------------------------------------------


def is_broken() -> dict[str, pl.Expr]:
    """Of each source, what stands in a row that breaks its contract."""
    minutes = pl.col("session_minutes")
    return {
        "sso_events": pl.any_horizontal(
            pl.col("event_id", "actor_id", "outcome").is_null(),
            pl.col("tenant_id") == " ",
            pl.col("published") == "yesterday",
            pl.col("outcome") == "MAYBE",
            minutes.is_in(["1441", "a while"]),
        ),
        "employees": pl.col("user_id").is_null() | (pl.col("department") == "Elsewhere"),
        "licenses": pl.any_horizontal(
            pl.col("annual_cost_usd").is_null(),
            pl.col("annual_cost_usd") == "n/a",
            pl.col("app") == " ",
        ),
        "segment_labels": (pl.col("label") == "superuser") | (pl.col("labelled_on") == "last week"),
        "interventions": pl.any_horizontal(
            pl.col("satisfaction") == "6",
            pl.col("reported_hours_saved") == "a lot",
            pl.col("group") == "both",
        ),
    }


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_some_rows_are_broken_fewer_than_a_tenth_of_a_file(made: Path, name: str) -> None:
    rows = read_source(made, name).with_columns(is_broken=is_broken()[name].fill_null(value=False))
    by_file = rows.group_by("drop").agg(pl.col("is_broken").sum(), rows=pl.len())
    assert by_file["is_broken"].sum() > 0
    few = pl.max_horizontal(1, pl.col("rows") // 21)
    assert by_file.filter(pl.col("is_broken") > few).is_empty()


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_without_dirt_no_row_is_broken(clean: Path, name: str) -> None:
    rows = read_source(clean, name).filter(is_broken()[name].fill_null(value=False))
    assert rows.is_empty()


@pytest.mark.parametrize(
    ("name", "snapshot", "key"),
    [("employees", employees, ["user_id"]), ("licenses", licenses, ["user_id", "app"])],
)
def test_of_a_broken_row_of_a_list_the_sound_one_stands_too(
    made: Path, name: str, snapshot: Snapshot, key: list[str]
) -> None:
    sound = read_source(made, name).filter(~is_broken()[name].fill_null(value=False))
    who = people(SPEC)
    for (day,), rows in sound.group_by("drop"):
        expected = snapshot(SPEC, who, (day - SPEC.start).days)
        assert rows.select(key).sort(key).equals(expected.select(key).sort(key))


def test_timestamps_are_moments_of_the_range(sso: pl.DataFrame) -> None:
    moments = sso["published"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
    assert moments.min() >= datetime(2024, 4, 1)  # type: ignore[operator]
    assert moments.max() < datetime(2024, 7, 1)  # type: ignore[operator]
