"""SIGTERM and Ctrl-C during a training: it notes them, and stops after a step, when its state is whole."""

import os
import signal
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):  # noqa: N818 (it is no error of the program)
    """A training was asked to stop and did so after a step.

    Attributes:
        signal: the signal that asked for it.
        step: how many steps are done.
    """

    def __init__(self, signal_number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name} after step {step}")
        self.signal = signal_number
        self.step = step


class Interruption:
    """Notes SIGTERM and Ctrl-C while it is entered, as a context manager; a second Ctrl-C acts at once.

    A second SIGTERM does not: a batch system may send it twice.

    Attributes:
        signal: the one that came; None before.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._process = os.getpid()
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> "Interruption":
        """Start to note signals."""
        for number in SIGNALS:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let signals do what they did before."""
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # A process that loads data has inherited this handler; the training ends it.
        if self.signal is not None and number == signal.SIGINT:
            self._restore()
            os.kill(os.getpid(), number)
        self.signal = number

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
