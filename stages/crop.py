"""Stage `crop`: cut the labelled people of the training scenes out, for the re-ID teacher."""

from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.scenes.prepared import open_prepared
from stages.support.paths import CROPS, PREPARED
from stages.support.running import ShownProgress, say, stage


@stage
def main() -> None:
    """Cut the labelled people of the training scenes out."""
    with ShownProgress("crop") as progress:
        crops = prepare(LabelledCrops(open_prepared(PREPARED), "train"), CROPS, progress)
    counts = crops.manifest["splits"]["train"]["counts"]
    say(f"{CROPS}: {counts['scenes']} crops of {counts['identities']} identities")


if __name__ == "__main__":
    main()
