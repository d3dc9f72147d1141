"""Releases: immutable, signed versions of bundles in a registry, and the aliases that lead to them.

A release is a directory: `release.json`, the folder `bundle`, a card, and a signature over all of it.
"""
