"""Loads the libraries that scripts use, with the parts that an import of the name alone leaves out and what they make on first use.

A library that is loaded here and not known to this module is only imported.
"""
from __future__ import annotations

import os
import sys
import time

from runner import figures, linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Parts that scripts use most.
_PARTS = {
    "matplotlib": "matplotlib.pyplot matplotlib.dates matplotlib.backends.backend_agg mpl_toolkits.mplot3d",
    "scipy": "scipy.linalg scipy.special scipy.optimize scipy.integrate scipy.interpolate scipy.spatial.distance scipy.sparse scipy.signal"
    " scipy.ndimage scipy.stats",
    "lxml": "lxml.etree lxml.html",
    "PIL": "PIL.Image PIL.ImageDraw PIL.ImageFont PIL.ImageFilter PIL.ImageOps PIL.ImageEnhance PIL.ImageChops",
    "openpyxl": "openpyxl.styles openpyxl.chart",
    "sklearn": "sklearn.linear_model sklearn.model_selection sklearn.preprocessing sklearn.metrics sklearn.cluster sklearn.decomposition"
    " sklearn.ensemble sklearn.datasets sklearn.feature_extraction.text",
}

# How long a thread that a library has started may take to end, in s: the kernel's last step comes after Python's.
_THREADS_END_S = 2


def load(name: str) -> None:
    __import__(name)
    for part in _PARTS.get(name, "").split():
        try:
            __import__(part)
        except ImportError:
            pass  # another version's


def single_threaded() -> bool:
    """Whether this process has one thread, or soon will. matplotlib has a timer beside it while it looks for fonts."""
    deadline = time.monotonic() + _THREADS_END_S
    while not linux.single_threaded():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def warm_up() -> None:
    """Small work with each, for what it imports and makes on first use; nothing of it stays."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is said once must not have been said here
        for name, work in _WORK.items():
            if name in sys.modules:
                try:
                    work()
                except Exception:
                    pass  # another version's, or something that it needs is missing: a script that wants it will hear of it


def plotting() -> tuple[Callable[[], Any], ...]:
    """A plot, in steps that are each as short as they can be: a job that comes meanwhile waits for one. Between them no figure is open."""
    plt, made = sys.modules["matplotlib.pyplot"], sys.modules["matplotlib.figure"].Figure()

    def opening() -> None:
        plt.figure()
        plt.close("all")

    def filling() -> None:
        axes = made.axes[0]
        axes.plot(range(10), [n * n for n in range(10)], label="x")
        axes.set_title("x")
        axes.set_xlabel("x")
        axes.legend()

    return opening, made.subplots, filling, lambda: figures.png(made)


def _plots() -> None:
    import io

    plt, np = sys.modules["matplotlib.pyplot"], sys.modules["numpy"]
    for step in plotting():
        step()
    figure, axes = plt.subplots(2, 3)
    axes = list(axes.flat)
    axes[0].bar(["a", "b"], [1, 2])
    axes[1].hist([1, 2, 2, 3], bins=3)
    axes[2].scatter([1, 2], [3, 4], c=[0, 1])
    axes[3].imshow(np.eye(3))
    axes[4].pie([1, 2], labels=["a", "b"])
    axes[5].boxplot([1, 2, 3])
    axes[0].grid(True)
    figure.tight_layout()
    figure.savefig(io.BytesIO())
    plt.close("all")
    _without_open_fonts()
    _without_config_directory()


def _without_open_fonts() -> None:
    """A font that has drawn keeps its file open and reads on in it; a job has none of its server's descriptors. matplotlib itself forgets
    them in what it sees forked."""
    cached = getattr(sys.modules["matplotlib.font_manager"], "_get_font", None)
    if cached is not None:
        cached.cache_clear()


def _without_config_directory() -> None:
    """What was kept there is in memory, and the directory may be a job's own."""
    directory = os.environ.get("MPLCONFIGDIR")
    try:
        for entry in os.scandir(directory):
            if entry.name.startswith("fontlist-") or entry.name == "tex.cache":
                os.rmdir(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
    except OSError:
        pass


def _statistics() -> None:
    np, scipy = sys.modules["numpy"], sys.modules["scipy"]
    a, b = np.array([1.0, 2, 3, 5]), np.array([2.0, 3, 5, 7])
    scipy.stats.ttest_ind(a, b), scipy.stats.pearsonr(a, b), scipy.stats.norm.cdf(1.5), scipy.stats.zscore(a), scipy.stats.linregress(a, b)
    scipy.optimize.minimize(lambda x: (x[0] - 1) ** 2, [0.0])
    scipy.linalg.solve(np.eye(2), np.ones(2)), scipy.integrate.quad(lambda x: x, 0, 1)


def _sheets() -> None:
    import io

    openpyxl, file = sys.modules["openpyxl"], io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["a", 1])
    book.save(file)
    openpyxl.load_workbook(file)
    if "pandas" in sys.modules:
        pd = sys.modules["pandas"]
        file = io.BytesIO()
        pd.DataFrame({"a": [1]}).to_excel(file, index=False, engine="openpyxl")
        pd.read_excel(file, engine="openpyxl")


def _table() -> None:
    sys.modules["tabulate"].tabulate([["a", 1]], headers=["x", "y"])
    if "pandas" in sys.modules:
        sys.modules["pandas"].DataFrame({"a": [1]}).to_markdown()


def _markup() -> None:
    import io

    html = sys.modules["lxml.html"].fromstring("<table><tr><th>a</th></tr><tr><td>1</td></tr></table>")
    html.xpath("//td/text()")
    if "pandas" in sys.modules:
        sys.modules["pandas"].read_html(io.StringIO("<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"), flavor="lxml")


def _pictures() -> None:
    import io

    image = sys.modules["PIL.Image"]
    image.init()
    file, picture = io.BytesIO(), image.new("RGB", (8, 8), "red")
    sys.modules["PIL.ImageDraw"].Draw(picture).text((0, 0), "x")
    picture.resize((4, 4)).save(file, "PNG")
    image.open(file).load()


def _model() -> None:
    sys.modules["sklearn.linear_model"].LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]).predict([[3.0]])


_WORK = {
    "matplotlib.pyplot": _plots, "scipy.stats": _statistics, "openpyxl": _sheets, "tabulate": _table, "lxml.html": _markup,
    "PIL.Image": _pictures, "sklearn.linear_model": _model,
}
