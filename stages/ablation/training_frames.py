"""Stage `ablation.training_frames`: write the pictures of the training scenes as files."""

from pathlib import Path, PurePosixPath

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.scenes.prepared import open_prepared, require_scenes
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress, say, stage

SUFFIX = ".jpg"


@stage
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
def main(out: Path) -> None:
    """Write the training scenes' JPEGs below a folder, by their names: for a detector to annotate, say.

    So two students can see the same pictures, one with people's boxes and one with a detector's.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty; remove it, or name another folder")
    data = open_prepared(PREPARED)
    require_scenes(data, "a detector")
    scenes, images = data.split("train").scenes, data.images("train")
    with ShownProgress("training_frames") as progress:
        for index, scene in enumerate(scenes):
            write_atomically(out / frame_file(scene.name), images[index].tobytes())
            progress(index + 1, len(scenes))
    say(f"{out}: {len(scenes)} training scenes of data set '{data.name}'")


def frame_file(scene: str) -> PurePosixPath:
    """Return where a scene's picture is below the folder. Raises `UserError` for a name that leads out."""
    path = PurePosixPath(scene)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"scene '{scene}' has no place below a folder: its name leads out of it")
    return path if path.suffix.lower() in (SUFFIX, ".jpeg") else path.with_name(path.name + SUFFIX)


if __name__ == "__main__":
    main()
