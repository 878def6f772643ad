"""Person search on one's own pictures and videos: detect, embed, index, find, export."""
