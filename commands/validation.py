"""The validation identities, which no test result is measured on."""

from pipeline.basics.errors import UserError
from pipeline.scenes.prepared import PreparedDataSet

VALIDATION = "val"
"""The split's name."""


def require_validation(data: PreparedDataSet) -> None:
    """Raise `UserError` where a data set has no validation split."""
    if not data.has(VALIDATION):
        raise UserError(
            f"data set '{data.name}' has no validation split; `dataset.validation` in params.yaml makes "
            "one of training scenes"
        )
