"""`castmine compare`: clusterings of one dataset side by side, as a table, a CSV and a page. `run.py` is the path."""
