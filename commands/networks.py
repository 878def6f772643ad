"""Loading a network in a program that ends with its command."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from person_search.networks.loading import load_search_network
from person_search.networks.network import SearchNetwork


def load_network(path: Path) -> SearchNetwork:
    """Load a network, PyTorch with it where it needs that; raises what `load_search_network` raises."""
    with collector_at_rest():
        return load_search_network(path)


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python's garbage collector away from what the block imports, then and later.

    PyTorch and torchvision leave 600,000 objects, all of which stay. That the collector looks through them
    while they come, and once more when the program ends, is a third of the CPU time of both together. A
    library must not decide this for its caller, so commands do.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # once is enough, and what is garbage by then would stay for ever
            gc.freeze()
        if was_on:
            gc.enable()
