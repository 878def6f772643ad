"""What stages share: how one is run, and its parameters."""
