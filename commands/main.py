"""The `person-search` console script."""

import click

from commands.check_data import check_data
from commands.errors import CommandGroup
from commands.score import score


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="person-search-distillation")
def main() -> None:
    """Check data sets and score detections, outside the pipeline."""


main.add_command(check_data)
main.add_command(score)


if __name__ == "__main__":
    main()
