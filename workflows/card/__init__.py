"""`castmine card`: what a dataset holds, how it was made and what is owed for it, in Markdown, from its records."""
