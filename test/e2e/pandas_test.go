package e2e

// pandasPrograms return what pandas makes.
var pandasPrograms = []program{
	{name: "series", script: `
import pandas as pd, numpy as np

def main():
    return {
        "range": pd.Series([1, 2, 3]), "labels": pd.Series([1.5, np.nan], index=["a", "b"]), "ints": pd.Series(["x", "y"], index=[10, 20]),
        "dates": pd.Series([1, 2], index=pd.date_range("2024-01-01", periods=2)), "empty": pd.Series([], dtype=float), "nan": pd.Series([1, None, np.inf]),
        "times": pd.Series(pd.to_datetime(["2024-01-01 12:00", None])), "bool": pd.Series([True, False]), "again": pd.Series([1, 2], index=["a", "a"]),
        "filtered": pd.Series([5, 6, 7])[lambda s: s > 5], "text": pd.Series(["é", None]),
    }
`, result: `{"range":[1,2,3],"labels":{"a":1.5,"b":null},"ints":{"10":"x","20":"y"},"dates":{"2024-01-01T00:00:00":1,"2024-01-02T00:00:00":2},"empty":[],"nan":[1.0,null,null],"times":["2024-01-01T12:00:00",null],"bool":[true,false],"again":{"a":1,"a.1":2},"filtered":{"1":6,"2":7},"text":["é",null]}`},
	{name: "series of pandas' own types", script: `
import pandas as pd

def main():
    return [pd.Series(["a", "b", "a"], dtype="category"), pd.Series([1, None], dtype="Int64"), pd.Series([1.5, None], dtype="Float64"), pd.Series(["s", None], dtype="string"),
            pd.Series([True, None], dtype="boolean"), pd.Series(pd.period_range("2024-01", periods=2, freq="M")), pd.Series(pd.interval_range(0, 2)), pd.Series(pd.to_timedelta(["1h", None])),
            pd.Series(pd.arrays.SparseArray([0, 1])), pd.Series(pd.date_range("2024-07-01", periods=1, tz="Europe/Berlin"))]
`, result: `[["a","b","a"],[1,null],[1.5,null],["s",null],[true,null],["2024-01","2024-02"],["(0, 1]","(1, 2]"],[3600.0,null],[0,1],["2024-07-01T00:00:00+02:00"]]`},
	{name: "series of several levels", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 1], "v": [10, 20, 30]})
    return df.groupby(["a", "b"])["v"].sum()
`, result: `{"x_1":10,"x_2":20,"y_1":30}`},
	{name: "frames", script: `
import pandas as pd, numpy as np

def main():
    df = pd.DataFrame({"n": [1, 2], "f": [0.5, np.nan], "s": ["a", None], "t": [pd.Timestamp("2024-01-01"), pd.NaT], "b": [True, False]})
    return df
`, result: `[{"n":1,"f":0.5,"s":"a","t":"2024-01-01T00:00:00","b":true},{"n":2,"f":null,"s":null,"t":null,"b":false}]`},
	{name: "frames without rows or columns", script: `
import pandas as pd
def main(): return [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=[1, 2])]
`, result: `[[],[],[]]`},
	{name: "frames with an index", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"k": ["x", "y"], "v": [1, 2]})
    return {"named": df.set_index("k"), "labels": pd.DataFrame({"v": [1, 2]}, index=["r1", "r2"]), "dates": pd.DataFrame({"v": [1]}, index=pd.to_datetime(["2024-01-01"])),
            "levels": pd.DataFrame({"v": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["k", None])), "clash": pd.DataFrame({"k": [9]}, index=pd.Index(["i"], name="k"))}
`, result: `{"named":[{"k":"x","v":1},{"k":"y","v":2}],"labels":[{"index":"r1","v":1},{"index":"r2","v":2}],"dates":[{"index":"2024-01-01T00:00:00","v":1}],"levels":[{"k":"a","level_1":1,"v":1},{"k":"a","level_1":2,"v":2}],"clash":[{"k":"i","k.1":9}]}`},
	{name: "filtered and sorted frames", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"v": [3, 1, 2]})
    return [df[df.v > 1], df.sort_values("v"), df.tail(1), df.iloc[::2], df.nlargest(1, "v"), df.drop(0)]
`, result: `[[{"v":3},{"v":2}],[{"v":1},{"v":2},{"v":3}],[{"v":2}],[{"v":3},{"v":2}],[{"v":3}],[{"v":1},{"v":2}]]`},
	{name: "columns of every name", script: `
