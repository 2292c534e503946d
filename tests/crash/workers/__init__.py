"""Several workers on one file, run as threads of which one at a time goes on, as it was told."""
