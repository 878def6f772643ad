"""Names in the file of a student's runs, beside those of `metrics.json`."""

QUERIES = "average_precisions"
"""The average precision of each query."""
ENVIRONMENT = "environment"
"""What the run was trained with: code, versions, machine."""
COMMIT = "commit"
CPU = "cpu"
"""Names in `ENVIRONMENT` beside those of `pipeline.training.engine.environment`."""
