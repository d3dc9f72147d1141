"""Measured seconds and a file of prices, turned into money, waiting times and a recommendation."""
