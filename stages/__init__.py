"""One thin click command for each DVC stage, of the stage's name."""

import os
import signal

from pipeline.basics.busy_machine import choose_waiting
from pipeline.basics.launchers import DVC_VARIABLE, forget_other_launchers
from stages.support.starter import end_with_dvc

# Before PyTorch and lightning-fabric are imported, because their import reads the environment.
choose_waiting()
forget_other_launchers()

if DVC_VARIABLE in os.environ:
    # Before PyTorch is imported: that takes seconds, in which DVC may be killed or Ctrl-C be pressed. Ctrl-C
    # ends the stage without a traceback; once it runs, `support/running.py` handles Ctrl-C.
    end_with_dvc()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
