"""The subject's dimensions with history: employees and licences."""

from typing import Final

import polars as pl

from harvey_pipeline.history import Dimension
from harvey_pipeline.segments.sources import EMPLOYEES as EMPLOYEES_SOURCE
from harvey_pipeline.segments.sources import LICENSES as LICENSES_SOURCE
from harvey_pipeline.segments.tables.access import DIM_EMPLOYEE, DIM_LICENSE

EMPLOYEES: Final = Dimension(
    entity="employee",
    table=DIM_EMPLOYEE,
    source=EMPLOYEES_SOURCE.name,
    key=EMPLOYEES_SOURCE.key,
    shows={
        name: pl.col(name) for name in ("manager_id", "department", "email", "name", "tenant_id")
    },
    created_date=None,
    surrogate_key="employee_dim_key",
)
LICENSES: Final = Dimension(
    entity="license",
    table=DIM_LICENSE,
    source=LICENSES_SOURCE.name,
    key=LICENSES_SOURCE.key,
    shows={name: pl.col(name) for name in ("tier", "annual_cost_usd")},
    created_date=None,
    surrogate_key="license_dim_key",
)

DIMENSIONS: Final = (EMPLOYEES, LICENSES)
