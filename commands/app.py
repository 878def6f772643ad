"""`person-search app`: a page on which a person is clicked and looked for in an index."""

from pathlib import Path

import click

from commands.lazy import imported
from commands.places import GivenPath, check_weights


@click.command()
@click.option(
    "--index", type=GivenPath(path_type=Path), required=True, help="Folder of the index to look in."
)
@click.option(
    "--weights",
    type=GivenPath(path_type=Path),
    help="The network that made the index, if it is not where it was then.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. The default is this machine alone: the page asks for no password.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0: any free.")
def app(index: Path, weights: Path | None, host: str, port: int) -> None:
    """Serve a page to look for people in an index: upload or choose a picture, click on a person.

    Ctrl-C ends it. Uploaded pictures are kept for minutes, in a temporary folder that is deleted at the end.
    """
    if weights is not None:
        check_weights(weights)
    imported("commands.serving:serve")(index, weights, host, port)
