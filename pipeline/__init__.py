"""Person search with knowledge distillation: the library behind the stages and the commands."""
