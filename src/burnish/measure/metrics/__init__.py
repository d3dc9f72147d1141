"""One file a metric: a plain function whose docstring says its source, unit, direction and sample size."""
