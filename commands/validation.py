"""The validation identities, which no test result is measured on, and the test identities beside them."""

from pipeline.basics.errors import UserError
from pipeline.scenes.prepared import PreparedDataSet

VALIDATION = "val"
"""The split's name."""
TEST = "test"


def note_on_test(chosen: str) -> str:
    """Return the line about what it means to choose something by the test people."""
    return f"these are the test people: whoever chooses {chosen} by them has seen them before the test"


def require_validation(data: PreparedDataSet) -> None:
    """Raise `UserError` where a data set has no validation split."""
    if not data.has(VALIDATION):
        raise UserError(
            f"data set '{data.name}' has no validation split; `dataset.validation` in params.yaml makes "
            "one of training scenes"
        )
