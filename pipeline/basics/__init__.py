"""What everything stands on: errors, options, files that are whole or absent, being asked to stop."""
