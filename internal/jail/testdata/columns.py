"""Compares each value's JSON with what it is cell by cell."""
import sys, random, datetime as dt, decimal
sys.path.insert(0, 'testdata')
import numpy as np, pandas as pd
from runner import encode
import cells
rng=np.random.default_rng(5); random.seed(5)
n=300
def ts(tz=None, unit="ns", k=n, frac=True):
    base=pd.Timestamp("1999-12-31 23:59:58")
    v=[base+pd.Timedelta(int(x),"s") for x in rng.integers(-10**9,10**9,k)]
    if frac: v=[x+pd.Timedelta(random.choice([0,0,1000,123456000,7,10**9-1]),"ns") if unit=="ns" else x+pd.Timedelta(random.choice([0,500000,123456]),"us") for x in v]
    s=pd.Series(v)
    if tz: s=s.dt.tz_localize("UTC").dt.tz_convert(tz)
    return s
cols={
 "int":rng.integers(-10**18,10**18,n),"u8":rng.integers(0,2**63,n).astype("u8")*2+1,"i8":rng.integers(-128,127,n).astype("i1"),
 "bool":rng.random(n)>0.5,"float":rng.standard_normal(n)*10.0**rng.integers(-320,308,n),"f32":rng.random(n).astype("f4"),"f16":rng.random(n).astype("f2"),
 "nan":np.where(rng.random(n)>.3,rng.random(n),np.nan),"inf":np.where(rng.random(n)>.3,rng.random(n),-np.inf),"round":rng.random(n).round(2)*100,"whole":rng.integers(0,100,n).astype(float),
 "str":[random.choice(["a",'q"uote',"back\\slash","new\nline","ü😀","","a\",",'","',"\u2028","\ud800x","null","true"]) for _ in range(n)],
 "strnone":[random.choice(["a",None,np.nan]) for _ in range(n)],
 "mixed":[random.choice([1,2.5,"x",None,True,np.nan,[1,2],{"a":[1.5,None]},(1,),decimal.Decimal("1.10"),dt.date(2024,1,2),np.int64(3),pd.NaT,pd.Timestamp("2024"),{3,1},b"x"]) for _ in range(n)],
 "ts":ts(),"tss":ts(frac=False),"tsus":ts(unit="us"),"tsutc":ts("UTC"),"tsny":ts("America/New_York"),"tsold":ts("Europe/Berlin",frac=False)-pd.Timedelta(days=365*80),"tslmt":ts("Europe/Amsterdam",frac=False)-pd.Timedelta(days=365*90),
 "tsnat":ts().where(rng.random(n)>.3),"tsnatutc":ts("Asia/Kolkata").where(pd.Series(rng.random(n)>.3)),"allnat":pd.Series([pd.NaT]*n),
 "td":pd.Series(pd.to_timedelta(rng.integers(-10**15,10**15,n),unit="ns")),"tdnat":pd.Series(pd.to_timedelta(rng.integers(0,10**12,n),unit="ns")).where(rng.random(n)>.3),
 "cat":pd.Categorical([random.choice(["x","y",None]) for _ in range(n)]),"catint":pd.Categorical(rng.integers(0,4,n)),"catts":pd.Categorical(ts(k=n)),"cativ":pd.cut(rng.random(n),4),
 "Int64":pd.array([random.choice([1,None,-5]) for _ in range(n)],dtype="Int64"),"boolean":pd.array([random.choice([True,None]) for _ in range(n)],dtype="boolean"),
 "string":pd.array([random.choice(["a",None]) for _ in range(n)],dtype="string"),"Float64":pd.array([random.choice([1.5,None]) for _ in range(n)],dtype="Float64"),
 "period":pd.period_range("2020-01",periods=n,freq="M"),"sparse":pd.arrays.SparseArray(rng.integers(0,2,n)),"sparsef":pd.arrays.SparseArray(np.where(rng.random(n)>.5,1.5,np.nan)),
 "iv":pd.interval_range(0,n,periods=n),"obj":[dt.datetime(2024,1,1,random.randrange(24)) for _ in range(n)],"longdouble":rng.random(n).astype("longdouble"),
 "npscalars":pd.Series([random.choice([np.int64(3),np.float32(.1),np.bool_(True),np.str_("x"),np.datetime64("2024-01-02")]) for _ in range(n)],dtype=object),
}
vals={}
for k,v in cols.items():
    s=pd.Series(v).rename(k) if not isinstance(v,pd.Series) else v.rename(k)
    vals["frame "+k]=s.to_frame(); vals["series "+k]=s; vals["labelled "+k]=s.set_axis([str(i) for i in range(n)])
    vals["dup labels "+k]=s.set_axis([str(i%7) for i in range(n)]); vals["dateidx "+k]=s.set_axis(pd.date_range("2024",periods=n,freq="7min")); vals["intidx "+k]=s.sort_index(ascending=False)
    vals["empty "+k]=s.head(0).to_frame(); vals["nested "+k]={"a":[s.head(3).to_frame(),s.head(2)]}
    try: vals["index "+k]=pd.Index(s)
    except Exception as e: print(k,e)
    vals["array "+k]=s.to_numpy()
    try: vals["asindex "+k]=pd.DataFrame({"v":range(n)}).set_index(s.rename("k"))
    except Exception as e: print(k,e)
    try: vals["seridx "+k]=pd.Series(range(n),index=pd.Index(s))
    except Exception as e: print(k,e)
    try: vals["ext "+k]=s.array
    except Exception as e: print(k,e)
