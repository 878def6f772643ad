"""The re-ID teacher's losses."""
