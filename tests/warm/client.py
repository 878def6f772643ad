"""In a program's place: has the server run it, and ends as it ended. `programs` puts it on the path.

It is run without `site`, so that it starts in no time, and imports the standard library alone.
"""

import json
import os
import signal
import socket
import struct
import sys

FOLDER, NAME = os.path.split(os.path.abspath(sys.argv[0]))  # noqa: PTH100 (pathlib's import takes longer)


def main() -> None:
    """Run a program with a name of its own, or of Python's calls a stage, a benchmark or a file.

    Any other call of Python starts as ever.
    """
    is_module = sys.argv[1:2] == ["-m"] and sys.argv[2].startswith(("stages.", "benchmarks."))
    is_file = sys.argv[1:2] and not sys.argv[1].startswith("-")
    if NAME == "python" and not is_module and not is_file:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    folder = os.getcwd()  # noqa: PTH109
    request = {
        "arguments": [NAME, *sys.argv[1:]],
        "environment": {**os.environ},
        "folder": folder,
        "starter": os.getppid(),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(os.path.join(FOLDER, "socket"))  # noqa: PTH118
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        answer = server.recv(4)
    if len(answer) < 4:
        sys.exit(f"what runs {NAME} is gone")
    (code,) = struct.unpack("i", answer)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


main()
