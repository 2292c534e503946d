"""Histories that `romancy export` wrote with each version, and the workflows that they are of: these still replay."""
