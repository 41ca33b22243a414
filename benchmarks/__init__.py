"""One file a figure; each measures ratios in one run, and prints JSON or a table."""
