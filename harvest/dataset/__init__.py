"""The dataset: schemas, atomic commits, reading. Nothing here knows of videos, models or Ray."""
