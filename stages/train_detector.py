"""Stage `train_detector`: train the teacher detector."""

from functools import partial

from pipeline.models.weight_files import Origin
from pipeline.scenes.prepared import open_prepared
from pipeline.training.detector import DetectorTrainingOptions, train_detector
from stages.support.parameters import Parameters
from stages.support.paths import DETECTOR, PREPARED, TEACHER_RESULTS
from stages.support.running import joint_stage, say
from stages.support.training import Outputs, run_training

PARAMS = ("network", "train_detector")
OUTPUTS = Outputs(
    kind="detector",
    weights=DETECTOR,
    history=TEACHER_RESULTS / "detector_training.tsv",
    environment=TEACHER_RESULTS / "detector_environment.json",
)


@joint_stage
def main() -> None:
    """Train the teacher detector."""
    options = Parameters(PARAMS).options("train_detector", DetectorTrainingOptions)
    data = open_prepared(PREPARED)
    train = partial(train_detector, data, options)
    origin = Origin(data.name, {"data": data.sha256})
    loss = run_training("train_detector", options, train, origin, OUTPUTS)
    say(f"{DETECTOR}: {options.network.backbone.name} detector, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
