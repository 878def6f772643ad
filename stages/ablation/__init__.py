"""The stages of the ablation, which is a pipeline of its own."""
