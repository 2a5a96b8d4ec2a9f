"""The roles: which tables each one sees, of which rows, with which columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.segments.tables.labels import ALL, UNKNOWN


class AccessError(Exception):
    """Something that may not be seen, or is not there; the message says what may be done."""


class ForbiddenError(AccessError):
    """Something that the role may not see."""


class UnavailableError(AccessError):
    """Something that would be there, or done, if something else had been."""


class Role(StrEnum):
    """As what somebody looks at a tenant."""

    CEO = "ceo"
    FINANCE = "finance"
    MANAGER = "manager"
    IT_HR = "it_hr"
    EMPLOYEE = "employee"


PERSONAL: Final = (Role.MANAGER, Role.IT_HR, Role.EMPLOYEE)
"""Roles that only a person has: whose users, whose rows, who is written down."""

AGGREGATED: Final = (Role.CEO, Role.FINANCE)
"""Roles that see no person, and no figure of a few."""

NO_TENANTS: Final = (ALL, UNKNOWN)
"""What stands where a tenant would, and is none: all together, and those of whom nothing tells."""


@dataclass(frozen=True)
class Viewer:
    """Who looks: a role within a tenant and, where the role is a person's, who it is.

    Raises:
        AccessError: The tenant is none, or the role lacks its person.
    """

    role: Role
    tenant_id: str
    user_id: str | None = None

    def __post_init__(self) -> None:
        if not self.tenant_id.strip() or self.tenant_id in NO_TENANTS:
            raise AccessError(f"{self.tenant_id!r} is no tenant; give the id of one.")
        if self.role in PERSONAL and not self.user_id:
            raise AccessError(f"The role {self.role} is a person's; give a user's id.")


DASHBOARD: Final = "segmentation_dashboard"
ROI: Final = "roi_summary"
STABILITY: Final = "stability"
READOUT: Final = "ab_readout"
LICENSES: Final = "license_opportunities"
USER_SEGMENTS: Final = "user_segments"
RECOMMENDATIONS: Final = "recommendations"
EMPLOYEES: Final = "dim_employee"

_SEEN: Final[Mapping[Role, Sequence[str]]] = {
    Role.CEO: (DASHBOARD, ROI, STABILITY, READOUT),
    Role.FINANCE: (LICENSES, ROI),
    Role.MANAGER: (USER_SEGMENTS, RECOMMENDATIONS),
    Role.EMPLOYEE: (USER_SEGMENTS, RECOMMENDATIONS),
}

EMPLOYEES_OWN: Final = (
    *("date", "segment", "sub_segment", "engagement_score", "percentile", "trend", "evidence"),
)
"""Columns of `user_segments` that somebody sees of themselves."""

UNTOLD_KIND: Final = "At-risk Churn"
"""Sub-segment that nobody is told of themselves."""

UNTOLD_RULES: Final = ("review_licence", "check_in")
"""Rules of the catalogue that are for others than the person concerned."""


def tables_of(role: Role) -> Sequence[str]:
    """Own names of the tables that a role sees, in the order in which they are shown."""
    return tuple(TABLES) if role is Role.IT_HR else _SEEN[role]


def refuse_unseen(role: Role, table: str) -> None:
    """Make sure that a role sees a table.

    Raises:
        ForbiddenError: It does not; names what it sees.
    """
    seen = tables_of(role)
    if table not in seen:
        raise ForbiddenError(f"The role {role} does not see {table}, only {', '.join(seen)}.")
