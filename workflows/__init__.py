"""The Ray drivers, the command line and everything a person sees."""
