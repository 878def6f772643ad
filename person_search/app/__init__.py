"""A page in the browser: click on a person, see who looks alike in an index."""
