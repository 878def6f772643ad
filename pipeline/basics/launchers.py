"""The rank of this process among those that train together, whatever variables of other launchers say.

A training on several devices starts its other processes itself. It numbers them by variables that launchers
use too, and a shell, a container or a batch system may have such variables left over. If they were obeyed, a
single process would wait for others that nobody starts.
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
"""The variables by which a launcher tells its processes their ranks."""


def forget_other_launchers() -> None:
    """Drop the variables of launchers, unless the process that trains with this one has set them.

    It must be called before lightning-fabric is imported, because its import reads some of them.
    """
    if _is_started_by_another():
        return
    for variable in LAUNCHER_VARIABLES:
        os.environ.pop(variable, None)
    os.environ[STARTER_VARIABLE] = str(os.getpid())


def rank() -> int:
    """Return the rank of this process among those that train together; 0 in the one that a user started."""
    return int(os.environ["LOCAL_RANK"]) if _is_started_by_another() else 0


def _is_started_by_another() -> bool:
    return "LOCAL_RANK" in os.environ and os.environ.get(STARTER_VARIABLE) == str(os.getppid())
