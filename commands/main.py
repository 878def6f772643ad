"""The `person-search` console script."""

import click

from commands.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "annotate": LazyCommand("commands.annotate:annotate", "A training set of pictures without annotations."),
    "app": LazyCommand("commands.app:app", "A page to click on a person and look for them in an index."),
    "check-data": LazyCommand("commands.check_data:check_data", "Is a data set complete, and which release."),
    "crops": LazyCommand("commands.crops:crops", "Cut people out, in Market-1501's layout."),
    "detect": LazyCommand("commands.detect:detect", "Who is in a picture: boxes, scores, embeddings."),
    "export": LazyCommand("commands.export:export", "Write a trained student as an ONNX file."),
    "find": LazyCommand("commands.find:find", "Look for a person in your own pictures."),
    "index": LazyCommand("commands.index:index", "Keep the people of pictures and videos, to be searched."),
    "lut": LazyCommand("commands.lut:lut", "Show what a look-up table holds, and whether it fits."),
    "preset": LazyCommand("commands.preset:preset", "Write the params.yaml of a data set."),
    "results": LazyCommand("commands.results:results", "Show the table of results."),
    "score": LazyCommand("commands.score:score", "Score anybody's detections by the field's protocols."),
    "tune": LazyCommand("commands.tune:tune", "Try settings of each student on validation identities."),
    "validate": LazyCommand(
        "commands.validate:validate", "Score a trained student on validation identities, or others."
    ),
    "verify": LazyCommand("commands.verify:verify", "Is everything that DVC recorded still what it was."),
    "weights": LazyCommand(
        "commands.weights:weights", "What a weight file holds, and what it was trained on."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="person-search-distillation")
def main() -> None:
    """Do what is done outside the pipeline: data sets, presets, scores, tables, searches."""


if __name__ == "__main__":
    main()
