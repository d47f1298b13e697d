"""`castmine report`: a self-contained cast sheet per movie, from tables to HTML. `write.py` is the path."""
