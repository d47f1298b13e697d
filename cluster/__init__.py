"""A movie's tracks into its cast, under cannot-link."""
