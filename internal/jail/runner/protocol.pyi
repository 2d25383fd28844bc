"""What worker and runner say to one another, for the type checker alone: no such module exists when the runner runs."""
import os
from typing import Any, TypedDict

# A run of memory: its address and its size.
Run = tuple[int, int]

# A file that was found in the working directory: its path, what is known of it, and why it cannot be handed back, empty where it can.
Found = tuple[str, os.stat_result | None, str]

# The header of an answer, or a part of it.
Document = dict[str, Any]

class Program(TypedDict):
    """A job's seccomp filter (jobProgram in seccomp.go)."""

    code: str  # in hex
    pid: int
    pid_at: list[int] | None
    clock_at: list[int] | None

class Machine(TypedDict):
    """The plain files of a jail's root (machine in machine.go)."""

    files: dict[str, str]
    links: dict[str, str]
    pipes: list[str]
    mount: str

class Settings(TypedDict):
    """What a server is told at its start (settings in server.go)."""

    preload: list[str]
    optional: list[str]
    rehearse: bool
    study: bool
    once: bool
    tmpfs: str
    directory: str
    uid: int | None
    drop_bounding: bool
    rlimits: dict[str, int]
    seccomp: Program | None
    machine: Machine | None
    memory_mb: int
    denied: list[str]
    program_denied: list[str]
    result_bytes: int
    limits: dict[str, int]
    files: int
    files_bytes: int
    outputs: int
    outputs_bytes: int

class _Path(TypedDict):
    path: str

class File(_Path, total=False):
    """A file of a request (File in job.go)."""

    content: str
    encoding: str

class _Order(TypedDict):
    script: str
    cpu_seconds: int

class Request(_Order, total=False):
    """A job (order in run.go)."""

    args: Any
    program: bool
    files: list[File]
