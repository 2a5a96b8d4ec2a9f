"""Dirty landing folders of the seven sources: drops in every form, made from a seed."""

import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from harvey_pipeline_tests.agents.rows import COLUMNS, REQUIRED, Delivery, Senders
from harvey_pipeline_tests.oracle.values import read_timestamp

FORMS: Final = ("csv", "csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")
TYPED: Final = ("latency_ms", "clarity_score", "order_count", "monthly_orders")
"""Columns that some Parquet files hold as numbers."""


@dataclass
class DirtyLanding:
    """A landing folder and who fills it; `deliver` takes days in order."""

    root: Path
    seed: int
    share_delivered: float = 0.93
    choose: random.Random = field(init=False)
    senders: Senders = field(init=False)
    delivered: dict[tuple[str, date], list[Delivery]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        self.senders = Senders(self.choose)

    def deliver(self, days: Sequence[date], sources: Sequence[str] = tuple(COLUMNS)) -> None:
        """Drops of some days; now and then one is missing, or says too little to count."""
        for day in days:
            for source in sources:
                rows = self.senders.rows(source, day)
                if self.choose.random() < self.share_delivered:
                    name = f"{source}/{day}"
                    if self.choose.random() < 0.06:
                        rows = self._spoilt(source, name, rows)
                    self.delivered[source, day] = rows
                    self._write(source, name, rows)

    def deliver_again(self, days: Sequence[date], share: float = 0.5) -> list[date]:
        """Replace drops of some days by others, which differ a little, and tell of which days."""
        changed = set()
        for (source, day), rows in sorted(self.delivered.items()):
            if day in days and self.choose.random() < share:
                changed.add(day)
                for old in (self.root / source).glob(f"{day}.*"):
                    if old.suffix != ".accept":
                        old.unlink()
                again = [dict(row) for row in rows if self.choose.random() < 0.9]
                for row in again:
                    if self.choose.random() < 0.2:
                        other = self.choose.choice(rows)
                        column = self.choose.choice(COLUMNS[source][REQUIRED[source] :])
                        row[column] = other[column]
                self.choose.shuffle(again)
                self._write(source, f"{source}/{day}", again)
        return sorted(changed)

    def export(self, days: Sequence[date], sources: Sequence[str] = tuple(COLUMNS)) -> None:
        """One bulk export of each source, with all that was written on some days."""
        for source in sources:
            rows: list[Delivery] = []
            for day in days:
                written = self.senders.rows(source, day)
                rows = [*rows, *written] if "created_at" in COLUMNS[source] else written
            self._write(source, source, rows)

    def _spoilt(self, source: str, name: str, rows: Sequence[Delivery]) -> list[Delivery]:
        """A drop that is cut short, or whose rows mostly lack their key; perhaps let through."""
        if self.choose.random() < 0.5:
            (self.root / source).mkdir(parents=True, exist_ok=True)
            (self.root / f"{name}.accept").touch()
        if self.choose.random() < 0.5:
            return list(rows[: len(rows) // 2])
        key = COLUMNS[source][0]
        return [row if self.choose.random() < 0.3 else row | {key: None} for row in rows]

    def _write(self, source: str, name: str, rows: Sequence[Delivery]) -> None:
        form = self.choose.choice(FORMS)
        path = self.root / f"{name}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = self._columns(source, rows)
        if form == "parquet":
            pq.write_table(self._parquet(columns, rows), path)
            return
        text = self._json_lines(columns, rows) if "json" in form else self._csv(columns, rows)
        content = text.encode()
        path.write_bytes(gzip.compress(content, mtime=0) if form.endswith("gz") else content)

    def _columns(self, source: str, rows: Sequence[Delivery]) -> list[str]:
        """Mostly all columns, in any order; those that may be left out sometimes are."""
        columns = list(COLUMNS[source])
        optional = columns[REQUIRED[source] :]
        if self.choose.random() < 0.15 and rows:
            columns.remove(self.choose.choice(optional))
        self.choose.shuffle(columns)
        return columns

    def _header(self, column: str) -> str:
        return self.choose.choice((column, column, column.upper(), f" {column.title()}"))

    def _csv(self, columns: Sequence[str], rows: Sequence[Delivery]) -> str:
        choose = self.choose
        lines = io.StringIO()
        writer = csv.writer(
            lines,
            delimiter=choose.choice((",", ",", ";", "\t", "|")),
            lineterminator=choose.choice(("\n", "\r\n")),
        )
        extra = ["comment"] if choose.random() < 0.2 else []
        writer.writerow([*(self._header(column) for column in columns), *extra])
        for row in rows:
            fields = [_as_text(row.get(column)) for column in columns]
            fields += ["no more to say"] * len(extra)
            fault = choose.random()
            if fault < 0.01:
                fields.append("one too many")
            elif fault < 0.02:
                fields.append("")
            elif fault < 0.03:
                writer.writerow([""] * len(fields))
            writer.writerow(fields)
        text = lines.getvalue()
        return choose.choice(("", "", "\ufeff")) + text

    def _json_lines(self, columns: Sequence[str], rows: Sequence[Delivery]) -> str:
        choose = self.choose
        lines = []
        for row in rows:
            members = []
            for column in columns:
                value = row.get(column)
                if value is None and choose.random() < 0.5:
                    continue
                if isinstance(value, str) and choose.random() < 0.3:
                    value = _as_json_value(value)
                if choose.random() < 0.01:
                    value = choose.choice(([], {"a": 1}, ["x"]))
                if choose.random() < 0.01:
                    members.append(f"{json.dumps(column)}: {json.dumps('overruled')}")
                key = json.dumps(self._header(column))
                members.append(f"{key}: {json.dumps(value, ensure_ascii=choose.random() < 0.5)}")
            lines.append("{" + ", ".join(members) + "}")
            if choose.random() < 0.02:
                lines.append(choose.choice(('["no", "object"]', "{cut", '"text"', "")))
        return "".join(f"{line}\n" for line in lines)

    def _parquet(self, columns: Sequence[str], rows: Sequence[Delivery]) -> pa.Table:
        """Text mostly; of numbers, and of lists, sometimes columns of that type."""
        is_typed = self.choose.random() < 0.6
        arrays = {}
        for column in columns:
            values = [row.get(column) for row in rows]
            name = self._header(column)
            if is_typed and column in TYPED:
                arrays[name] = pa.array([_as_number(value) for value in values], pa.float64())
            elif is_typed and column in ("labels", "suggested_tags"):
                lists = [_as_texts(value) for value in values]
                arrays[name] = pa.array(lists, pa.list_(pa.string()))
            elif is_typed and column == "created_at":
                moments = [read_timestamp(str(value).strip()) for value in values]
                arrays[name] = pa.array(moments, pa.timestamp("us"))
            elif is_typed and column.startswith("is_"):
                flags = [{"true": True, "f": False}.get(str(value)) for value in values]
                arrays[name] = pa.array(flags, pa.bool_())
            else:
                texts = [None if value is None else _as_text(value) for value in values]
                arrays[name] = pa.array(texts, pa.string())
        return pa.table(arrays)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _as_json_value(text: str) -> Any:
    """A number or a flag as such, where the text is one that JSON knows."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) and value == value else text


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_texts(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [one if isinstance(one, str) else "other" for one in value]


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]
