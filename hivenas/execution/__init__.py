"""Executors, which carry out tasks in this process, in workers or on a cluster, and the tasks that they are given."""

from hivenas.execution.base import TaskExecutor
from hivenas.execution.kinds import make_executor, register_executor
from hivenas.execution.process import WorkerExecutor, limit_threads
from hivenas.execution.same_data import SameDataExecutor
from hivenas.execution.serial import SerialExecutor
from hivenas.execution.tasks import (
    Task,
    augmented_examples,
    digest_data,
    evaluate,
    evaluate_network,
    evaluate_with,
    finalist,
    full_training,
    on_data,
    publish,
)

__all__ = [
    "SameDataExecutor",
    "SerialExecutor",
    "Task",
    "TaskExecutor",
    "WorkerExecutor",
    "augmented_examples",
    "digest_data",
    "evaluate",
    "evaluate_network",
    "evaluate_with",
    "finalist",
    "full_training",
    "limit_threads",
    "make_executor",
    "on_data",
    "publish",
    "register_executor",
]
