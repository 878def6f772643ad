"""A process that has imported the slow libraries, and forks itself to run a program: no start waits for them.

Run as `python server.py SOCKET`; it ends with its standard input. It imports nothing of the project, since
each copy of that has its own, nor lightning-fabric, whose import reads launchers' variables. Each connection
brings a program's arguments, environment and folder, and its three standard files; what the program exits
with goes back.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from pathlib import Path

SLOW = (
    "torch",
    "torch._dynamo",
    "torchvision.transforms.v2",
    "scipy.stats",
    "matplotlib.figure",
    "h5py",
    "jinja2",
    "pydantic",
    "rich.progress",
    "ruamel.yaml",
    "safetensors.torch",
    "dvc.cli",
    "dvc.cli.parser",
    "dvc.repo.index",
    "dvc.scm",
)
"""What takes most of the time until a stage, or DVC, begins."""
REQUEST_BYTES = 1 << 18
"""More than a socket's buffer holds."""
NOT_WRITTEN = 120
"""What Python exits with where its last words could not be written."""
PROGRAMS = Path(sys.executable).parent
"""Where the environment's programs are."""


def serve(path: str) -> None:
    """Answer connections at a socket until the standard input ends; forked programs return from here."""
    for name in SLOW:
        importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"{threads} threads, and no fork has the others"
    gc.collect()
    gc.freeze()  # forks share what is not written to, and the collector writes to all that it looks at
    signal.signal(signal.SIGCHLD, _bury)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(connection)
                return
            connection.close()


def _bury(*_: object) -> None:
    """Take note of all children that ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(connection: socket.socket) -> None:
    """Run the program in a child, which returns from here as if it had been started so; say how it ended.

    The child is ended if what asked for it is gone.
    """
    request, files, *_ = socket.recv_fds(connection, REQUEST_BYTES, 3)
    program = os.fork()
    if program == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        _run(**json.loads(request))
        return
    for file in files:
        os.close(file)
    ended = os.pidfd_open(program)
    if ended not in select.select([connection, ended], [], [])[0]:
        os.kill(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    with contextlib.suppress(OSError):
        connection.sendall(array.array("i", [os.waitstatus_to_exitcode(status)]).tobytes())
    os._exit(0)


def _run(arguments: list[str], environment: dict[str, str], folder: str, starter: int) -> None:
    """Run `python -m MODULE`, `python FILE` or a program of the environment, as the interpreter does.

    What it starts as a further process of a training starts at once, too.
    """
    # A process of a training knows its starter by the parent's number: here the parent is the server's.
    own, parent_of_this = os.getpid(), os.getppid
    os.getppid = lambda: starter if os.getpid() == own else parent_of_this()
    sys.executable = str(Path(sys.argv[1]).with_name("python"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    further = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [place for place in further if place]
    name, *rest = arguments
    if arguments[:2] == ["python", "-m"]:
        module, *rest = rest[1:]
        sys.path[0], sys.argv = folder, ["-m", *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    sys.argv = rest if name == "python" else [str(PROGRAMS / name), *rest]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _end(code: object) -> None:
    """End a program as the interpreter does, but for taking apart all that it shares with the server.

    That would take longer than most programs run: each object that is freed is a page that is copied first.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for the program's threads
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = NOT_WRITTEN
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    try:
        serve(sys.argv[1])
    except SystemExit as ending:
        _end(ending.code)
    _end(None)
