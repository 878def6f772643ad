"""Stage `train_reid`: train the re-identification teacher on crops."""

from pathlib import Path

from pipeline.basics.options import parse_options
from pipeline.models.saving import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.engine.history import write_history
from pipeline.training.environment import write_environment
from pipeline.training.reid import ReidTrainingOptions, train_reid
from stages.support.parameters import Parameters
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say, stage

PARAMS = ("train_reid",)
CROPS = Path("data/crops")
WEIGHTS = Path("models/teachers/reid.safetensors")
CURVES = Path("results/teachers/reid_training.tsv")
ENVIRONMENT = Path("results/teachers/reid_environment.json")


@stage
def main() -> None:
    """Train the re-identification teacher."""
    parameters = Parameters(PARAMS)
    options = parse_options(
        ReidTrainingOptions, parameters.section("train_reid"), parameters.where("train_reid")
    )
    crops = open_prepared(CROPS)
    samples, inputs = len(crops.split("train").scenes), {"crops": crops.sha256}
    with (
        resuming("train_reid", options, options.training, samples, inputs) as checkpoints,
        ShownProgress("train_reid") as progress,
    ):
        model, history = train_reid(crops, options, progress, checkpoints)
        write_history(CURVES, history)
        write_environment(ENVIRONMENT, model)
        save_weights(WEIGHTS, "reid", options.network, model.state_dict())
    loss = history[-1]["total"]
    say(f"{WEIGHTS}: {options.network.backbone.name} re-ID model, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
