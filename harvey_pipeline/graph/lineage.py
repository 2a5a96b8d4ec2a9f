"""Which columns a table's columns are made of: kept in a file of the subject, shown by Dagster.

`harvey docs` writes the file, of each table whenever the code that computes it is another.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg


@dataclass(frozen=True)
class Lineage:
    """What the columns of a table are made of, and by which version of the code."""

    code: str
    columns: Mapping[str, Sequence[str]]
    """Of each column those that it is made of, `<schema>.<table>.<column>`; of a constant none."""

    @property
    def metadata(self) -> dg.TableColumnLineage:
        return dg.TableColumnLineage(
            {name: [_dependency(one) for one in made] for name, made in self.columns.items()}
        )


def _dependency(column: str) -> dg.TableColumnDep:
    table, _, name = column.rpartition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(table.split(".")), column_name=name)


def read_lineage(path: Path) -> Mapping[str, Lineage]:
    """The lineage that a file holds, by table; nothing if there is no file yet."""
    if not path.exists():
        return {}
    tables = json.loads(path.read_text(encoding="utf-8"))
    return {table: Lineage(**one) for table, one in tables.items()}


def lineage_text(lineage: Mapping[str, Lineage]) -> str:
    """The text of a file: a line for each column."""
    tables = []
    for table, one in lineage.items():
        lines = (
            f"    {json.dumps(name)}: {json.dumps(made)}" for name, made in one.columns.items()
        )
        columns = ",\n".join(lines)
        tables.append(
            f'{json.dumps(table)}: {{\n  "code": "{one.code}",\n'
            f'  "columns": {{\n{columns}\n  }}\n}}'
        )
    return "{\n" + ",\n".join(tables) + "\n}\n"
