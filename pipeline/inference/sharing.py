"""Samples shared by several devices: each takes every n-th batch, the first gathers what all have found.

Batches are those of one device, so that results are too. With one device, it has all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed

from pipeline.batches.loading import Share

PATIENCE = timedelta(days=1)
"""How long a device waits for slower ones. One that has ended is noticed at once: its connections close."""

ALL = Share()
"""The share of one device alone."""

Result = TypeVar("Result")


def own_batches(samples: int, batch_size: int, share: Share) -> list[range]:
    """Return a share of the batches of samples `0 .. samples-1`; the last batch may be smaller."""
    starts = range(share.rank * batch_size, samples, share.ranks * batch_size)
    return [range(start, min(start + batch_size, samples)) for start in starts]


def done_by_all(batch: range, samples: int, share: Share) -> int:
    """Return how many samples all devices have done after one of the first one's batches, if equally fast."""
    others = (share.ranks - 1) * len(batch)
    return min(batch[-1] + 1 + others, samples)


class Gathering:
    """The devices that share the samples. All of them must make one before they start, and use it once.

    Attributes:
        share: what this device has of them.
    """

    def __init__(self) -> None:
        together = distributed.is_available() and distributed.is_initialized()
        ranks = distributed.get_world_size() if together else 1
        self.share = Share(distributed.get_rank(), ranks) if ranks > 1 else ALL
        # Through the processors' memory, whatever the devices: results may be larger than a device's.
        self._group: Any = distributed.new_group(backend="gloo", timeout=PATIENCE) if ranks > 1 else None

    def in_order(self, own: Iterable[tuple[int, Result]]) -> Iterator[Result]:
        """Yield on the first device the results of all devices in the samples' order, on others none.

        One device alone holds no result longer than it is asked for. All devices must go through them.

        Args:
            own: this device's results, each behind its first sample.

        Raises:
            RuntimeError: another device's process has ended.
        """
        if self._group is None:
            yield from (result for _, result in own)
            return
        yield from self.on_first(dict(own)) or []

    def on_first(self, own: Mapping[int, Result]) -> list[Result] | None:
        """Return the results of all devices in the samples' order on the first device, None on the others.

        Args:
            own: this device's results, by sample.

        Raises:
            RuntimeError: another device's process has ended.
        """
        everything = dict(own)
        if self._group is not None:
            parts: list[Mapping[int, Result]] | None = None
            if self.share.rank == 0:
                parts = [{} for _ in range(self.share.ranks)]
            distributed.gather_object(everything, parts, dst=0, group=self._group)
            if parts is None:
                return None
            everything = {index: result for part in parts for index, result in part.items()}
        return [everything[index] for index in sorted(everything)]