import pandas as pd

def main():
    two = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    return [two, pd.DataFrame([[1, 2]], columns=["x", "x"]), pd.DataFrame([[1, 2, 3]], columns=[0, 1.5, None]), pd.DataFrame([[1]], columns=pd.to_datetime(["2024-01-01"]))]
`, result: `[[{"a_x":1,"a_y":2}],[{"x":1,"x.1":2}],[{"0.0":1,"1.5":2,"null":3}],[{"2024-01-01T00:00:00":1}]]`},
	{name: "grouped and joined", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"k": ["x", "y", "x"], "v": [1, 2, 3], "w": [1.0, None, 2.0]})
    return {"agg": df.groupby("k").agg({"v": ["sum", "max"]}).reset_index(), "mean": df.groupby("k")["w"].mean(), "merged": df.merge(pd.DataFrame({"k": ["x"], "z": [9]}), on="k", how="left")[["k", "z"]],
            "pivot": df.pivot_table(index="k", values="v", aggfunc="sum"), "counts": df["k"].value_counts().to_dict(), "dict": df.to_dict("records")}
`, result: `{"agg":[{"k":"x","v_sum":4,"v_max":3},{"k":"y","v_sum":2,"v_max":2}],"mean":{"x":1.5,"y":null},"merged":[{"k":"x","z":9.0},{"k":"y","z":null},{"k":"x","z":9.0}],"pivot":[{"k":"x","v":4},{"k":"y","v":2}],"counts":{"x":2,"y":1},"dict":[{"k":"x","v":1,"w":1.0},{"k":"y","v":2,"w":null},{"k":"x","v":3,"w":2.0}]}`},
	{name: "scalars", script: `
import pandas as pd

def main():
    return {"stamp": pd.Timestamp("2024-01-01 01:02:03.000000004"), "zone": pd.Timestamp("2024-01-01", tz="UTC"), "nat": pd.NaT, "na": pd.NA, "delta": pd.Timedelta("1 days 00:00:01"),
            "period": pd.Period("2024-03", "M"), "interval": pd.Interval(0, 5, closed="left"), "keys": {pd.Timestamp("2024-01-01"): 1, pd.NaT: 2}, "nat delta": pd.Timedelta("nat")}
`, result: `{"stamp":"2024-01-01T01:02:03.000000004","zone":"2024-01-01T00:00:00+00:00","nat":null,"na":null,"delta":86401.0,"period":"2024-03","interval":"[0, 5)","keys":{"2024-01-01T00:00:00":1,"null":2},"nat delta":null}`},
	{name: "indexes and arrays", script: `
import pandas as pd

def main():
    return [pd.Index([1, 2]), pd.RangeIndex(3), pd.DatetimeIndex(["2024-01-01"]), pd.MultiIndex.from_product([["a"], [1, 2]]), pd.array([1, None]), pd.Categorical(["a", "b"]), pd.CategoricalIndex(["x"]), pd.DataFrame({"a": [1]}).columns, pd.DataFrame({"a": [1]}).values]
`, result: `[[1,2],[0,1,2],["2024-01-01T00:00:00"],[["a",1],["a",2]],[1,null],["a","b"],["x"],["a"],[[1]]]`},
	{name: "frames inside", script: `
import pandas as pd
from dataclasses import dataclass

@dataclass
class Report:
    rows: pd.DataFrame
    total: object

def main():
    df = pd.DataFrame({"v": [1, 2]})
    return [Report(df, df.v.sum()), {"first": df.iloc[0], "shape": df.shape, "types": df.dtypes.astype(str)}]
`, result: `[{"rows":[{"v":1},{"v":2}],"total":3},{"first":{"v":1},"shape":[2,1],"types":{"v":"int64"}}]`},
	{name: "text of a frame", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    print(df)
    print(df.to_csv(index=False), end="")
    return df.to_json()
`, result: `"{\"a\":{\"0\":1,\"1\":2},\"b\":{\"0\":\"x\",\"1\":\"y\"}}"`, stdout: "   a  b\n0  1  x\n1  2  y\na,b\n1,x\n2,y\n"},
	{name: "a large frame with holes", script: `
import pandas as pd, numpy as np

def main():
    v = np.arange(20000.0)
    v[::2] = np.nan
    return len(pd.DataFrame({"a": v, "b": v}).to_dict("list")["a"]), {"sum": pd.Series(v).sum()}
`, result: `[20000,{"sum":100000000.0}]`},
}
