"""What optimization may change beside quality: robustness, novelty, bias, memorisation, membership.

Always the optimized model against its original, on the same prompts and seeds; every number has an interval.
One file a question: pure functions on arrays first, then the part that draws. Nothing decides a release here.
"""
