"""Stage `train_reid`: train the re-identification teacher on crops."""

from functools import partial

from pipeline.models.weight_files import Origin
from pipeline.scenes.prepared import open_prepared
from pipeline.training.reid import ReidTrainingOptions, train_reid
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, REID, TEACHER_RESULTS
from stages.support.running import joint_stage, say
from stages.support.training import Outputs, run_training

PARAMS = ("train_reid",)
OUTPUTS = Outputs(
    kind="reid",
    weights=REID,
    history=TEACHER_RESULTS / "reid_training.tsv",
    environment=TEACHER_RESULTS / "reid_environment.json",
)


@joint_stage
def main() -> None:
    """Train the re-identification teacher."""
    options = Parameters(PARAMS).options("train_reid", ReidTrainingOptions)
    crops = open_prepared(CROPS)
    train = partial(train_reid, crops, options)
    origin = Origin(crops.name, {"crops": crops.sha256})
    loss = run_training("train_reid", options, train, origin, OUTPUTS)
    say(f"{REID}: {options.network.backbone.name} re-ID model, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
