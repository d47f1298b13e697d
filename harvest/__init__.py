"""A movie in, tables out: `movie.py` is the path, the other files are the rooms on it."""
