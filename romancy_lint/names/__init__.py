"""The tables: which names are not the same on every run; users extend them by configuration."""
