"""Results as JSON cell by cell, as slow as it is plain: what the columns of runner/columns.py are compared with."""
import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import sys

_fast = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_string = json.encoder.encode_basestring

# Deeper values are refused, by the worker too: what reads JSON recursively must not fall over an answer of ours.
DEPTH = 1000

# Python's own limit of 1000 calls, the script's included, is less than that depth takes here.
_CALLS = 6000


class Invalid(Exception):
    """The value is not JSON: what was found, and where."""

    def __init__(self, found):
        super().__init__(found)
        self._found = found
        self._steps = []  # innermost first

    def within(self, step):
        """Adds the step that led to the value; where a value lies is worked out only when it is wrong."""
        self._steps.append(step)

    def __str__(self):
        steps = self._steps[::-1]
        if len(steps) > 20:
            steps[10:-10] = ["[...]"]
        return "main() function must return valid JSON (got %s at result%s)" % (self._found, "".join(steps))


def dumps(value):
    """value as UTF-8 JSON. Raises Invalid; MemoryError goes through."""
    text = _quick(value)
    if text is None:
        text = _slow(value)
    # Lone surrogates: JSON can say them, UTF-8 cannot. They stand only inside strings, where JSON's escape and Python's are one.
    return text.encode("utf-8", "backslashreplace")


def _quick(value):
    """What the C encoder makes of the value; None when it refuses."""
    try:
        return _fast(value)
    except (TypeError, ValueError, RecursionError, SystemError):  # the last is what Python 3.11 makes of a list nested much too deeply
        return None


def _slow(value):
    calls = sys.getrecursionlimit()
    sys.setrecursionlimit(max(calls, _CALLS))
    try:
        return _Writer().text(value)
    except RecursionError:
        raise Invalid("a value nested too deeply") from None
    finally:
        sys.setrecursionlimit(calls)


class _Writer:
    def __init__(self):
        self._open = set()  # ids of the containers being written: a value inside itself has no JSON

    def text(self, value):
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is int:
            return _fast(value)
        if isinstance(value, enum.Enum):
            return self.text(value.value)
        if isinstance(value, float):
            return float.__repr__(value) if math.isfinite(value) else "null"
        if isinstance(value, str):
            return _string(str.__str__(value))
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _string(base64.b64encode(value).decode())
        converted = _convert(value)
        if converted is _UNKNOWN:
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._container(value)
            raise Invalid(kind.__name__)
        if isinstance(converted, _Literal):
            return converted.text
        return self.text(converted)

    def _container(self, value):
        if id(value) in self._open:
            raise Invalid("a value that contains itself")
        if len(self._open) >= DEPTH:
            raise Invalid("more than %d levels of nesting" % DEPTH)
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return self._dict(value)
            if isinstance(value, (list, tuple)):
                return self._list(value)
            if isinstance(value, (set, frozenset)):
                return self._set(value)
            return self._object([(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)])
        finally:
            self._open.discard(id(value))

    def _dict(self, value):
        # Most of what the C encoder refuses is a NaN among plain values.
        plain = {k: None if type(v) is float and not math.isfinite(v) else v for k, v in value.items()}
        text = _quick(plain)
        return self._object([(_key(k), v) for k, v in plain.items()]) if text is None else text

    def _list(self, value):
        plain = [None if type(v) is float and not math.isfinite(v) else v for v in value]
        text = _quick(plain)
        return "[%s]" % ",".join(self._texts(plain)) if text is None else text

    def _set(self, value):
        # The order of a set differs from run to run: by value where values have an order, else by their JSON.
        if len({type(v) for v in value}) <= 1 and not any(isinstance(v, (set, frozenset)) for v in value):
            try:
                return "[%s]" % ",".join(self._texts(sorted(value)))
            except TypeError:
                pass
        return "[%s]" % ",".join(sorted(self._texts(value)))

    def _object(self, items):
        texts = []
        for key, value in items:
            try:
                texts.append(_string(key) + ":" + self.text(value))
            except Invalid as invalid:
                invalid.within("[%s]" % _short(key))
                raise
        return "{%s}" % ",".join(texts)

    def _texts(self, values):
        texts = []
        for value in values:
            try:
                texts.append(self.text(value))
            except Invalid as invalid:
                invalid.within("[%d]" % len(texts))
                raise
        return texts


class _Literal:
    """JSON text that is ready: a Decimal keeps every digit that a float would lose."""

    def __init__(self, text):
        self.text = text


_UNKNOWN = object()


