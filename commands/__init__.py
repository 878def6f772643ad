"""The `person-search` console script: what is done outside the pipeline."""

from pipeline.basics.busy_machine import choose_waiting
from pipeline.basics.launchers import forget_other_launchers

# Before PyTorch and lightning-fabric are imported, which read the environment then.
choose_waiting()
forget_other_launchers()
