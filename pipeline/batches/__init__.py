"""From prepared scenes to batches: sampling, loading, ground truth as tensors."""
