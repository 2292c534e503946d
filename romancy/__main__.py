"""`python -m romancy` is the command `romancy`."""

from romancy.cli import main

main(prog_name="romancy")
