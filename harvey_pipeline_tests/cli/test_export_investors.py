"""`harvey export-investors`: figures by day and cohort, of no person and no small group."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline_tests.cli.published_conversations import (
    LAST,
    PERIODS,
    Told,
    Values,
    board,
    conversation,
    funnel,
    profile,
    publish,
    retained,
    run_beside,
    use_case,
)

BEFORE = LAST - timedelta(days=1)
NAMES = {"pmf_dashboard", "activation_funnel", "retention", "definitions"}
EDGE = 5

SMALL = board(
    BEFORE,
    new_users=EDGE - 1,
    day_1_users=EDGE - 1,
    week_1_users=EDGE,
    top_use_case_1="contract_review",
    top_use_case_2="personal_video",
    top_use_case_3="drafting",
    top_use_case_3_percent=10.0,
)
TABLES: Mapping[str, Sequence[Values]] = {
    "pmf_dashboard": [
        board(LAST, new_users=EDGE),
        SMALL,
        board(LAST - timedelta(days=89)),
        board(LAST - timedelta(days=90)),
    ],
    "activation_funnel": [
        funnel(LAST, "all"),
        funnel(LAST, "30d", total_users=EDGE),
        funnel(BEFORE, "all"),
        funnel(BEFORE, "30d", total_users=EDGE - 1),
    ],
    "retention": [
        retained(LAST, "day_1", 6, None),
        retained(BEFORE, "day_1", EDGE, 2),
        retained(BEFORE, "week_1", 0, None),
        retained(BEFORE, "day_30", EDGE, 0),
        retained(BEFORE, "day_7", EDGE - 1, 1),
    ],
    "use_cases": [
        use_case("contract_review", 9, EDGE, BEFORE),
        use_case("personal_video", 30, EDGE - 1, BEFORE),
        use_case("drafting", 8, EDGE - 1, LAST),
        use_case("drafting", 8, EDGE + 1, BEFORE),
    ],
    "user_profiles": [profile("ana")],
    "conversations": [conversation(1)],
}

Export = Callable[..., Told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"), TABLES)


@pytest.fixture
def export(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Export:
    """Runs the command beside that copy, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_beside(
        folder, monkeypatch, capsys, "export-investors", *arguments
    )


@pytest.fixture
def frames(export: Export, tmp_path: Path) -> Mapping[str, pl.DataFrame]:
    """What is exported of all days, by table."""
    told = export("--format", "parquet")
    assert (told.code, told.error) == (0, "")
    written = tmp_path / "reports" / "investors-2024-04-02-2024-06-30"
    return {path.stem: pl.read_parquet(path) for path in written.iterdir()}


def row_of(frame: pl.DataFrame, **key: Any) -> Mapping[str, Any]:
    return frame.row(
        by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in key.items()), named=True
    )


# --- small groups --------------------------------------------------------------------------------


def test_use_cases_of_fewer_than_five_users_are_blank(frames: Mapping[str, pl.DataFrame]) -> None:
    before = row_of(frames["pmf_dashboard"], date=BEFORE)
    assert [before[f"top_use_case_{n}"] for n in (1, 2, 3)] == ["contract_review", None, "drafting"]
    assert [before[f"top_use_case_{n}_percent"] for n in (1, 2, 3)] == [50.0, None, 10.0]
    # Drafting has few users on the last day, and was second there.
    last = row_of(frames["pmf_dashboard"], date=LAST)
    assert [last[f"top_use_case_{n}"] for n in (1, 2, 3)] == ["contract_review", None, None]


def test_new_users_and_pooled_cohorts_of_fewer_than_five_are_blank(
    frames: Mapping[str, pl.DataFrame],
) -> None:
    last, before = (row_of(frames["pmf_dashboard"], date=day) for day in (LAST, BEFORE))
    assert (last["new_users"], before["new_users"]) == (EDGE, None)
    whats = ("users", "retained", "retention")
    assert [before[f"day_1_{what}"] for what in whats] == [None, None, None]
    assert [before[f"week_1_{what}"] for what in whats] == [EDGE, 4, 40.0]
    assert all(last[f"{period}_users"] == 10 for period in PERIODS)


