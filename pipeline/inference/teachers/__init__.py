"""What tables are made from: re-ID models, person-search networks, and features that somebody else made."""
