"""`harvey token`: who may ask `harvey serve` for the tables of a role."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from harvey_pipeline.cli.app import OK, Debug, Group, UnusableError, WarehouseFile
from harvey_pipeline.cli.segments_of_role import read_viewer
from harvey_pipeline.cli.show import columns_of, listing_output, say

if TYPE_CHECKING:
    from harvey_pipeline.access.roles import Viewer


def make_one(
    role: Annotated[
        str,
        typer.Option(metavar="ROLE", help="ceo, finance, manager, it_hr or employee."),
    ],
    tenant: Annotated[str, typer.Option(metavar="ID", help="The tenant whose rows it shows.")],
    person: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="Whose it is; not needed of ceo and finance."),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Make a token of a role, tenant and person, and print it once; only its hash is kept."""
    from harvey_pipeline.access.roles import AccessError
    from harvey_pipeline.access.tokens import make_token, tokens_beside
    from harvey_pipeline.settings import read_settings

    viewer = read_viewer(role, tenant, person)
    try:
        text, token = make_token(tokens_beside(read_settings().warehouse), viewer)
    except AccessError as error:
        raise UnusableError(str(error)) from None
    console = listing_output()
    say(console, text)
    say(
        console,
        f"It stands for {_told(viewer)}, and is not shown again. "
        f"`harvey token revoke {token.id}` takes it away.",
    )
    return OK


def list_tokens(warehouse: WarehouseFile = None, debug: Debug = False) -> int:
    """List the tokens: id, whom each stands for, when it was made."""
    from harvey_pipeline.access.roles import AccessError
    from harvey_pipeline.access.tokens import read_tokens, tokens_beside
    from harvey_pipeline.settings import read_settings

    try:
        tokens = read_tokens(tokens_beside(read_settings().warehouse))
    except AccessError as error:
        raise UnusableError(str(error)) from None
    console = listing_output()
    if not tokens:
        say(console, "There are no tokens. `harvey token make` makes one.")
    grid = columns_of(3)
    for token in tokens:
        grid.add_row(token.id, token.made_at, _told(token.viewer))
    console.print(grid)
    return OK


def revoke_one(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `harvey token list` has it.")],
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Take a token away: whoever shows it is refused from now on."""
    from harvey_pipeline.access.roles import AccessError
    from harvey_pipeline.access.tokens import revoke_token, tokens_beside
    from harvey_pipeline.settings import read_settings

    try:
        token = revoke_token(tokens_beside(read_settings().warehouse), token_id)
    except AccessError as error:
        raise UnusableError(str(error)) from None
    say(listing_output(), f"Revoked: {token.id}, {_told(token.viewer)}")
    return OK


def _told(viewer: "Viewer") -> str:
    person = "" if viewer.user_id is None else f", as {viewer.user_id}"
    return f"{viewer.role} of {viewer.tenant_id}{person}"


TOKEN: Final = Group(
    help="Tokens of roles for `harvey serve`: make, list, revoke.",
    commands={"make": make_one, "list": list_tokens, "revoke": revoke_one},
)
