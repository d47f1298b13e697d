"""`castmine sql`: one SELECT over the committed shards, locked against anything else. `select.py` is the lock."""
