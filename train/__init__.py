"""A representation from a harvested dataset: mining, networks, losses, the closed form, the registry."""
