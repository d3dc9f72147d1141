"""The recipe of the embedded icons model: data, training, evaluation, packing."""
