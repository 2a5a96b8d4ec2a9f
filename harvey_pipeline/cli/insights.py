"""`harvey insights`: what a day or a week brought, as files and by e-mail."""

from pathlib import Path
from typing import Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, FailedError, WarehouseFile, refuse_address
from harvey_pipeline.cli.conversation_figures import choose_day, open_conversations
from harvey_pipeline.cli.pages import html_of, text_of, write_file
from harvey_pipeline.cli.show import output, say


def write_insights(
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="As YYYY-MM-DD; else the last day run.")
    ] = None,
    is_week: Annotated[
        bool, typer.Option("--week", help="Of the 7 days up to the day, against the 7 before.")
    ] = False,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where to write.")] = "reports",
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Write what is new on a day as text and HTML, and send it if HARVEY_SMTP_URL is set."""
    from harvey_pipeline.cli.insights_content import gather_insights
    from harvey_pipeline.cli.mail import send_mail
    from harvey_pipeline.conversations.settings import INSIGHTS_TO, read_conversation_settings
    from harvey_pipeline.settings import read_settings

    refuse_address("--out", out)
    settings, mail = read_settings(), read_conversation_settings().insights
    with open_conversations(settings) as connection:
        chosen = choose_day(connection, day, settings)
        subject, sections = gather_insights(connection, chosen, 7 if is_week else 1)
    text, html = text_of(subject, sections), html_of(subject, sections)
    path = Path(out) / f"insights-{chosen}{'-week' if is_week else ''}"
    console = output()
    for suffix, content in ((".txt", text), (".html", html)):
        write_file(path.with_name(path.name + suffix), content.encode())
    say(console, f"{subject}. Written: {path}.txt and {path}.html.")
    if mail is not None:
        refused = send_mail(mail, subject, text, html)
        if refused:
            raise FailedError(f"{mail.host} refused {', '.join(refused)}. Correct {INSIGHTS_TO}.")
        say(console, f"Sent to {', '.join(mail.to)}.")
    return OK
