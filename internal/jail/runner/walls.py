"""Puts a freshly forked child behind its walls. Nothing of the job has been read yet when this is done."""
from __future__ import annotations

import os
import resource
import signal
import struct
import sys

from runner import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runner.protocol import Settings

STDIN, STDOUT, STDERR, JOB, RESULT = FDS = range(5)

# The status of a job that has answered. With any other its server looks what it leaves in its directory.
ANSWERED = 76

# Asks a job where it is, and ends it; see faulthandler.
DUMP_SIGNAL = signal.SIGUSR2


def close_others() -> None:
    """Leaves open what the job gets, and nothing else."""
    os.closerange(len(FDS), 1 << 16)


# The limits that a server needs room in itself: it locks memory, and has processes.
_SERVERS_OWN = ("MEMLOCK", "NPROC")


class Walls:
    """What all children of a server have in common, made ready once: a child that built it anew would pay for its pages."""

    def __init__(self, settings: Settings) -> None:
        self._uid = -1 if settings["uid"] is None else settings["uid"]
        limits = [(name, getattr(resource, "RLIMIT_" + name), value) for name, value in settings["rlimits"].items()]
        self._inherited = [(number, value) for name, number, value in limits if name not in _SERVERS_OWN]
        self._own = [(number, _within(number, value)) for name, number, value in limits if name in _SERVERS_OWN]
        program = settings["seccomp"]
        self._filter = program and linux.Filter(
            bytes.fromhex(program["code"]), program["pid"], program["pid_at"] or (), program["clock_at"] or ())

    def found(self) -> None:
        """Puts up, once, what children inherit and whoever forks them can live with: rlimits but for _SERVERS_OWN, group,
        no_new_privs."""
        for number, value in self._inherited:
            lower(number, value)
        if self._other():
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
            linux.end_with_parent()  # nsjail has asked for it, and a change of group takes it away
        linux.clear_ambient_capabilities()
        linux.no_new_privileges()

    def rise(self) -> None:
        """The rest: uid, capabilities, rlimits, seccomp, in this order, since each takes away what the next did not need."""
        if self._other():
            os.setresuid(self._uid, self._uid, self._uid)
        linux.drop_capabilities()
        for number, pair in self._own:
            resource.setrlimit(number, pair)
        if self._filter:
            self._filter.install()

    def _other(self) -> bool:
        return self._uid >= 0 and os.getuid() != self._uid


def _within(limit: int, value: int) -> tuple[int, int]:
    """value as soft and hard limit, or a hard limit that is lower still."""
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    return value, value


def lower(limit: int, value: int) -> None:
    """Sets soft and hard to value, or leaves a hard limit that is lower still."""
    resource.setrlimit(limit, _within(limit, value))


class Seeds:
    """What is forked twice from one server must not draw the same numbers twice. OpenSSL sees to its own."""

    def __init__(self) -> None:
        self._random: Any = sys.modules.get("random")
        self._pure = self._random and _random_state(self._random)
        self._tempfile: Any = sys.modules.get("tempfile")
        self._numpy: Any = sys.modules.get("numpy.random")
        self._state = self._numpy and _numpy_state(self._numpy)

    def renew(self) -> None:
        if self._pure:
            linux.fill_random(*self._pure)
        elif self._random:
            self._random.seed()
        if self._tempfile:
            self._tempfile._name_sequence = None
        if self._state:
            linux.fill_random(*self._state)
        elif self._numpy:
            self._numpy.seed()


def _random_state(module: Any) -> tuple[int, int] | None:
    """Where the generator behind random's functions keeps its state, as _numpy_state does for numpy's: seed() is 20 pages more."""
    module.seed()
    words = module.getstate()[1]
    state = struct.pack("=624I", *words[:624])
    kept = linux.memory_of(module._inst, type(module._inst).__base__.__basicsize__).find(state)
    return (id(module._inst) + kept, len(state)) if kept > 0 and words[624] == 624 else None


def _numpy_state(module: Any) -> tuple[int, int] | None:
    """Where numpy's global generator keeps its state, address and size, so that a child can fill it with random bytes: seed()
    goes a long way round, 160 pages. None where the state does not lie as expected."""
    try:
        module.seed(0)
        generator = module.mtrand._rand
        address, size = generator._bit_generator.ctypes.state_address, 624 * 4
        probe = bytes(range(256)) * (size // 256 + 1)
        linux.copy(address, probe[:size])
        name, key, position = generator.get_state()[:3]
        if name == "MT19937" and key.tobytes() == probe[:size] and position == 624:
            return address, size
    except Exception:
        pass  # another numpy: its own way, then
    return None
