"""Power cuts: what a disk keeps of writes that were not synced yet, and whether the engine lives with each of it."""
