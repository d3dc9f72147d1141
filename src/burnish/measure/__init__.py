"""Suites of prompts and seeds, one file a metric, the gate, and what a run costs.

Pictures are numpy uint8 arrays (n, height, width, 3) in sRGB. Nothing here makes a picture.
"""
