"""The kinds of person-search networks by name. Another one is a file beside this, and a line in `HEADS`."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.qeeps import Qeeps
from pipeline.models.seqnet import SeqNet
from pipeline.models.weight_files import load_network

HEADS: Mapping[str, type[PersonSearchNetwork]] = {
    "oim": PersonSearchNetwork,
    "seqnet": SeqNet,
    "qeeps": Qeeps,
}


def build_student(options: PersonSearchOptions) -> PersonSearchNetwork:
    """Build the network of a student. Raises `UserError` where there is no such head."""
    if options.head not in HEADS:
        raise UserError(no_such_head(options.head))
    return HEADS[options.head](options)


def no_such_head(head: str) -> str:
    """Return the message that there is no such head."""
    return f"network.head: there is no '{head}'; known here: {', '.join(HEADS)}"


def load_student(path: Path) -> PersonSearchNetwork:
    """Load the network of a student from its weight file; see `load_network`."""
    return load_network(path, "person_search", PersonSearchOptions, build_student)
