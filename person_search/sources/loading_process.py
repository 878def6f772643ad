"""A process that reads items beside the program, so that a decoder that crashes costs one item."""

import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from person_search.sources.channel import Channel, ClosedError, SentFrame
from person_search.sources.frames import Frame
from person_search.sources.jobs import Job, frames_of, gap_of
from person_search.sources.places import Kind
from pipeline.inference.own_pictures.printable import printable

START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from person_search.sources.loading_process import serve; serve(int(sys.argv[1]))"
)
"""The program of the process. It does not import the caller's main module, as `multiprocessing` would."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PATIENCE = 300.0
"""Seconds after which a picture that is still being decoded is given up."""


TAKEN = "taken"
"""Said to a process when its frame was taken: it decodes one frame ahead, and waits for this to send it."""


class Note(NamedTuple):
    """A line about an item that is being read."""

    line: str


class End(NamedTuple):
    """An item was read; `gap` says why it, or its rest, is passed over."""

    gap: str | None


class LoadingProcess:
    """A process that reads one item after the other.

    It starts with the first item, and again after a crash. It is in a process group of its own, so that
    Ctrl-C reaches the program alone, which then ends it. It ends by itself when the program is gone.
    """

    def __init__(self) -> None:
        self._running: _Running | None = None
        self._ended = False
        self._lock = threading.Lock()

    def read(self, job: Job, wait_for_room: Callable[[int], None]) -> Iterator[Frame | Note | End]:
        """Yield what comes of an item, an `End` last; a process that dies, or hangs, is one, too.

        Args:
            job: the item.
            wait_for_room: called with a frame's bytes before they are received.

        Raises:
            RuntimeError: the process cannot start.
            ClosedError: `end` was called.
        """
        running = self._started()
        try:
            yield from running.messages(job, wait_for_room)
        except TimeoutError:
            self._stop()
            yield End(f"{job.item.shown} was not decoded in {PATIENCE:g} seconds")
        except ClosedError:
            if self._ended:
                raise
            fate = running.fate()
            self._stop()
            yield End(f"{job.item.shown} cannot be read: its decoder {fate}")

    def end(self) -> None:
        """End the process at once. May be called from any thread; the one that reads calls `close` then."""
        with self._lock:
            self._ended = True
            if self._running is not None:
                self._running.kill()

    def close(self) -> None:
        """End the process and wait until it is gone."""
        self.end()
        self._stop()

    def _started(self) -> "_Running":
        with self._lock:
            if self._ended:
                raise ClosedError
            if self._running is None:
                self._running = _Running()
        self._running.wait_until_ready()
        return self._running

    def _stop(self) -> None:
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.close()


class _Running:
    """A process that was started."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), *sys.path],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                env={**os.environ, **ONE_THREAD},
                process_group=0,
            )
        self._channel = Channel(ours)
        self._is_ready = False

    def wait_until_ready(self) -> None:
        """Wait until it has started. Raises `RuntimeError` with its last words where it cannot."""
        if self._is_ready:
            return
        try:
            self._channel.receive()
        except ClosedError:
            raise RuntimeError(f"a process that loads pictures {self.fate()}") from None
        self._is_ready = True

    def messages(self, job: Job, wait_for_room: Callable[[int], None]) -> Iterator[Frame | Note | End]:
        """Yield what the process says about an item. Raises `ClosedError` or `TimeoutError`."""
        self._channel.send(job)
        patience = PATIENCE if job.item.kind == Kind.PICTURE else None
        message: Any = None
        while not isinstance(message, End):
            message = self._channel.receive(patience)
            if isinstance(message, SentFrame):
                with closing(message):
                    wait_for_room(message.size)
                    frame = message.read()
                self._channel.send(TAKEN)
                yield frame
            else:
                yield message

    def kill(self) -> None:
        """End it at once: who reads from it learns that."""
        self._process.kill()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        self._process.wait()
        self._channel.close()
        self._words.close()

    def fate(self) -> str:
        """Return how it ended, which it did."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "was killed (by a lack of memory?)"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return f"ended with code {code}{f': {printable(lines[-1])}' if lines else ''}"


def serve(descriptor: int) -> None:
    """Read items for the program at the other end of a socket, until that is gone."""
    channel = Channel(socket.socket(fileno=descriptor))
    jobs, room = queue.SimpleQueue[Job](), threading.Semaphore()
    threading.Thread(target=_listen, args=(channel, jobs, room), daemon=True).start()
    try:
        channel.send(Note("ready"))
        while True:
            channel.send(_sent(jobs.get(), channel, room))
    except ClosedError:
        return


def _listen(channel: Channel, jobs: "queue.SimpleQueue[Job]", room: threading.Semaphore) -> None:
    """Take what the program says. When it is gone, end the process, whatever that is decoding."""
    try:
        while True:
            message = channel.receive()
            if message == TAKEN:
                room.release()
            else:
                jobs.put(message)
    except ClosedError:
        os._exit(0)


def _sent(job: Job, channel: Channel, room: threading.Semaphore) -> End:
    """Send an item's frames, each when the one before was taken; return how it ended."""
    try:
        for frame in frames_of(job, lambda line: channel.send(Note(line))):
            room.acquire()
            channel.send_frame(frame)
    except ClosedError:
        raise
    except Exception as error:  # whatever is wrong with one item, the others are read
        return End(gap_of(job.item, error))
    return End(None)
