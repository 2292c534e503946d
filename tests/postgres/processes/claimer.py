"""Claims instances as fast as it can, and prints their ids: `python -m … URL NAME GATE [WORKFLOW]`."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from romancy.store.postgres import PostgresStore
from romancy.testing.contract import worker


def main(url: str, name: str, gate: str, workflow: str = "order") -> None:
    with closing(PostgresStore(url)) as store:
        token = store.register(worker(name), store.clock(), store.clock() + 60.0)
        print("ready", flush=True)
        while not Path(gate).exists():
            time.sleep(0.001)
        while claimed := store.claim(token, [workflow], store.clock(), 7):
            print(*(each.id for each in claimed), flush=True)


main(*sys.argv[1:])
