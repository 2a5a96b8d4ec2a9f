"""Chance for synthetic drops."""

import polars as pl

from harvey_pipeline.synthetic import splitmix64


def test_splitmix64_gives_the_published_numbers() -> None:
    bits = splitmix64(pl.Series(range(5), dtype=pl.UInt64), key=1234567)

    assert bits.to_list() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
