"""Runs a part of somebody's test suite and writes a line for each test that has ended: its outcome and its name. The same file runs in a jail
as a job and outside as a program, so that the two can be compared."""
import io
import json
import sys

# Of address space, outside: no test is to take the machine's memory.
_ROOM = 8 << 30


def main(kind, part):
    out, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
    if out is None:
        out = sys.__stdout__

    def ended(name, outcome, why=""):
        out.write("%s\n" % json.dumps([name, outcome, why[-800:]]))
        out.flush()

    out.write("\n")
    try:
        {"cpython": cpython, "pytest": with_pytest}[kind](part, ended)
    except BaseException as error:
        ended(part, "broke", repr(error))


def cpython(part, ended):
    import unittest

    import test.support
    import test.support.script_helper

    # It starts a Python to find out, some modules do so while they load.
    test.support.script_helper.__cached_interp_requires_environment = False

    class Result(unittest.TestResult):
        def _end(self, test, outcome, why=""):
            ended(test.id(), outcome, why)

        def addSuccess(self, test):
            self._end(test, "passed")

        def addError(self, test, err):
            self._end(test, "failed", self._exc_info_to_string(err, test))

        addFailure = addError

        def addSkip(self, test, reason):
            self._end(test, "skipped", reason)

        def addExpectedFailure(self, test, err):
            self._end(test, "passed")

        def addUnexpectedSuccess(self, test):
            self._end(test, "failed", "unexpected success")

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self._end(test, "failed", self._exc_info_to_string(err, test))

    test.support.use_resources = ["cpu"]
    test.support.verbose = 0
    unittest.defaultTestLoader.loadTestsFromName("test." + part).run(Result())


def with_pytest(part, ended):
    import importlib.util

    import pytest

    # By its path, from which pytest finds the options that conftest.py above it adds.
    spec = importlib.util.find_spec(part)
    if spec is None:
        raise ModuleNotFoundError(part)
    path = spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin

    class Outcomes:
        def pytest_runtest_logreport(self, report):
            if report.when == "call" or not report.passed:
                ended(report.nodeid.split("dist-packages/")[-1], report.outcome, "" if report.passed else str(report.longrepr))

        def pytest_collectreport(self, report):
            if report.failed:
                ended(report.nodeid.split("dist-packages/")[-1], "failed", str(report.longrepr))

    # Its plugin for terminals knows -q and -v, and is not here. Slow tests, and those marked single_cpu, take minutes and gigabytes.
    options = ["-p", "no:cacheprovider", "-p", "no:terminal", "-c", "/dev/null", "--rootdir", "/", "--continue-on-collection-errors"]
    status = pytest.main([*options, "-m", "not slow and not single_cpu and not network", path], plugins=[Outcomes()])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError("pytest ended with %r: %s" % (status, sys.stderr.getvalue()))


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, _ROOM))
    main(*sys.argv[1:])
