"""The state of a training in files, so that a training that was stopped goes on."""
