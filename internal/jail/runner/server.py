"""The fork server: Python with its libraries loaded, single-threaded, forking one child per job.

It reads what the worker sends and the exit status of its children; nothing that a child wrote.
"""
import faulthandler
import gc
import json
import os
import select
import signal
import socket
import struct
import sys

from runner import denied, holder, job, linux, rehearse, walls

# Modules of the standard library that scripts use often and that cost little to keep.
_COMMON = (
    "ast bisect collections contextlib copy csv dataclasses datetime decimal enum fractions functools hashlib heapq io itertools"
    " json math operator random re statistics string textwrap time traceback typing uuid"
).split()

# What costs more is only in the server that is large anyhow, to which the worker sends whatever mentions it.
_LARGE = ("asyncio",)


def main(control, settings):
    """Never returns. settings["mode"]: fork, or once where the host allows no inner namespaces."""
    try:
        os.umask(0o022)
        if settings["drop_bounding"]:
            linux.drop_bounding_set()
        # The maker of namespaces is forked while there is little to copy.
        holders = holder.Holders(control.close) if settings["mode"] == "fork" else None
        versions = _preload(settings["preload"])
        check = denied.Check(settings["denied"])
        settings["seccomp"] = [bytes.fromhex(program) for program in settings["seccomp"]]
        rehearse.warm_up()
        if holders and not linux.single_threaded():
            raise RuntimeError("a preloaded library has started a thread; a fork server must have none")
        gc.collect()
        gc.freeze()
        gc.disable()
        settings["server_space"] = walls.address_space()
    except BaseException as error:
        control.send(json.dumps({"error": str(error) or repr(error)}).encode())
        os._exit(1)
    control.send(json.dumps({"ready": versions}).encode())
    try:
        if holders:
            _serve(control, holders, settings, check)
        else:
            _serve_once(control, settings, check)
    except BaseException as error:
        control.send(json.dumps({"error": "%s: %s" % (type(error).__name__, error)}).encode())
    os._exit(1)


def _preload(names):
    versions = {"python": "%d.%d.%d" % sys.version_info[:3]}
    for name in (*_COMMON, *(_LARGE if names else ())):
        __import__(name)
    for name in names:
        try:
            __import__(name)
        except BaseException as error:
            raise ImportError("import of %s failed: %s: %s" % (name, type(error).__name__, error)) from None
        versions[name] = str(getattr(sys.modules[name], "__version__", ""))
    return versions


def _serve(control, holders, settings, check):
    own = os.pidfd_open(os.getpid())
    holders.order()
    while True:
        order, fds, _, _ = socket.recv_fds(control, 64, 8)
        if not order:
            os._exit(0)  # the worker is gone
        if order != b"fork":
            continue  # a kill that its child's end has overtaken
        place = holders.take()
        linux.setns(place, linux.CLONE_NEWPID)
        child = os.fork()
        if child == 0:
            _child(settings, check, place, fds)
        linux.setns(own, linux.CLONE_NEWPID)
        # The kernel turns the child's pid into the one that the worker knows it by.
        control.sendmsg([b'{"forked": true}'], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", child, os.getuid(), os.getgid()))])
        for fd in fds:
            os.close(fd)
        status, usage = _await_end(control, child, place)
        control.send(
            json.dumps(
                {"status": status, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3, "max_rss": usage.ru_maxrss << 10}
            ).encode()
        )
        # Only now: neither the tear-down of the namespaces nor the making of the next is anything to wait for.
        holder.kill(place)
        os.close(place)
        holders.order()


def _await_end(control, child, place):
    end = os.pidfd_open(child)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(end, select.POLLIN)
    try:
        while True:
            ready = dict(poll.poll())
            if end in ready:
                _, status, usage = os.wait4(child, 0)
                return status, usage
            order = control.recv(64)
            if order == b"dump":
                signal.pidfd_send_signal(end, walls.DUMP_SIGNAL)
            elif order == b"kill":
                holder.kill(place)
            else:
                os._exit(0)
    finally:
        os.close(end)


def _child(settings, check, place, fds):
    try:
        os.setsid()  # a job that signals its group must hit nobody else: without privilege its server has the same uid
        holder.enter(place, settings["tmpfs"])
        _prepare(settings, check, fds)
    except BaseException as error:
        _fail(error)
    finally:
        os._exit(70)


def _serve_once(control, settings, check):
    order, fds, _, _ = socket.recv_fds(control, 64, 8)
    if order != b"fork":
        os._exit(0)
    os.chdir(settings["directory"])
    try:
        _prepare(settings, check, fds)
    except BaseException as error:
        _fail(error)
    finally:
        os._exit(70)


def _fail(error):
    """A child that cannot be walled says why in place of its answer, and takes no job."""
    os.write(walls.RESULT, b"!" + ("%s: %s" % (type(error).__name__, error)).encode()[:1000])


def _prepare(settings, check, fds):
    """Behind the walls, rehearsed, and on to the job."""
    walls.take_descriptors(fds)
    if settings["mode"] == "fork":
        os.chdir("/tmp")
    walls.raise_walls(settings)
    walls.reseed()
    # Says where the script was when it crashed, or when the worker asks: to the result, since stderr is the script's own.
    faulthandler.enable(walls.RESULT, all_threads=False)
    faulthandler.register(walls.DUMP_SIGNAL, walls.RESULT, all_threads=False)
    gc.enable()
    poll = select.poll()
    poll.register(walls.JOB, select.POLLIN)
    os.write(walls.RESULT, b"w")
    if settings["rehearse"]:
        _rehearse(rehearse.steps(), poll)
    runner = job.Runner(settings, check)
    if settings["rehearse"] and not poll.poll(rehearse.IDLE_MS):
        _rehearse(rehearse.deeper_steps(), poll)
        runner.measure()
    runner.serve()


def _rehearse(steps, poll):
    for step in steps:
        if poll.poll(0):
            return  # a job that is there is taken at once
        step()
