"""The data set that the project draws itself."""
