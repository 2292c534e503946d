"""An option of the wrong kind is refused where it is written, and never met when an activity fails."""

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, workflow
from romancy.errors import ActivityError, DefinitionError, InstanceFailedError


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 1.5},
        {"max_attempts": 0},
        {"max_attempts": True},
        {"max_attempts": "3"},
        {"initial_delay": -1},
        {"initial_delay": None},
        {"backoff": 0},
        {"max_delay": float("nan")},
        {"non_retryable": ("ValueError",)},
        {"non_retryable": (3,)},
    ],
    ids=str,
)
def test_a_policy_refuses_what_it_cannot_count_with(wrong):
    with pytest.raises(DefinitionError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


def test_a_number_is_no_policy():
    with pytest.raises(DefinitionError, match=r"write retry=RetryPolicy\(max_attempts"):

        @activity(retry=5)
        def pay() -> None: ...

    @activity
    def charge() -> None: ...

    with pytest.raises(DefinitionError, match=r"write retry=RetryPolicy\(max_attempts"):
        charge().options(retry=4)


class Rude(Exception):
    """Everything that one could ask of it raises."""

    @property
    def retry_after(self):
        raise RuntimeError("not this")

    def __str__(self):
        raise RuntimeError("nor that")


def test_an_exception_that_answers_nothing_fails_its_own_instance_only():
    @activity(retry=RetryPolicy(max_attempts=2, initial_delay=0))
    def rude() -> None:
        raise Rude

    @activity
    def kind() -> int:
        return 1

    @workflow
    def asks_the_rude(ctx: Context):
        yield rude()

    @workflow
    def asks_the_kind(ctx: Context):
        return (yield kind())

    with Romancy(":memory:") as app:
        with pytest.raises(InstanceFailedError) as failed:
            app.run(asks_the_rude(), timeout=20)
        assert isinstance(failed.value.__cause__, ActivityError)
        assert app.run(asks_the_kind(), timeout=20) == 1
