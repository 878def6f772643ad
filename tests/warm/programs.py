"""A folder of programs that start at once, to be put first on the path, and the server behind them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.basics.launchers import LAUNCHER_VARIABLES

HERE = Path(__file__).parent
NAMES = ("python", "dvc", "person-search")


@contextmanager
def warm_programs(folder: Path, below: Sequence[str] = ()) -> Iterator[Path]:
    """Start a server whose programs are in this folder; it ends with the block.

    Of Python's own calls, those of a stage, a benchmark or a file are forked; others start as ever. A
    program's parents are the server's: what watches or kills it sees other processes than a user would.

    Args:
        folder: an empty one, whose path is short enough for a socket in it.
        below: a command that runs the command behind it.
    """
    client = (HERE / "client.py").read_text()
    for name in NAMES:
        (folder / name).write_text(f"#!{sys.executable} -IS\n{client}")
        (folder / name).chmod(0o755)
    command = [*below, sys.executable, str(HERE / "server.py"), str(folder / "socket")]
    foreign = ("PYTHON", "PERSON_SEARCH_", *LAUNCHER_VARIABLES)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with subprocess.Popen(
        command,
        env={**inherited, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield folder
