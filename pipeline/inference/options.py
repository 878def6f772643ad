"""How a student is run over a split."""

from pydantic import Field

from pipeline.basics.options import Options


class InferenceOptions(Options):
    """Scenes at a time, and the lowest score of the people around a query that are kept for CBGM."""

    batch_size: int = Field(gt=0)
    context_threshold: float = Field(ge=0, le=1)
