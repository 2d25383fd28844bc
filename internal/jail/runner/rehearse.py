"""Small trusted work with the preloaded libraries.

A fresh child shares every page with its server; the first touch of each costs a page fault, and many parts of pandas are
imported on first use. A child that waits pays both before its job comes. Each step is short, since a job may come meanwhile.
"""
from __future__ import annotations

import json
import sys

from runner import libraries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Step = Callable[[], None]

# How long, in ms, a child must have been idle before it takes the first steps, and then before the deeper ones. Under steady load
# the processors are wanted for jobs: there a rehearsal takes as much from one job as it gives to the next, and more where the
# next has another library in mind (numpy jobs one after the other: 5.1 ms of CPU time each instead of 6.9).
IDLE_MS, DEEPER_IDLE_MS = 40, 20


def kinds() -> tuple[tuple[Step, ...], ...]:
    """Three kinds of job without data frames, the steps of each: what most of them write to, most jobs do."""
    if "numpy" not in sys.modules:
        return (_core, _text), (_core, _numbers), (_core, _records)
    return (_core, _means), (_core, _algebra), (_core, _random)


def frame_kinds() -> tuple[tuple[Step, ...], ...]:
    """Likewise, of those with data frames."""
    if "pandas" not in sys.modules:
        return ()
    return (_core, _frame, _reduce), (_core, _select), (_core, _group)


def steps(frames: bool) -> Iterator[Step]:
    """The first steps of a rehearsal, what scripts use most before the rest; frames says whether data frames are expected."""
    yield _core
    if frames and "pandas" in sys.modules:
        yield _frame
        yield _reduce
    elif "numpy" in sys.modules:
        yield _means
        yield _algebra


def deeper_steps(frames: bool) -> Iterator[Step]:
    """The steps for a child that nobody wants yet. Each page touched is memory that every slot holds while it waits, and these steps
    are 2 MB; groupby and read_csv would be 2 MB more."""
    if "matplotlib.pyplot" in sys.modules:
        yield from libraries.plotting()  # 14 MB, in the one child that waits in a server with all libraries
    if frames and "pandas" in sys.modules:
        yield _means
        yield _select
    elif "numpy" in sys.modules:
        yield _random
        if "pandas" in sys.modules:
            yield _frame


def _core() -> None:
    from runner import denied, encode, script

    script.run(json.loads(json.dumps({"script": "def main():\n    return {'a': [1, 2.5, None]}\n"})), denied.Check(()))
    encode.dumps({"b": ("x", 1)})
    "{:.2f} {!r:>5}".format(1.5, "x")


def _text() -> None:
    words = "the quick brown fox jumps over the lazy dog".split()
    counts = {word: len(word) for word in words}
    ", ".join(sorted(set(words), key=counts.__getitem__)), f"{counts['fox']:>4}", words[0].title().replace("e", "a"), "%s %d" % ("x", 1)


def _numbers() -> None:
    total = 0
    for n in range(30):
        if n % 3 == 0:
            total += n * n
    [n for n in range(2, 20) if all(n % d for d in range(2, n))], sum(x / 2 for x in range(10))
    round(2 / 3, 2), max([3, 1, 2]), divmod(7, 2)


def _records() -> None:
    class Record:
        def __init__(self, name: str, size: int) -> None:
            self.name, self.size = name, size

    records = [Record("x", n) for n in range(5)]
    try:
        counts: dict[str, int] = {}
        counts["missing"]
    except KeyError as error:
        str(error)
    json.loads(json.dumps([{"name": r.name, "size": r.size} for r in sorted(records, key=lambda r: -r.size)]))


def _means() -> None:
    np = sys.modules["numpy"]
    a = np.array([1, 2, 3])
    a.sum(), np.mean([1, 2, 3]), np.std(a), a.max(), np.arange(12.0).reshape(3, 4).mean(axis=0).tolist()
    (a * 2 + 1)[1:], np.linspace(0, 1, 5)


def _algebra() -> None:
    np = sys.modules["numpy"]
    a = np.arange(12.0).reshape(3, 4)
    (a @ a.T).sum(axis=0), np.dot(a, a.T), np.linalg.norm(a), np.sort(a, axis=0), np.zeros((2, 2)), np.where(a > 3, a, 0), a.T.shape


def _random() -> None:
    np = sys.modules["numpy"]
    a = np.random.default_rng(0).random(12)
    repr(a[a > 0.3]), np.std(a), np.mean(a), np.random.rand(3), np.argsort(a), np.array(["x", "y"])


def _frame() -> None:
    sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, None]})


def _reduce() -> None:
    from runner import encode

    df = sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4, 5, 6]})
    encode.dumps({"sum": df.sum().to_dict(), "mean": df.mean().to_dict()})


def _select() -> None:
    df = sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, None]})
    df["D"] = df["A"] * 2
    df[df["A"] > 1].to_dict(), df.sort_values("B").head(2), df["A"].max(), len(df)


def _group() -> None:
    df = sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, 6.0], "C": ["x", "y", "x"]})
    df.groupby("C")["A"].sum().to_dict(), df["B"].mean()


def warm_up() -> None:
    """What the server does once, before its first fork, so that no child has to: imports on first use, caches, and the
    interpreter's own adaptation of code that runs often, which writes to it."""
    for _ in range(12):
        for kind in (*kinds(), *frame_kinds()):
            for step in kind:
                step()
    if "pandas" in sys.modules:
        _report()
    libraries.warm_up()


def _report() -> None:
    import io

    pd = sys.modules["pandas"]
    df = pd.DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, 6.0], "C": ["x", "y", "x"]})
    df.describe(), str(df), df.to_json(orient="records"), df.to_csv(index=False)
    df.groupby("C").agg({"A": "sum", "B": "mean"}).reset_index(), df.merge(df, on="C").sort_values("A_x")
    pd.read_csv(io.StringIO("a,b,c\n1,2.5,x\n3,4.5,y\n"))
    df.groupby("C")["A"].sum().to_dict(), df.pivot_table(index="C", values="A")
    pd.to_datetime(["2020-01-01", "2021-02-03"]).strftime("%Y"), df["A"].rolling(2).mean()