df=pd.DataFrame({k:pd.Series(v) for k,v in cols.items()})
vals["all"]=df; vals["all big"]=pd.concat([df]*40,ignore_index=True)
vals["multi"]=df.groupby(["cat","catint","bool"],observed=False)[["round"]].mean() if hasattr(df,'groupby') else 0
vals["multi2"]=df.set_index(["str","ts","Int64"])[["float"]]
vals["multicol"]=df.groupby("catint").agg({"float":["mean","max"],"int":["sum"]})
vals["multiseries"]=df.groupby(["catint","bool"])["round"].sum()
vals["describe"]=df[["int","float","round"]].describe(); vals["dupcols"]=df[["int","int","str"]]; vals["intcols"]=pd.DataFrame(np.arange(6).reshape(2,3)); vals["dtypes"]=None
vals["rec"]=np.array([(1,2.5,"x"),(2,np.nan,"y")],dtype=[("a",int),("b",float),("c","U3")]); vals["rec0"]=vals["rec"][0]; vals["rec2"]=vals["rec"].reshape(2,1); vals["recsub"]=np.zeros(2,dtype=[("a",int,(2,)),("b",[("c",int)])])
vals["masked"]=np.ma.array([[1,2],[3,4]],mask=[[0,1],[0,0]]); vals["3d"]=rng.random((3,4,5)); vals["0d"]=np.array(3.5); vals["0dt"]=np.array("2024-01-01",dtype="M8[D]"); vals["md"]=np.array([["2024-01-01","NaT"]],dtype="M8[ms]"); vals["ns"]=np.array(["2024-01-01T00:00:00.123456789"],dtype="M8[ns]"); vals["td"]=np.array([1,2],dtype="m8[ms]"); vals["U"]=np.array(["a","b"]); vals["S"]=np.array([b"a"]); vals["obj"]=np.array([1,"a",None,[1]],dtype=object); vals["empty"]=np.array([]); vals["matrix"]=np.matrix([[1,2]]); vals["f128"]=rng.random(3).astype("longdouble")
vals["noidx"]=pd.DataFrame(index=range(3)); vals["mi"]=pd.MultiIndex.from_tuples([(1,"a"),(2,None)])
bad = []
for k, v in vals.items():
    def run(f):
        try:
            return f(v)
        except BaseException as e:
            return "%s: %s" % (type(e).__name__, e)
    got, want = run(encode.dumps), run(cells.dumps)
    if got != want:
        bad.append("%s\n got %.300s\nwant %.300s" % (k, got, want))
assert len(vals) > 500 and not bad, "\n".join(bad)
