"""Stage `train_detector`: train the teacher detector."""

from pipeline.models.pretrained import pretrained_sha256
from pipeline.models.weight_files import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.detector import DetectorTrainingOptions, train_detector
from pipeline.training.engine.environment import write_environment
from pipeline.training.engine.history import write_history
from stages.support.parameters import Parameters
from stages.support.paths import DETECTOR, PREPARED, TEACHER_RESULTS
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say, stage

PARAMS = ("network", "train_detector")


@stage
def main() -> None:
    """Train the teacher detector."""
    options = Parameters(PARAMS).options("train_detector", DetectorTrainingOptions)
    data = open_prepared(PREPARED)
    scenes, inputs = (
        len(data.split("train").scenes),
        {"data": data.sha256, **pretrained_sha256(options.network.backbone.weights)},
    )
    with (
        resuming("train_detector", options, options.training, scenes, inputs) as checkpoints,
        ShownProgress("train_detector") as progress,
    ):
        network, history = train_detector(data, options, progress, checkpoints)
        write_history(TEACHER_RESULTS / "detector_training.tsv", history)
        write_environment(TEACHER_RESULTS / "detector_environment.json", network)
        save_weights(DETECTOR, "detector", options.network, network.state_dict())
    loss = history[-1]["total"]
    say(f"{DETECTOR}: {options.network.backbone.name} detector, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
