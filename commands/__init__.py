"""The commands of the `person-search` console script: what a person does outside the pipeline."""

from pipeline.basics.busy_machine import choose_waiting
from pipeline.basics.launchers import forget_other_launchers

# Before PyTorch and lightning-fabric are imported, because their import reads the environment.
choose_waiting()
forget_other_launchers()
