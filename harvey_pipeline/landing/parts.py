"""What one file says, typed and judged: frames, made of nothing but the file and its rules.

A file is a whole drop or one part of a folder. Nothing here knows where files lie or what becomes
of the frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones, without_erased
from harvey_pipeline.landing.judge import (
    DropRules,
    judge,
    records_of_lines,
    settle_duplicates,
)
from harvey_pipeline.landing.records.contract import Delivery
from harvey_pipeline.landing.source import Source


@dataclass(frozen=True)
class Staged:
    """What one file says.

    `rows`: the acceptable records, repaired ones among them, one of each identity: `line_number`
    and the source's typed columns.
    `findings`: the records that something speaks against, among them those that lost against one of
    the same identity in the file: the same columns, `action`, `reasons` and `record`.
    `rows_erased`: records of erased people, of which nothing is kept.
    `lines`: the line of the last record, whatever became of it; 0 without any.
    """

    rows: pl.DataFrame
    findings: pl.DataFrame
    rows_erased: int
    lines: int
    unknown_columns: tuple[str, ...]


def stage(
    source: Source,
    delivery: Delivery,
    rules: DropRules,
    tombstones: Tombstones = NO_TOMBSTONES,
) -> Staged:
    """Type and judge the records of one opened file.

    Raises:
        LandingError: The file cannot be read.
    """
    [staged] = stage_together(source, [(delivery, rules)], tombstones)
    return staged


def stage_together(
    source: Source,
    opened: Sequence[tuple[Delivery, DropRules]],
    tombstones: Tombstones = NO_TOMBSTONES,
) -> list[Staged]:
    """`stage` of several files, each by its own rules, by one query.

    Raises:
        LandingError: One of them cannot be read; which one it is, is told by staging each alone.
    """
    kept = []
    planned: list[list[pl.LazyFrame]] = []
    for delivered, rules in opened:
        delivery, erased = without_erased(source, delivered, tombstones)
        judged = judge(source, delivery, rules)
        plans = [judged.sound, judged.found]
        if erased is not None:
            last = pl.col("line_number").max().fill_null(0)
            plans.append(erased.select(pl.len(), last.alias("last")))
        kept.append(delivery)
        planned.append(plans)
    frames = iter(pl.collect_all([plan for plans in planned for plan in plans], engine="streaming"))
    staged = []
    for delivery, plans in zip(kept, planned, strict=True):
        sound, found, *left_out = (next(frames) for _ in plans)
        rows, findings = acceptable(sound, found)
        lines = [_last_line(sound), _last_line(found), *(one["last"].item() for one in left_out)]
        rows, beaten = settle_duplicates(source, rows)
        staged.append(
            Staged(
                rows,
                with_beaten(findings, beaten, records_of(delivery, beaten)),
                sum(int(one["len"].item()) for one in left_out),
                max(lines),
                tuple(delivery.unknown_columns),
            )
        )
    return staged


def _last_line(rows: pl.DataFrame) -> int:
    return int(rows.select(pl.col("line_number").max().fill_null(0)).item())


def acceptable(sound: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The acceptable rows, repaired ones among them, and all findings."""
    repaired = found.filter(pl.col("action") == "repaired").select(sound.columns)
    return pl.concat([sound, repaired]), found


def records_of(delivery: Delivery, beaten: pl.DataFrame) -> pl.DataFrame:
    """`line_number` and `record` of rows that lost; they need another reading of the file."""
    if beaten.is_empty():
        return beaten
    numbers = beaten["line_number"].to_list()
    return records_of_lines(delivery, numbers).collect(engine="streaming")


def with_beaten(
    findings: pl.DataFrame, beaten: pl.DataFrame, records: pl.DataFrame
) -> pl.DataFrame:
    """Findings, with the rows that lost against one of the same identity among them.

    Args:
        findings: Those that are known.
        beaten: `line_number` and `reason` of the rows that lost, repaired ones among them.
        records: `line_number` and `record` of these, or of more.
    """
    if beaten.is_empty():
        return findings
    lost = (
        beaten.join(records, on="line_number")
        .join(findings.select("line_number", "reasons"), on="line_number", how="left")
        .with_columns(
            action=pl.lit("rejected"),
            reasons=pl.concat_list(
                "reason", pl.col("reasons").fill_null(pl.lit([], dtype=pl.List(pl.String)))
            ),
        )
        .drop("reason")
    )
    others = findings.join(beaten, on="line_number", how="anti")
    return pl.concat(
        [others, lost.select("line_number", "action", "reasons", "record")], how="diagonal"
    )
