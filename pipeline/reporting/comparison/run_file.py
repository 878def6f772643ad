"""Names in the file of a row's runs, beside those of `metrics.json`. All runs depend on this file alone."""

QUERIES = "average_precisions"
"""The average precision of each query."""
ENVIRONMENT = "environment"
"""What the run was trained on."""
