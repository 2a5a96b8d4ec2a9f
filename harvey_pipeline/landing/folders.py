"""A drop that is a folder: its parts are staged one by one, and the day is made of the stages.

What holds for the records of one file holds for those of a folder as if its parts, in the order of
their names, were one file. A stage is a file of the store, named by what it was made of, so a part
that is as it was is not read again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property, partial
from itertools import accumulate

import polars as pl

from harvey_pipeline.engines.engine import Engine
from harvey_pipeline.landing.day_files import DayFiles, Parsed
from harvey_pipeline.landing.judge import settle_duplicates, sighted_keys
from harvey_pipeline.landing.part_store import parted_stem, scan_files
from harvey_pipeline.landing.part_work import Part, PartWork, Piece, has_key
from harvey_pipeline.landing.parts import with_beaten
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.stages import Counts


class Folder:
    """The parts of a day's folder, all of them staged, in the order of their names.

    `groups` are the parts, small ones several together; `counts` are those of the stages. Where the
    engine's machines are others than this one, rows never come here: each part's are a piece of the
    day, which the engine writes.
    """

    def __init__(
        self,
        files: DayFiles,
        work: PartWork,
        engine: Engine,
        groups: Sequence[Sequence[Part]],
        counts: Sequence[Counts],
    ) -> None:
        self._files = files
        self._work = work
        self._engine = engine
        self._groups = groups
        self._parts = [part for parts in groups for part in parts]
        self._counts = counts
        # Lines count on from part to part, so that a number stands for one record of the day.
        self._before = [0, *accumulate(one.lines for one in counts)]

    @property
    def _source(self) -> Source:
        return self._files.source

    @cached_property
    def beaten(self) -> dict[int, pl.DataFrame]:
        """`line_number` and `reason` of the rows that lost against one in another part, by part.

        Only hashes of keys are held of all rows, and keys of those alone whose hash comes twice.
        """
        repeated = self._engine.repeated(self._work.hashes, self._groups)
        if repeated.is_empty():
            return {}
        candidates = self._engine.map(
            partial(self._work.candidates, repeated=repeated), self._grouped(self._pieces({}))
        )
        _, lost = settle_duplicates(self._source, pl.concat(candidates))
        found = {}
        for place, before in enumerate(self._before[:-1]):
            theirs = lost.filter(
                pl.col("line_number").is_between(before, self._before[place + 1], closed="right")
            )
            if not theirs.is_empty():
                found[place] = theirs.with_columns(pl.col("line_number") - before)
        return found

    def _pieces(self, beaten: Mapping[int, pl.DataFrame]) -> list[Piece]:
        return [
            Piece(part, place, before, beaten.get(place), counts.late_dates)
            for place, (part, before, counts) in enumerate(
                zip(self._parts, self._before, self._counts, strict=False)
            )
        ]

    def _grouped(self, pieces: Iterable[Piece]) -> list[list[Piece]]:
        """Pieces of all parts, grouped as the parts are."""
        every = iter(pieces)
        return [[next(every) for _ in parts] for parts in self._groups]

    def keep_lost(self) -> None:
        """Have the text of all rows that lost known to the stages.

        Raises:
            LandingError: A part cannot be read.
        """
        unread = [
            (self._parts[place], lines)
            for place, beaten in self.beaten.items()
            if (lines := self._parts[place].stage.lines_unread(beaten["line_number"].to_list()))
        ]
        self._engine.map(self._work.keep_lost, unread)

    def write(self, described: Parsed, stem: str) -> Parsed:
        """Write the day's files, once the text of all rows that lost is known to the stages."""
        lost = sum(one.height for one in self.beaten.values())
        repaired_lost = sum(
            scan_files([self._parts[place].stage.findings])
            .collect()
            .join(beaten, on="line_number", how="semi")
            .height
            for place, beaten in self.beaten.items()
        )
        accepted = sum(one.rows for one in self._counts) - lost
        counted = replace(
            described,
            rows_accepted=accepted,
            rows_repaired=sum(one.repaired for one in self._counts) - repaired_lost,
            rows_rejected=sum(one.rejected for one in self._counts) + lost,
            rows_erased=sum(one.erased for one in self._counts),
            distinct_ids=accepted + self._sighted.height if self._source.is_snapshot else 0,
        )
        if not self._engine.is_elsewhere:
            return self._files.write_pieces(
                counted, stem, self._quarantined, self._data, self.unknown_columns
            )
        stem = parted_stem(stem, len(self._parts))
        pieces = self._grouped(self._pieces(self.beaten))
        self._engine.map(partial(self._work.write, stem=stem), pieces)
        return self._files.write_pieces(
            counted, stem, self._quarantined, lambda: iter(()), self.unknown_columns
        )

    @property
    def unknown_columns(self) -> list[str]:
        """The columns of any part that nobody knows."""
        return list(dict.fromkeys(name for one in self._counts for name in one.unknown_columns))

    def _quarantined(self) -> Iterator[pl.DataFrame]:
        for place, (part, counts) in enumerate(zip(self._parts, self._counts, strict=True)):
            beaten = self.beaten.get(place)
            if beaten is None and counts.repaired + counts.rejected == 0:
                continue
            findings = scan_files([part.stage.findings]).collect()
            if beaten is not None:
                findings = with_beaten(findings, beaten, part.stage.records(beaten))
            yield self._files.quarantined(part.stage.part, self._work.day, findings)

    def _data(self) -> Iterator[pl.DataFrame]:
        """Late rows by their date, each in the order of the parts, the others, and sightings."""
        own = self._work.day
        pieces = self._pieces(self.beaten)
        late = sorted({one for counts in self._counts for one in counts.late_dates})
        for day in (*map(date.fromisoformat, late), own):
            for piece in pieces:
                if day == own or str(day) in piece.late_dates:
                    yield self._work.rows(piece, day)
        if self._source.is_snapshot:
            yield self._files.sightings(own, self._sighted)

    @cached_property
    def _sighted(self) -> pl.DataFrame:
        """Keys of a snapshot that only rejected records show, whatever the part of either."""
        key = list(self._source.key)
        rejected = pl.concat(
            [
                *(
                    scan_files([part.stage.findings])
                    .select("action", *key)
                    .collect()
                    .filter((pl.col("action") == "rejected") & has_key(self._source))
                    .unique(maintain_order=True)
                    for part in self._parts
                ),
                self._source.table.empty().collect().select(pl.lit("").alias("action"), *key),
            ],
        )
        shown = pl.concat(
            [
                self._source.table.empty().select(key),
                *(
                    scan_files([part.stage.rows])
                    .select(key)
                    .join(rejected.lazy(), on=key, how="semi")
                    for part in self._parts
                ),
            ]
        ).collect(engine="streaming")
        return sighted_keys(self._source, shown, rejected)
