"""Serving: the engine, which knows no HTTP, and what speaks to the world."""
