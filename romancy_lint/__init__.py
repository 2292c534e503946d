"""romancy-lint: rejects and rewrites what would make a replay of a workflow differ from its first run."""

from romancy_lint.api import check, fix
from romancy_lint.config import Config, ConfigError
from romancy_lint.finding import Edit, Finding, Fix, Hop, Place

__all__ = ["Config", "ConfigError", "Edit", "Finding", "Fix", "Hop", "Place", "check", "fix"]
