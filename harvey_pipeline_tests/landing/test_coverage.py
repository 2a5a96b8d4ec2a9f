"""Which days the landing folder covers, and dates that cannot be meant."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.landing.coverage import (
    DatedRows,
    bulk_covers,
    bulk_dates,
    dated_rows,
    days_covered,
    days_found,
    is_covered,
    refuse_stray_dates,
)
from harvey_pipeline.landing.files import SourceFiles, find_all_files
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline_tests.builders import (
    EVENTS,
    FIRMS,
    HEADERS,
    SOURCES,
    USERS,
    csv_text,
    landing_file,
    user_rows,
)

DAY = date(2024, 4, 23)


def events_on(*days: str) -> str:
    """An export of an event on each of these days."""
    return csv_text(EVENTS, *[f"{day},f1,u1,VAULT,1,5" for day in days])


def files_of(root: Path, **content: str) -> Mapping[str, SourceFiles]:
    """The files of a landing folder with these bulk exports."""
    for source, text in content.items():
        landing_file(root, f"{source}.csv", text)
    return find_all_files(root / "landing", SOURCES.values())


def deliver(root: Path, *names: str) -> None:
    """Daily drops that hold nothing but their header."""
    for name in names:
        landing_file(root, name, csv_text(HEADERS[name.split("/")[0]]))


# --- coverage ------------------------------------------------------------------------------------


def test_an_export_of_events_covers_from_its_first_to_its_last_readable_date(
    tmp_path: Path,
) -> None:
    text = events_on("2024-04-24 09:00", "4/21/2024", "never", "2024-04-24T00:30+01:00") + (
        "2024-04-30,f1,u1,VAULT,1,5,x\n"
    )
    events = files_of(tmp_path, events=text)["events"]
    # The last but one is of 23 April in UTC; that of 30 April has a field too many.
    assert dated_rows(events, tmp_path / "raw") == [
        DatedRows(date(2024, 4, 21), 1, 3),
        DatedRows(DAY, 1, 5),
        DatedRows(date(2024, 4, 24), 1, 2),
    ]
    covered = [
        day for day in range(20, 26) if bulk_covers(events, tmp_path / "raw", date(2024, 4, day))
    ]
    assert covered == [21, 22, 23, 24]
    assert days_covered(events, tmp_path / "raw", date(2024, 4, 23)) == {DAY, date(2024, 4, 24)}
    assert days_found([events], tmp_path / "raw") == {date(2024, 4, 21), date(2024, 4, 24)}


def test_dates_are_counted_anew_once_the_export_changes(tmp_path: Path) -> None:
    for day in ("2024-04-21", "2024-04-22"):
        events = files_of(tmp_path, events=events_on(day))["events"]
        found = bulk_dates(events, tmp_path / "raw")
        assert found is not None
        assert (str(found.first), str(found.last)) == (day, day)


@pytest.mark.parametrize(
    ("text", "is_covering"),
    [
        pytest.param(events_on("2024-04-22", "2024-04-24"), True, id="between-two-events"),
        pytest.param(events_on("2024-04-24"), False, id="before-the-first-event"),
        pytest.param(events_on("never"), False, id="without-a-readable-date"),
        pytest.param(csv_text(EVENTS), False, id="without-events"),
    ],
)
def test_an_export_covers_a_day_of_events(tmp_path: Path, text: str, is_covering: bool) -> None:
    events = files_of(tmp_path, events=text)["events"]
    assert is_covered(events, tmp_path / "raw", DAY) is is_covering


def test_an_export_of_users_covers_every_day_and_sets_none(tmp_path: Path) -> None:
    users = files_of(tmp_path, users=csv_text(USERS, *user_rows(1, "2001-01-01")))["users"]
    assert is_covered(users, tmp_path / "raw", date(1999, 1, 1))
    assert dated_rows(users, tmp_path / "raw") == []
    assert days_found([users], tmp_path / "raw") == set()


def test_a_drop_covers_its_day(tmp_path: Path) -> None:
    deliver(tmp_path, f"events/{DAY}.csv", "users/2024-05-01.csv")
    files = files_of(tmp_path)
    root = tmp_path / "raw"
    assert [is_covered(files[name], root, DAY) for name in files] == [False, False, True]
    assert days_found(files.values(), root) == {DAY, date(2024, 5, 1)}


# --- dates that cannot be meant ------------------------------------------------------------------


def days_from(first: str, count: int) -> list[str]:
    """So many events, one a day."""
    return [str(date.fromisoformat(first) + timedelta(days=offset)) for offset in range(count)]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        pytest.param(
            ["2001-05-01", *days_from("2024-05-01", 9)],
            "events.csv: 1 row is dated 2001-05-01 (line 2)",
            id="a-single-row-long-before-the-rest",
        ),
        pytest.param(
            [*days_from("2024-05-01", 9), "2042-05-01"],
            "events.csv: 1 row is dated 2042-05-01 (line 11)",
            id="a-single-row-long-after-the-rest",
        ),
        pytest.param(
            [*["2001-05-01"] * 2, *["2024-05-01"] * 199],
            "events.csv: 2 rows are dated 2001-05-01 (line 2)",
            id="two-rows-of-two-hundred-and-one",
        ),
        pytest.param(
            [*["2024-05-01"] * 499, *days_from("2042-05-01", 4)],
            "events.csv: 4 rows are dated 2042-05-04 (line 504), 2042-05-03 (line 503), "
            "2042-05-02 (line 502) and 1 more days",
            id="a-stretch-of-a-few-days",
        ),
        pytest.param(
            ["2001-05-01", "2011-05-01", *["2024-05-01"] * 299],
            "events.csv: 2 rows are dated 2001-05-01 (line 2), 2011-05-01 (line 3)",
            id="two-stretches-apart",
        ),
        pytest.param(
            ["2023-05-01", *["2024-05-02"] * 9],
            "events.csv: 1 row is dated 2023-05-01 (line 2)",
            id="367-days-before-the-rest",
        ),
    ],
)
def test_a_few_rows_of_an_export_far_from_the_rest_are_refused(
    tmp_path: Path, days: Sequence[str], message: str
) -> None:
    files = files_of(tmp_path, events=events_on(*days))
    with pytest.raises(LandingError) as caught:
        refuse_stray_dates(files, tmp_path / "raw")
    error = str(caught.value)
    assert error.startswith(f"{message}, more than 366 days from all else")
    assert "HARVEY_START_DATE" in error


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(["2023-05-01", *["2024-05-01"] * 9], id="366-days-before-the-rest"),
        pytest.param([*["2001-05-01"] * 2, *["2024-05-01"] * 198], id="one-in-a-hundred"),
        pytest.param(["2001-05-01", "2024-05-01"], id="two-rows-of-which-neither-is-the-rest"),
        pytest.param(
            ["2001-05-01", *days_from("2001-05-02", 8000)], id="a-long-history-without-a-gap"
        ),
        pytest.param(
            [*["2020-05-01"] * 99, "2022-05-01", *["2024-05-01"] * 99],
            id="a-row-in-the-middle-sets-nothing",
        ),
        pytest.param([], id="no-rows"),
    ],
)
def test_other_dates_of_an_export_are_taken(tmp_path: Path, days: Sequence[str]) -> None:
    refuse_stray_dates(files_of(tmp_path, events=events_on(*days)), tmp_path / "raw")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(
            ["users/2014-05-01.csv", "events/2024-05-01.csv", "events/2024-05-02.csv"],
            "users/2014-05-01.csv: 1 drop is dated 2014-05-01",
            id="before-all-others",
        ),
        pytest.param(
            ["users/2024-05-01.csv", "events/2024-05-02.csv", "events/2042-05-01.csv"],
            "events/2042-05-01.csv: 1 drop is dated 2042-05-01",
            id="after-all-others",
        ),
        pytest.param(
            ["events/2024-05-01.csv", "events/2024-05-02.csv"]
            + [f"{source}/2014-05-01.csv" for source in ("users", "firms")],
            "users/2014-05-01.csv: 2 drops are dated 2014-05-01",
            id="of-two-sources",
        ),
    ],
)
def test_drops_far_from_all_others_are_refused(
    tmp_path: Path, names: Sequence[str], message: str
) -> None:
    deliver(tmp_path, *names)
    with pytest.raises(LandingError) as caught:
        refuse_stray_dates(files_of(tmp_path), tmp_path / "raw")
    assert str(caught.value).startswith(f"{message}, more than 366 days from all else")
    assert "HARVEY_START_DATE" in str(caught.value)


def test_a_drop_far_from_what_an_export_covers_is_refused(tmp_path: Path) -> None:
    deliver(tmp_path, "users/2014-05-01.csv")
    files = files_of(tmp_path, events=events_on(*days_from("2024-05-01", 9)))
    with pytest.raises(LandingError, match=r"^users/2014-05-01\.csv: 1 drop is dated 2014-05-01"):
        refuse_stray_dates(files, tmp_path / "raw")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["users/2014-05-01.csv"], id="a-drop-alone"),
        pytest.param(["users/2023-05-01.csv", "users/2024-05-01.csv"], id="366-days-apart"),
        pytest.param(
            ["users/2014-05-01.csv", "users/2014-05-02.csv"],
            id="two-days-in-a-row",
        ),
        pytest.param(
            [f"users/{year}-05-0{day}.csv" for year in (2014, 2024) for day in (1, 2)],
            id="two-stretches-of-two-days",
        ),
    ],
)
def test_other_days_of_drops_are_taken(tmp_path: Path, names: Sequence[str]) -> None:
    deliver(tmp_path, *names)
    refuse_stray_dates(files_of(tmp_path), tmp_path / "raw")


def test_drops_far_from_one_another_are_taken_where_an_export_lies_between(tmp_path: Path) -> None:
    deliver(tmp_path, "users/2022-05-01.csv", "users/2024-05-01.csv")
    files = files_of(tmp_path, events=events_on(*days_from("2022-05-01", 730)))
    refuse_stray_dates(files, tmp_path / "raw")


def test_when_users_were_created_sets_no_day(tmp_path: Path) -> None:
    files = files_of(
        tmp_path,
        users=csv_text(USERS, *user_rows(1, "1999-01-01"), *user_rows(9)),
        firms=csv_text(FIRMS, "f1,1999-01-01,1,1"),
    )
    refuse_stray_dates(files, tmp_path / "raw")
