"""The smallest schedules of bugs that were found, and of what other systems got wrong."""

from tests.crash.workers.moves import CLIENT, Cancel, Go, Kill, Pass, Plan, Skew, Start, Until

LONG = 100_000
"""More boundaries than anybody passes at a stretch: until there is nothing to do."""

A_LEASE_RENEWED_WHILE_ANOTHER_WORKER_WAITS_TO_TAKE_IT = Plan(
    ("here", "there"),
    (
        Start(0, "naps", 1),
        Go(0, 0, LONG),
        Until(0, "before the body of add", thread=1),
        Go(1, 0, LONG),
        Pass(31),
        Until(1, "before take over"),
        Go(0, 0, LONG),
    ),
)
TWO_SESSIONS_AND_A_CLOCK_SET_BACK_BETWEEN_THEM = Plan(
    ("here",),
    (
        Start(0, "fans", 1),
        Go(0, 0, LONG),
        Pass(10),
        Until(0, "after session", thread=2),
        Skew(0, -300),
        Go(0, 2, LONG),
        Go(0, 2, LONG),
        Go(0, 3, LONG),
    ),
    agree=False,
)
A_ZOMBIE_IN_A_TRANSACTION = Plan(
    ("here", "there"),
    (
        Start(0, "pays", 3),
        Go(0, 0, LONG),
        Until(0, "before commit of session", thread=1),
        Pass(31),
        *(Go(1, 0, 500),) * 3,
        Kill(0),
    ),
)
A_ZOMBIE_THAT_COMES_BACK_IN_ITS_TURN = Plan(
    ("here", "there"),
    (
        Start(0, "sums", 3),
        Go(0, 0, LONG),
        Until(0, "before commit", thread=1),
        Pass(31),
        *(Go(1, 0, LONG),) * 3,
        Go(0, 1, LONG),
        Go(0, 0, LONG),
    ),
)
A_START_THAT_A_ZOMBIE_TAKES = Plan(
    ("here", "there"),
    (
        Go(0, 0, LONG),
        Start(0, "sums", 3),
        Until(0, "before create"),
        Pass(31),
        *(Go(1, 0, LONG),) * 3,
        Go(0, 0, LONG),
    ),
)
A_LETTER_THAT_COMES_DURING_A_TURN = Plan(
    ("here",),
    (
        Start(0, "naps", 1),
        Go(0, 0, LONG),
        Until(0, "before commit", thread=1),
        Cancel("naps", 1),
        Go(CLIENT, 0, LONG),
        Go(0, 1, LONG),
    ),
)
