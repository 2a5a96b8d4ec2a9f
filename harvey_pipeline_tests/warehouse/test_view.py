"""Views: made where their tables are, each after those that it reads, with their comments."""

from dataclasses import replace

import duckdb

from harvey_pipeline.warehouse.view import View, digest_views, make_views
from harvey_pipeline_tests.tiny import CIRCULATION, DIM_SHELF

LONG = View(
    "library.long_days",
    "One row per day with many loans, whatever the reader's taste.",
    {"date": "The day.", "loans": "Loans; it's their number."},
    "select date, loans from library.circulation where loans > 1",
    (CIRCULATION,),
)
OF_VIEW = View(
    "library.count_of_long_days",
    "One row.",
    {"days": "Their number."},
    "select count(*) as days from library.long_days",
    (CIRCULATION,),
)
ELSEWHERE = View(
    "library.rooms",
    "One row per room.",
    {"room": "The room."},
    "select distinct room from library.dim_shelf",
    (DIM_SHELF,),
)


def filled(connection: duckdb.DuckDBPyConnection, prefix: str = "") -> None:
    connection.execute(f"create schema {prefix}library")
    connection.execute(
        f"create table {prefix}library.circulation as "
        "select * from (values (date '2024-04-01', 1), ('2024-04-02', 3)) rows (date, loans)"
    )


def test_a_view_is_made_where_its_tables_are() -> None:
    with duckdb.connect() as connection:
        filled(connection)
        make_views(connection, [LONG, OF_VIEW, ELSEWHERE])
        assert connection.execute("select loans from library.long_days").fetchall() == [(3,)]
        connection.execute("insert into library.circulation values ('2024-04-03', 2)")
        assert connection.execute("from library.count_of_long_days").fetchall() == [(2,)]
        found = connection.execute(
            "select view_name, comment from duckdb_views() where schema_name = 'library' order by 1"
        ).fetchall()
        assert found == [
            ("count_of_long_days", OF_VIEW.description),
            ("long_days", LONG.description),
        ]
        comments = connection.execute(
            "select column_name, comment from duckdb_columns() where table_name = 'long_days' "
            "order by column_index"
        ).fetchall()
        assert comments == list(LONG.columns.items())


def test_a_view_takes_the_place_of_another_of_its_name() -> None:
    with duckdb.connect() as connection:
        filled(connection)
        make_views(connection, [LONG])
        make_views(
            connection, [replace(LONG, query="select date, 7 as loans from library.circulation")]
        )
        assert connection.execute("select loans from library.long_days").fetchall() == [(7,), (7,)]


def test_views_are_made_in_an_attached_database() -> None:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as copy")
        filled(connection, "copy.")
        make_views(connection, [LONG, ELSEWHERE], "copy")
        found = connection.execute(
            "select database_name, view_name from duckdb_views() where schema_name = 'library'"
        ).fetchall()
        assert found == [("copy", "long_days")]
        connection.execute("use copy")
        assert connection.execute("select loans from library.long_days").fetchall() == [(3,)]


def test_a_digest_tells_views_apart_by_all_that_they_say() -> None:
    others = [
        [],
        [LONG, OF_VIEW],
        [OF_VIEW],
        *(
            [replace(LONG, **changed)]
            for changed in (
                {"name": "library.other"},
                {"description": "One row per day."},
                {"columns": {"date": "The day.", "loans": "Loans."}},
                {"query": "select date, loans from library.circulation"},
            )
        ),
    ]
    digests = {digest_views(views) for views in ([LONG], *others)}
    assert len(digests) == len(others) + 1
    assert digest_views([LONG]) == digest_views([replace(LONG)])
