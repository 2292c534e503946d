"""`python -m romancy_lint`."""

from romancy_lint.cli import main

if __name__ == "__main__":
    main(prog_name="romancy-lint")
