"""matplotlib's figures among a job's outputs: at plt.show(), and those left open at the end.

Agg draws them, and has no window to show them in: its figures say nothing when they are shown. This gives them something to do, whichever
backend a script chooses, and leaves pyplot as it is.
"""
from __future__ import annotations

import base64
import io
import sys

from runner import display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What stands in a figure's own attributes once it is among the outputs.
_SHOWN = "_shown_in_outputs"

# By so many pixels a figure may be larger than its canvas before it is drawn anew with more room.
_BEYOND = 2

# So many texts of each axes are asked for their places: a table of numbers may have thousands.
_TEXTS = 50


def adopt(backend_bases: Any) -> None:
    """Takes in matplotlib.backend_bases as it is imported."""
    backend_bases.FigureManagerBase.show = _show
    display.makers.append(_of_figure)


def _show(manager: Any) -> None:
    """In the place of FigureManagerBase.show, which plt.show() calls for each figure that is open. It is closed then, as inline backends
    and windows do."""
    figure = manager.canvas.figure
    try:
        if len(figure.get_children()) > 1 and not display.full():  # one is its background
            _send(figure)
    finally:
        sys.modules["matplotlib._pylab_helpers"].Gcf.destroy(manager)


def show_open_figures() -> None:
    """Those that are left open when the script is done, but for ones that it has displayed as they are."""
    helpers: Any = sys.modules.get("matplotlib._pylab_helpers")
    managers = getattr(getattr(helpers, "Gcf", None), "figs", None)
    if not managers:
        return
    for _, manager in sorted(managers.items()):
        figure = manager.canvas.figure
        if getattr(figure, _SHOWN, False) and not figure.stale:
            continue
        try:
            _show(manager)
        except MemoryError:
            raise
        except Exception as error:
            display.say(error)


def _of_figure(value: Any) -> dict[str, Any] | None:
    kind: Any = getattr(sys.modules.get("matplotlib.figure"), "Figure", ())
    return {"image/png": base64.b64encode(png(value)).decode()} if isinstance(value, kind) else None


def _send(figure: Any) -> None:
    display.send({"image/png": base64.b64encode(png(figure)).decode(), "text/plain": repr(figure)}, {})


def png(figure: Any) -> bytes:
    """The figure as savefig draws it, and whole: where something does not fit it is drawn with as much room as it takes. To find that out
    by asking each part for its place, as bbox_inches="tight" does, takes a third of the drawing. So what was drawn at the edges is looked
    at, and what may lie beyond them altogether is asked."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    if (_touches_edge(figure) or any(_is_outside(figure, part) for part in _loose(figure))) and _exceeds(figure):
        file = io.BytesIO()
        figure.savefig(file, format="png", bbox_inches="tight")
    figure.stale = False
    setattr(figure, _SHOWN, True)
    return file.getvalue()


def _touches_edge(figure: Any) -> bool:
    np = sys.modules["numpy"]
    try:
        pixels: Any = np.asarray(figure.canvas.buffer_rgba())
    except AttributeError:  # another backend's, which has drawn elsewhere
        return False
    corner = pixels[0, 0]
    return any((edge != corner).any() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def _loose(figure: Any) -> list[Any]:
    """What is placed beside the axes as often as in them."""
    parts = [*figure.texts, *figure.legends]
    for axes in figure.axes:
        parts += axes.texts[:_TEXTS]
        parts += [part for part in (axes.title, axes.get_legend()) if part is not None]
    return parts


def _is_outside(figure: Any, part: Any) -> bool:
    if not part.get_visible() or getattr(part, "get_text", bool)() == "":
        return False
    box, canvas = part.get_window_extent(), figure.bbox
    return bool(box.x1 < canvas.x0 or box.y1 < canvas.y0 or box.x0 > canvas.x1 or box.y0 > canvas.y1)


def _exceeds(figure: Any) -> bool:
    beyond = _BEYOND / figure.dpi
    box, canvas = figure.get_tightbbox(figure.canvas.get_renderer()), figure.bbox_inches
    inside = box.x0 >= canvas.x0 - beyond and box.y0 >= canvas.y0 - beyond and box.x1 <= canvas.x1 + beyond and box.y1 <= canvas.y1 + beyond
    return not inside
