"""The comparison with peers: each in its own environment, all on the same model, prompts and noise."""
