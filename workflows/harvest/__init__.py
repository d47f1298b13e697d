"""`castmine harvest` on Ray: the plan of a corpus, the jobs that follow from it, the worker that does them."""
