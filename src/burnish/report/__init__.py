"""Reads values and pictures, writes pages and sheets. Never runs a model, never reaches the network."""
