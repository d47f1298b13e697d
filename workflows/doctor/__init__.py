"""`castmine doctor`: what of a machine, a pack and a dataset works, and what to do about the rest."""
