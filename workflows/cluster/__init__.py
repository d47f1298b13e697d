"""`castmine cluster`: the tracks of each movie into its cast, a Ray task a movie. `run.py` is the path."""
