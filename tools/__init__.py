"""What keeps the project itself in order; nothing at run time needs it."""
