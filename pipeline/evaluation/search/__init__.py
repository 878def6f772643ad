"""Search metrics: ranking, average precision, context matching."""
