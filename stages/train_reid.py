"""Stage `train_reid`: train the re-identification teacher on crops."""

from pipeline.models.pretrained import pretrained_sha256
from pipeline.models.weight_files import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.engine.environment import write_environment
from pipeline.training.engine.history import write_history
from pipeline.training.reid import ReidTrainingOptions, train_reid
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, REID, TEACHER_RESULTS
from stages.support.resuming import resuming
from stages.support.running import ShownProgress, say, stage

PARAMS = ("train_reid",)


@stage
def main() -> None:
    """Train the re-identification teacher."""
    options = Parameters(PARAMS).options("train_reid", ReidTrainingOptions)
    crops = open_prepared(CROPS)
    samples, inputs = (
        len(crops.split("train").scenes),
        {"crops": crops.sha256, **pretrained_sha256(options.network.backbone.weights)},
    )
    with (
        resuming("train_reid", options, options.training, samples, inputs) as checkpoints,
        ShownProgress("train_reid") as progress,
    ):
        model, history = train_reid(crops, options, progress, checkpoints)
        write_history(TEACHER_RESULTS / "reid_training.tsv", history)
        write_environment(TEACHER_RESULTS / "reid_environment.json", model)
        save_weights(REID, "reid", options.network, model.state_dict())
    loss = history[-1]["total"]
    say(f"{REID}: {options.network.backbone.name} re-ID model, loss {loss:.3f} at the end")


if __name__ == "__main__":
    main()
