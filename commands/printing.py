"""What commands print: results to standard output, everything else to standard error."""

import sys

import click


def say(line: str) -> None:
    """Print a line that is not a result."""
    click.echo(line, err=True)


def print_line(line: str) -> None:
    """Print a result; what the output's encoding lacks is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(line.encode(encoding, "backslashreplace").decode(encoding))
