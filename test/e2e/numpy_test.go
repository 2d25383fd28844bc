package e2e

// numpyPrograms return what numpy makes.
var numpyPrograms = []program{
	{name: "scalars of all types", script: `
import numpy as np

def main():
    return {t: np.dtype(t).type(1) for t in "? b B h H i I l L q Q e f d g".split()}
`, result: `{"?":true,"b":1,"B":1,"h":1,"H":1,"i":1,"I":1,"l":1,"L":1,"q":1,"Q":1,"e":1.0,"f":1.0,"d":1.0,"g":1.0}`},
	{name: "scalars at their ends", script: `
import numpy as np

def main():
    return [np.iinfo(np.uint64).max, np.uint64(2**64 - 1), np.int64(-2**63), np.float64("nan"), np.float32("inf"), np.float16(65504), np.str_("é"), np.bytes_(b"x"), np.bool_(False), np.float32(0.5)]
`, result: `[18446744073709551615,18446744073709551615,-9223372036854775808,null,null,65504.0,"é","eA==",false,0.5]`},
	{name: "scalar at the top", script: `
import numpy as np
def main(): return np.int32(5)
`, result: `5`},
	{name: "scalars as keys", script: `
import numpy as np

def main():
    return {np.int64(1): "i", np.float64(2.5): "f", np.str_("s"): "s", np.bool_(True): "b", np.datetime64("2024-01-01"): "d"}
`, result: `{"1":"b","2.5":"f","s":"s","2024-01-01":"d"}`},
	{name: "arrays", script: `
import numpy as np

def main():
    return {"0d": np.array(5), "1d": np.arange(3), "2d": np.eye(2), "3d": np.zeros((1, 2, 1), dtype=int), "empty": np.array([]), "empty2d": np.empty((0, 3)), "bool": np.array([True, False]), "str": np.array(["a", "é"]), "bytes": np.array([b"x"])}
`, result: `{"0d":5,"1d":[0,1,2],"2d":[[1.0,0.0],[0.0,1.0]],"3d":[[[0],[0]]],"empty":[],"empty2d":[],"bool":[true,false],"str":["a","é"],"bytes":["eA=="]}`},
	{name: "array at the top", script: `
import numpy as np
def main(): return np.linspace(0, 1, 5).reshape(1, 5).T
`, result: `[[0.0],[0.25],[0.5],[0.75],[1.0]]`},
	{name: "arrays with NaN", script: `
import numpy as np

def main():
    a = np.array([[1.5, np.nan], [np.inf, -np.inf]])
    return [a, a.astype("f4")[0], np.array(np.nan), a.astype(np.longdouble), np.array([1, None, np.nan, "x", {"n": np.int8(3)}], dtype=object)]
`, result: `[[[1.5,null],[null,null]],[1.5,null],null,[[1.5,null],[null,null]],[1,null,null,"x",{"n":3}]]`},
	{name: "arrays of times", script: `
import numpy as np

def main():
    return [np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"), np.array([["2024-01-01T12:30"]], dtype="datetime64[ns]"), np.datetime64("2024-01-01T00:00:00.25"),
            np.datetime64("2024-05"), np.array([90], dtype="timedelta64[m]"), np.timedelta64("NaT"), np.array("2024-01-01", dtype="datetime64[s]")]
`, result: `[["2024-01-01",null],[["2024-01-01T12:30:00"]],"2024-01-01T00:00:00.250","2024-05",[5400.0],null,"2024-01-01T00:00:00"]`},
	{name: "structured arrays", script: `
import numpy as np

def main():
    a = np.array([(1, 2.5, "x"), (2, np.nan, "y")], dtype=[("id", "i4"), ("v", "f8"), ("s", "U5")])
    return [a, a[0], a["id"], a.view(np.recarray).s]
`, result: `[[{"id":1,"v":2.5,"s":"x"},{"id":2,"v":null,"s":"y"}],{"id":1,"v":2.5,"s":"x"},[1,2],["x","y"]]`},
	{name: "masked arrays", script: `
import numpy as np

def main():
    m = np.ma.masked_greater(np.array([1.0, 5.0, 2.0]), 3)
    return [m, m.mean(), np.ma.masked, np.ma.masked_array([1, 2], mask=[True, False])]
`, result: `[[1.0,null,2.0],1.5,null,[null,2]]`},
	{name: "other kinds of arrays", script: `
import numpy as np

def main():
    a = np.arange(6).reshape(2, 3)
    return [np.matrix([[1, 2]]), a[:, ::-1], np.asfortranarray(a), a.T, np.broadcast_to(np.int8(1), (2, 2)), list(a), tuple(a[0]), {"n": a.sum(), "m": a.mean(axis=0)}]
`, result: `[[[1,2]],[[2,1,0],[5,4,3]],[[0,1,2],[3,4,5]],[[0,3],[1,4],[2,5]],[[1,1],[1,1]],[[0,1,2],[3,4,5]],[0,1,2],{"n":15,"m":[1.5,2.5,3.5]}]`},
	{name: "linear algebra, random and fft", script: `
import numpy as np

def main():
    rng = np.random.default_rng(1)
    a = rng.random((50, 50))
    x = np.linalg.solve(a, np.ones(50))
    return [bool(np.allclose(a @ x, 1)), np.round(np.linalg.det(np.array([[1.0, 2], [3, 4]])), 6), np.abs(np.fft.fft([1, 0, 0, 0])), np.unique([3, 1, 3], return_counts=True), np.histogram([1, 2, 2, 3], bins=2)[0], np.polyfit([0, 1, 2], [1, 3, 5], 1).round(6)]
`, result: `[true,-2.0,[1.0,1.0,1.0,1.0],[[1,3],[1,2]],[1,3],[2.0,1.0]]`},
	{name: "two jobs do not draw the same numbers", script: `
import numpy as np, random
def main():
    return len({np.random.random(), random.random()})
`, result: `2`},
}
