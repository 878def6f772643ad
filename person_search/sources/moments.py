"""Which of a video's frames are taken: by when they are shown, not by counting them."""

import re
from fractions import Fraction

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

SET_BACK = Fraction(1)
"""A time that falls back by more seconds than this is one of a clock that was set back."""
UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "": Fraction(1), "m": Fraction(60), "min": Fraction(60)}
"""Seconds of the units of `--every`."""


def interval(text: str) -> Fraction:
    """Return a length of time such as `0.5s`, `500ms`, `2` (seconds) or `1m`, in seconds.

    Raises:
        UserError: it is another text, or zero.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})\s*(ms|s|min|m|)", text.strip(), re.ASCII)
    seconds = Fraction(match.group(1)) * UNITS[match.group(2)] if match else Fraction(0)
    if not seconds:
        raise UserError(f"--every {printable(text)}: give a time such as 0.5s, 200ms or 1m")
    return seconds


class Clock:
    """Turns the times of frames into seconds since the first frame, which never fall.

    Frames without a time follow the one before at the video's usual distance. Where the times fall back by
    more than `SET_BACK`, as in joined recordings, they go on from there.

    Args:
        step: the usual distance of two frames, in seconds.
    """

    def __init__(self, step: Fraction) -> None:
        self._step = step
        self._start: Fraction | None = None
        self._last = Fraction(0)

    def since_first(self, time: Fraction | None) -> Fraction:
        """Return the seconds between the first frame and the next one, which has this time."""
        if self._start is None:
            self._start = time or Fraction(0)
            return self._last
        now = self._last + self._step if time is None else time - self._start
        if time is not None and now < self._last - SET_BACK:
            now = self._last + self._step
            self._start = time - now
        self._last = max(now, self._last)
        return self._last


class Picker:
    """Takes the first frame of each interval; all frames where there is no interval.

    Which frames are taken depends on their times alone.

    Args:
        every: the interval in seconds, counted from the first frame; None for every frame.
    """

    def __init__(self, every: Fraction | None) -> None:
        self._every = every
        self._last = -1

    def takes(self, seconds: Fraction) -> bool:
        """Return whether the next frame, so many seconds behind the first one, is taken."""
        if self._every is None:
            return True
        number = int(seconds / self._every)
        taken = number > self._last
        self._last = max(number, self._last)
        return taken
