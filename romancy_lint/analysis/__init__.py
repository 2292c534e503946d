"""From modules to findings: names are resolved, functions walked from workflows on, facts gathered at their places."""