def test_a_funnel_of_fewer_than_five_is_blank(frames: Mapping[str, pl.DataFrame]) -> None:
    funnels = frames["activation_funnel"]
    small = row_of(funnels, date=BEFORE, cohort="30d")
    assert {value for name, value in small.items() if name not in ("date", "cohort")} == {None}
    for shown in (
        row_of(funnels, date=LAST, cohort="30d"),
        row_of(funnels, date=BEFORE, cohort="all"),
    ):
        assert None not in shown.values()


def test_cohorts_of_fewer_than_five_are_blank(frames: Mapping[str, pl.DataFrame]) -> None:
    assert frames["retention"].rows() == [
        (BEFORE, "day_1", EDGE, 2, 40.0),
        (BEFORE, "day_7", None, None, None),
        (BEFORE, "day_30", EDGE, 0, 0.0),
        (BEFORE, "week_1", None, None, None),
        (LAST, "day_1", 6, None, None),
    ]


# --- what is exported ----------------------------------------------------------------------------


def test_all_figures_of_ninety_days_are_exported_with_definitions(
    frames: Mapping[str, pl.DataFrame],
) -> None:
    assert frames.keys() == NAMES
    assert frames["pmf_dashboard"]["date"].to_list() == [LAST - timedelta(days=89), BEFORE, LAST]
    assert frames["pmf_dashboard"].columns == list(SMALL)
    defined = frames["definitions"]
    for name in NAMES - {"definitions"}:
        of_table = defined.filter(pl.col("table") == name)
        assert of_table["figure"].to_list() == frames[name].columns
        assert of_table["definition"].to_list() == [f"What {one} is." for one in of_table["figure"]]


@pytest.mark.parametrize("form", ["csv", "html"])
def test_days_are_chosen_and_other_forms_hold_the_same(
    export: Export, tmp_path: Path, form: str
) -> None:
    told = export("--from", "2024-06-29", "--to", "2024-06-29", "--format", form)
    assert (told.code, told.error) == (0, "")
    path = tmp_path / "reports" / f"investors-2024-06-29-2024-06-29{'.html' * (form == 'html')}"
    assert told.lines == [
        f"Figures of 2024-06-29 to 2024-06-29 are in {path.relative_to(tmp_path)}."
    ]
    if form == "csv":
        assert {one.name for one in path.iterdir()} == {f"{name}.csv" for name in NAMES}
        assert (path / "retention.csv").read_text() == (
            "date,period,cohort_size,retained,retention_rate\n"
            "2024-06-29,day_1,5,2,40.0\n"
            "2024-06-29,day_7,,,\n"
            "2024-06-29,day_30,5,0,0.0\n"
            "2024-06-29,week_1,,,\n"
        )
    else:
        page = path.read_text()
        assert "<tr><td>2024-06-29</td><td>day_1</td><td>5</td><td>2</td><td>40.0</td></tr>" in page
        assert "<tr><td>2024-06-29</td><td>day_7</td><td></td><td></td><td></td></tr>" in page
        assert "<tr><td>retained</td><td>What retained is.</td></tr>" in page
        assert "2024-06-30" not in page


@pytest.mark.parametrize("form", ["csv", "parquet", "html"])
def test_nothing_of_a_person_is_exported(export: Export, tmp_path: Path, form: str) -> None:
    assert export("--format", form).code == 0
    files = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert files
    for path in files:
        is_packed = path.suffix == ".parquet"
        text = pl.read_parquet(path).write_csv() if is_packed else path.read_text()
        for word in ("ana", "@", "Review this", "personal_video", "user_id", "c1_"):
            assert word not in text, (path, word)


def test_equal_data_give_equal_bytes(export: Export, tmp_path: Path) -> None:
    def contents(folder: str) -> list[bytes]:
        for form in ("csv", "html"):
            assert export("--out", folder, "--format", form).code == 0
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        return [path.read_bytes() for path in files]

    assert contents("once") == contents("again")


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--from", "2024-06-30", "--to", "2024-06-29"), 2, "lies after --to"),
        (("--from", "May"), 2, "--from is 'May'"),
        (("--to", "June"), 2, "--to is 'June'"),
        (("--to", "2024-01-01"), 2, "none of the days 2023-10-04 to 2024-01-01 was run"),
        (("--format", "xlsx"), 2, "xlsx"),
        (("--out", "s3://bucket"), 2, "s3://bucket"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_line(
    export: Export, tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    answer = export(*arguments)
    assert (answer.code, answer.lines) == (code, [])
    assert told in answer.error
    assert list(tmp_path.iterdir()) == []
