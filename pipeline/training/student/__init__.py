"""What a student learns, with and without teachers."""
