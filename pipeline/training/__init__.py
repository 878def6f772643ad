"""The one training loop, what each network does in it, optimisers, devices and seeds."""
