"""Which of several processes that train together this one is, whatever else the environment says of ranks.

A training on several devices starts its other processes itself, and numbers them by variables that other
launchers use as well. A shell, a container or a batch system may have such variables left over: obeyed, they
make a single process wait for others that nobody starts.
"""

import os

STARTER_VARIABLE = "PERSON_SEARCH_STARTED_BY"
"""The number of the process that starts the others; they inherit it."""
LAUNCHER_VARIABLES = (
    "LOCAL_RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""What a launcher tells its processes."""


def forget_other_launchers() -> None:
    """Drop the variables of launchers, unless the process that trains with this one has set them.

    It must be called before lightning-fabric is imported, which reads some of them then.
    """
    if _is_started_by_another():
        return
    for variable in LAUNCHER_VARIABLES:
        os.environ.pop(variable, None)
    os.environ[STARTER_VARIABLE] = str(os.getpid())


def rank() -> int:
    """Return which of several processes that train together this is; 0 in the one that a user started."""
    return int(os.environ["LOCAL_RANK"]) if _is_started_by_another() else 0


def _is_started_by_another() -> bool:
    return "LOCAL_RANK" in os.environ and os.environ.get(STARTER_VARIABLE) == str(os.getppid())
