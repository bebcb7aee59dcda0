"""Where candidates are evaluated: executors behind `concurrent.futures.Executor`, and what they are given to call."""

from hivenas.execution.kinds import make_executor
from hivenas.execution.process import WorkerExecutor, limit_threads
from hivenas.execution.serial import SerialExecutor
from hivenas.execution.tasks import (
    Local,
    Unlimited,
    augmented_examples,
    describe_data,
    interface_of,
    run_proposal,
    train_arch,
)

__all__ = [
    "Local",
    "SerialExecutor",
    "Unlimited",
    "WorkerExecutor",
    "augmented_examples",
    "describe_data",
    "interface_of",
    "limit_threads",
    "make_executor",
    "run_proposal",
    "train_arch",
]
