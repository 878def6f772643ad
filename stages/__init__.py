"""One thin click command for each DVC stage, of the stage's name."""

import os
import signal

if "DVC_STAGE" in os.environ:
    # Ctrl-C while PyTorch is imported ends a stage without a traceback. `support/running.py` takes over then.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
