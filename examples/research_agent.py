"""An agent of three questions to a language model: research, analysis, synthesis; each answer is asked for once.

    python examples/research_agent.py [TOPIC [FOLDER]]

The model is an offline one that fails now and then. ROMANCY_EXAMPLE_MODEL=gpt-4o-mini (say) asks a real one through the
`llm` package: pip install 'romancy[llm]'. Kill the script and start it again: it goes on with the question it was at.
The offline model declines to write about "perpetual motion", and then the notes that were made are deleted.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

from romancy import Context, Flow, RetryPolicy, Romancy, activity, activity_context, workflow
from romancy.errors import InstanceFailedError, TerminalError

PATIENT = RetryPolicy(max_attempts=6, initial_delay=0.2, non_retryable=(ImportError, LookupError))


def delete_note(folder: str, role: str, question: str, *, result: str) -> None:
    (Path(folder) / f"{role}.md").unlink(missing_ok=True)
    print(f"deleted {role}.md", flush=True)


@activity(retry=PATIENT, timeout=300, compensate=delete_note)
def ask(folder: str, role: str, question: str) -> str:
    attempt = activity_context().attempt
    print(f"asking for {role}, attempt {attempt}", flush=True)
    name = os.environ.get("ROMANCY_EXAMPLE_MODEL")
    if name:
        answer = str(importlib.import_module("llm").get_model(name).prompt(question).text())
    else:
        answer = offline_model(role, question, attempt)
    (Path(folder) / f"{role}.md").write_text(answer, "utf-8")
    return answer


def offline_model(role: str, question: str, attempt: int) -> str:
    if attempt < {"research": 2, "analysis": 3}.get(role, 1):
        raise ConnectionError("the model is overloaded")
    if role == "synthesis" and "perpetual motion" in question:
        raise TerminalError("the model declines to write about this")
    return f"{role} of <{question}>"


@workflow
def agent(ctx: Context, topic: str, folder: str) -> Flow[str]:
    facts = yield from ask(folder, "research", f"What is known of {topic}?")
    meaning = yield from ask(folder, "analysis", f"What follows from this? {facts}")
    return (yield from ask(folder, "synthesis", f"Write a summary: {meaning}"))


def main() -> None:
    topic = sys.argv[1] if len(sys.argv) > 1 else "durable execution"
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "research")
    notes = folder / re.sub(r"\W+", "-", topic)
    notes.mkdir(parents=True, exist_ok=True)
    with Romancy(folder / "agent.db") as app:
        try:
            print(app.run(agent(topic, str(notes)), id=topic))
        except InstanceFailedError as failure:
            print(f"gave up: {failure.__cause__}")


if __name__ == "__main__":
    main()
