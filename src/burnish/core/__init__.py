"""Frozen values that travel between rooms, and what every room needs to speak of them."""
