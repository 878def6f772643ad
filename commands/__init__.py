"""The `person-search` console script: what is done outside the pipeline."""
