"""The one training loop: optimisers, history, checkpoints and resuming."""
