"""How a student is run over a split."""

from pydantic import Field

from pipeline.basics.options import Options


class InferenceOptions(Options):
    """How a student is run.

    Attributes:
        batch_size: scenes at a time.
        context_threshold: lowest score, 0..1, of the people around a query that are kept for CBGM.
    """

    batch_size: int = Field(gt=0)
    context_threshold: float = Field(ge=0, le=1)
