"""The tables: which names of Python and its libraries are not the same on every run. Users extend them by configuration."""
