"""The few kinds of columns that schemas are made of, and a rule about months."""

import dataframely as dy
import polars as pl


def text(description: str, *, nullable: bool = False, key: bool = False) -> dy.String:
    return dy.String(nullable=nullable, primary_key=key, description=description)


def label(
    description: str, values: tuple[str, ...], *, nullable: bool = False, key: bool = False
) -> dy.Enum:
    return dy.Enum(values, nullable=nullable, primary_key=key, description=description)


def day(description: str, *, nullable: bool = False, key: bool = False) -> dy.Date:
    return dy.Date(nullable=nullable, primary_key=key, description=description)


def moment(description: str, *, nullable: bool = False, key: bool = False) -> dy.Datetime:
    return dy.Datetime(nullable=nullable, primary_key=key, time_unit="us", description=description)


def count(description: str, *, nullable: bool = False, minimum: int = 0) -> dy.Int64:
    return dy.Int64(min=minimum, nullable=nullable, description=description)


def number(
    description: str, *, minimum: float | None = 0.0, maximum: float | None = None
) -> dy.Float64:
    return dy.Float64(min=minimum, max=maximum, nullable=True, description=description)


def percent(description: str) -> dy.Float64:
    return number(f"{description}, 0 to 100; null where the base is 0.", maximum=100.0)


def flag(description: str) -> dy.Bool:
    return dy.Bool(nullable=False, description=description)


def weight(description: str, values: tuple[int, ...]) -> dy.Int16:
    return dy.Int16(is_in=values, nullable=False, description=description)


def percent_rank(description: str) -> dy.Float64:
    return dy.Float64(min=0.0, max=1.0, nullable=False, description=description)


def starts_a_month(column: str) -> pl.Expr:
    return pl.col(column).dt.day() == 1
