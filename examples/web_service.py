"""A web service that takes orders, and works on them in the same process; an order it accepted is never lost.

    python examples/web_service.py [DATABASE [PORT]]          # after: pip install 'romancy[web]'
    curl localhost:8000/orders -d '{"id": "o-1", "item": "lamp"}'
    curl localhost:8000/orders/o-1

Kill it at any time: the next start goes on with what it accepted. Several such processes may share one database.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from romancy import Context, Flow, Romancy, activity, workflow
from romancy.errors import DefinitionError, InstanceExistsError, UnknownInstanceError


@activity
async def ship(item: str) -> str:
    return f"parcel with {item}"


@workflow
def order(ctx: Context, item: str) -> Flow[str]:
    return (yield from ship(item))


def service(database: str) -> Starlette:
    """The web application; the runtime is open while it is up."""
    app = Romancy(database)

    async def post(request: Request) -> JSONResponse:
        try:
            wanted = await request.json()
            handle = await run_in_threadpool(app.start, order(str(wanted["item"])), id=str(wanted["id"]))
        except InstanceExistsError as conflict:
            return JSONResponse({"error": str(conflict)}, 409)
        except (ValueError, LookupError, TypeError, DefinitionError):
            return JSONResponse({"error": 'send {"id": …, "item": …}'}, 400)
        return JSONResponse({"id": handle.id, "status": handle.status}, 202)

    def get(request: Request) -> JSONResponse:
        try:
            handle = app.get(request.path_params["id"])
        except UnknownInstanceError as unknown:
            return JSONResponse({"error": str(unknown)}, 404)
        found = {"id": handle.id, "status": handle.status}
        return JSONResponse({**found, "result": handle.result()} if found["status"] == "completed" else found)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with app:
            yield

    routes = [Route("/orders", post, methods=["POST"]), Route("/orders/{id:path}", get)]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    database = sys.argv[1] if len(sys.argv) > 1 else "web_service.db"
    uvicorn.run(service(database), port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)


if __name__ == "__main__":
    main()
