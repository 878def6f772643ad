"""The table of results and the figures."""

import os

os.environ["MPLBACKEND"] = "agg"  # before matplotlib is imported, which fails on a backend that is not here
