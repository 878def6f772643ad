"""Stage `train_detector`: train the teacher detector."""

from pathlib import Path

from pipeline.basics.options import parse_options
from pipeline.models.saving import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.detector import DetectorTrainingOptions, train_detector
from pipeline.training.engine.history import write_history
from pipeline.training.environment import write_environment
from stages.support.parameters import Parameters
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say, stage

PARAMS = ("train_detector",)
PREPARED = Path("data/prepared")
WEIGHTS = Path("models/teachers/detector.safetensors")
CURVES = Path("results/teachers/detector_training.tsv")
ENVIRONMENT = Path("results/teachers/detector_environment.json")


@stage
def main() -> None:
    """Train the teacher detector."""
    parameters = Parameters(PARAMS)
    options = parse_options(
        DetectorTrainingOptions, parameters.section("train_detector"), parameters.where("train_detector")
    )
    data = open_prepared(PREPARED)
    scenes, inputs = len(data.split("train").scenes), {"data": data.sha256}
    with (
        resuming("train_detector", options, options.training, scenes, inputs) as checkpoints,
        ShownProgress("train_detector") as progress,
    ):
        network, history = train_detector(data, options, progress, checkpoints)
        write_history(CURVES, history)
        write_environment(ENVIRONMENT, network)
        save_weights(WEIGHTS, "detector", options.network, network.state_dict())
    loss = history[-1]["total"]
    say(f"{WEIGHTS}: {options.network.backbone.name} detector, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
