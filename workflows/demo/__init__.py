"""`castmine demo`: a short movie of known faces, and every stage run on it. `run.py` is the path."""
