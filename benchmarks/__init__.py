"""Speed as ratios in one run against named peers. Run on a quiet machine; nothing here is a test."""
