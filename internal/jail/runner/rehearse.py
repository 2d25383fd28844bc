"""Small trusted work with the preloaded libraries.

A fresh child shares every page with its server; the first touch of each costs a page fault, and many parts of pandas are
imported on first use. A child that waits pays both before its job comes. Each step is short, since a job may come meanwhile.
"""
import json
import sys


# How long, in ms, a child must have been idle before it takes the first steps, and then before the deeper ones. Under steady load
# the processors are wanted for jobs: there a rehearsal takes as much from one job as it gives to the next, and more where the
# next has another library in mind (numpy jobs one after the other: 5.1 ms of CPU time each instead of 6.9).
IDLE_MS, DEEPER_IDLE_MS = 8, 20


def steps():
    """The first steps, what scripts use most before the rest; none leaves anything behind but warm pages."""
    yield _core
    if "pandas" in sys.modules:
        yield _frame
        yield _reduce
    elif "numpy" in sys.modules:
        yield _numpy


def deeper_steps():
    """The steps for a child that nobody wants yet. Each page touched is memory that every slot holds while it waits, and these steps
    are 2 MB; groupby and read_csv would be 2 MB more."""
    if "numpy" in sys.modules:
        yield _numpy
    if "pandas" in sys.modules:
        yield _select


def _core():
    from runner import denied, encode, script

    script.run(json.loads(json.dumps({"script": "def main():\n    return {'a': [1, 2.5, None]}\n"})), denied.Check(()))
    encode.dumps({"b": ("x", 1)})
    "{:.2f} {!r:>5}".format(1.5, "x")


def _frame():
    sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, None]})


def _reduce():
    from runner import encode

    df = sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4, 5, 6]})
    encode.dumps({"sum": df.sum().to_dict(), "mean": df.mean().to_dict()})


def _numpy():
    np = sys.modules["numpy"]
    a = np.arange(12.0).reshape(3, 4)
    (a @ a.T).sum(axis=0), np.mean(a), np.std(a), np.linalg.norm(a), np.sort(a, axis=0)
    np.random.default_rng(0).random(4)
    repr(a[a > 3])


def _select():
    df = sys.modules["pandas"].DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, None]})
    df["D"] = df["A"] * 2
    df[df["A"] > 1].to_dict()


def warm_up():
    """What the server does once, before its first fork, so that no child has to: imports on first use, caches, and the
    interpreter's own adaptation of code that runs often, which writes to it."""
    for _ in range(12):
        for step in (*steps(), *deeper_steps()):
            step()
    if "pandas" in sys.modules:
        _report()


def _report():
    import io

    pd = sys.modules["pandas"]
    df = pd.DataFrame({"A": [1, 2, 3], "B": [4.0, 5.5, 6.0], "C": ["x", "y", "x"]})
    df.describe(), str(df), df.to_json(orient="records"), df.to_csv(index=False)
    df.groupby("C").agg({"A": "sum", "B": "mean"}).reset_index(), df.merge(df, on="C").sort_values("A_x")
    pd.read_csv(io.StringIO("a,b,c\n1,2.5,x\n3,4.5,y\n"))
    df.groupby("C")["A"].sum().to_dict(), df.pivot_table(index="C", values="A"), pd.to_datetime(["2020-01-01", "2021-02-03"]).strftime("%Y"), df["A"].rolling(2).mean()
