"""`castmine train`: a representation from a corpus; the closed form, or a network on Ray."""