def _convert(value):
    """A value that can be written in place of one that cannot, or _UNKNOWN."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        # pandas' NaT is a datetime that is not equal to itself.
        return value.isoformat() if value == value else None
    if isinstance(value, datetime.timedelta):
        return value.value / 1e9 if getattr(value, "nanoseconds", 0) else value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return _Literal(str(value)) if value.is_finite() else None
    if "numpy" in sys.modules:
        converted = _convert_numpy(sys.modules["numpy"], value)
        if converted is not _UNKNOWN:
            return converted
    if "pandas" in sys.modules:
        return _convert_pandas(sys.modules["pandas"], value)
    return _UNKNOWN


def _convert_numpy(np, value):
    if isinstance(value, np.datetime64):
        return _date(value)
    if isinstance(value, np.timedelta64):
        return _seconds(np, value)
    if isinstance(value, np.floating):  # float64 is a float already; longdouble has no item() of Python's
        return float(value)
    if isinstance(value, np.complexfloating):
        return _UNKNOWN
    if isinstance(value, np.generic):
        return {name: value[name] for name in value.dtype.names} if value.dtype.names else value.item()
    if isinstance(value, np.ndarray):
        return _array(np, value)
    return _UNKNOWN


def _array(np, value):
    if value.dtype.names:
        return list(value) if value.ndim else value[()]
    if isinstance(value, np.ma.MaskedArray):
        return value.tolist()
    if value.dtype.kind in "mM":
        texts = np.empty(value.shape, dtype=object)
        texts.flat = [_convert_numpy(np, v) for v in value.flat]
        return texts.tolist()
    if value.dtype.kind == "f":
        return _floats(np, value)
    return value.tolist()


def _floats(np, value):
    """As a list, with None for what is no number: much faster than to find each one later."""
    if value.dtype.itemsize > 8:
        value = value.astype(float)
    finite = np.isfinite(value)
    if not finite.all():
        value = value.astype(object)
        value[~finite] = None
    return value.tolist()


def _date(value):
    """A datetime64 in ISO form, without the zeros that its unit puts behind the point."""
    text = str(value)
    if text == "NaT":
        return None
    whole, _, fraction = text.partition(".")
    fraction = fraction[:6] + fraction[6:].rstrip("0")
    return whole + "." + fraction if fraction.strip("0") else whole


def _seconds(np, value):
    if np.isnat(value):
        return None
    try:
        return float(value / np.timedelta64(1, "s"))
    except TypeError:  # months and years have no length in seconds
        return str(value)


def _convert_pandas(pd, value):
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, pd.DataFrame):
        return _records(pd, value)
    if isinstance(value, pd.Series):
        if isinstance(value.index, pd.RangeIndex) and value.index.start == 0 and value.index.step == 1:
            return _column(value)
        return dict(zip(_labels(value.index), _column(value)))
    if isinstance(value, (pd.Index, pd.api.extensions.ExtensionArray)):
        return value.tolist()
    if isinstance(value, (pd.Period, pd.Interval)):
        return str(value)
    return _UNKNOWN


def _records(pd, frame):
    """A DataFrame as a list of objects, one a row; an index that says something comes first, as columns.

    Integers without a name say nothing: they are where the rows were before somebody filtered or sorted them.
    """
    index, names, columns = frame.index, [], []
    if index.nlevels > 1 or index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        for level, name in enumerate(index.names):
            names.append(name if name is not None else "index" if index.nlevels == 1 else "level_%d" % level)
            columns.append(index.get_level_values(level).tolist())
    for position, name in enumerate(frame.columns):
        names.append(name)
        columns.append(_column(frame.iloc[:, position]))
    names = _labels(names)
    return [dict(zip(names, row)) for row in zip(*columns)]


def _column(series):
    np = sys.modules["numpy"]
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "f":
        return _floats(np, series.to_numpy())
    return series.tolist()


def _labels(values):
    """The keys for an index: one of several levels is joined, and a label that comes again is numbered, so that no value is lost."""
    labels, seen = [], {}
    for value in values:
        if isinstance(value, tuple):
            label = "_".join([_key(part) for part in value if part != ""])
        else:
            label = _key(value)
        count = seen.get(label, 0)
        seen[label] = count + 1
        labels.append("%s.%d" % (label, count) if count else label)
    return labels


def _key(key):
    """An object's key: what json would make of it, and of numpy's and pandas' scalars and dates what their values would be."""
    if isinstance(key, enum.Enum):
        return _key(key.value)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key) if math.isfinite(key) else "null"
    if isinstance(key, bytes):
        return base64.b64encode(key).decode()
    converted = _convert(key)
    if isinstance(converted, _Literal):
        return converted.text
    if converted is _UNKNOWN or isinstance(converted, (list, dict)):
        raise Invalid(type(key).__name__ + " as a key")
    return _key(converted)


def _short(key):
    text = repr(key)
    return text if len(text) <= 60 else text[:60] + "..."
