"""The validation identities, which no test result is measured on, and the test identities beside them."""

from pipeline.basics.errors import UserError
from pipeline.scenes.prepared import CROPS_ONLY, PreparedDataSet

VALIDATION = "val"
"""The split's name."""
TEST = "test"
TRAINING = "train"


def note_on_test(chosen: str) -> str:
    """Return the line about what it means to choose something by the test people."""
    return f"these are the test people: whoever chooses {chosen} by them has seen them before the test"


def require_validation(data: PreparedDataSet) -> None:
    """Raise `UserError` where a data set has no validation split."""
    if not data.has(VALIDATION):
        advice = making_validation(data) or (
            "nobody is labelled in its training scenes either, so none can be made of them; "
            "`person-search validate WEIGHTS --split test --data FOLDER` scores on other prepared data"
        )
        raise UserError(f"data set '{data.name}' has no validation split; {advice}")


def making_validation(data: PreparedDataSet) -> str:
    """Return how a data set gets a validation split; "" where nobody is labelled in its training scenes."""
    if data.name in CROPS_ONLY or not labelled(data, TRAINING):
        return ""
    return "`dataset.validation` in params.yaml makes such a split of training scenes"


def labelled(data: PreparedDataSet, split: str) -> int:
    """Return how many boxes of a split show a known person; 0 where there is no such split."""
    return int(data.manifest["splits"][split]["counts"]["labelled"]) if data.has(split) else 0
