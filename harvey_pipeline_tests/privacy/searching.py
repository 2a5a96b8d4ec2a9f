"""A search of everything below a folder for words, in whatever form a file holds them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import polars as pl


def find_words(folder: Path, words: Sequence[str]) -> list[str]:
    """Where below a folder any of the words stands, as text to read."""
    return [
        f"{path.relative_to(folder)}: {place}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for place in _places(path, words)
    ]


def _places(path: Path, words: Sequence[str]) -> Iterator[str]:
    content = path.read_bytes()
    for word in words:
        for form in {word, word.replace('"', '\\"'), word.replace('"', "&#34;")}:
            if form.encode() in content:
                yield f"bytes of {form}"
    if path.suffix == ".parquet":
        rows = pl.read_parquet(path, glob=False)
        yield from _of_rows("rows", rows, words)
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            named = connection.execute(
                "select database_name, schema_name, table_name from duckdb_tables()"
                "where not internal"
            ).fetchall()
            for database, schema, table in named:
                rows = connection.sql(f'select * from "{database}"."{schema}"."{table}"').pl()
                yield from _of_rows(f"{schema}.{table}", rows, words)


def _of_rows(name: str, rows: pl.DataFrame, words: Sequence[str]) -> Iterator[str]:
    for column in rows.get_columns():
        texts = column
        if isinstance(column.dtype, pl.List):
            texts = column.list.eval(pl.element().cast(pl.String)).list.join("\n")
        elif column.dtype != pl.String:
            continue
        if texts.str.contains_any(list(words)).any():
            yield f"{name}.{column.name}"
