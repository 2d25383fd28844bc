"""What is installed beside the standard library, in words for whoever has imported something that is not.

It is asked only where an import has failed, and looks through the folders that imports are looked for in.
"""
import os
import re
import sys

# So many names are told, and no more; GET /capabilities has all of them.
_MOST = 40
# These first: what people look for.
_FIRST = ("numpy", "pandas", "matplotlib", "scipy", "scikit-learn", "openpyxl", "pillow", "lxml", "tabulate", "requests", "beautifulsoup4")

# Modules that go by another name than what is installed to have them.
_DISTRIBUTIONS = {
    "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "Crypto": "pycryptodome", "dateutil": "python-dateutil",
    "docx": "python-docx", "fitz": "PyMuPDF", "PIL": "Pillow", "pptx": "python-pptx", "serial": "pyserial", "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn", "yaml": "PyYAML",
}  # fmt: skip


def instead(name: str, home: str) -> str:
    """A sentence for a module that was not found."""
    top = name.split(".")[0]
    modules, distributions = _look(home)
    if top in sys.stdlib_module_names:
        return "this Python is without %s, a part of the standard library that is installed by itself" % top
    if "." in name and top in modules:
        return "%s is installed, and has no module %s: it may be another version" % (top, name[len(top) + 1 :])
    meant = _meant(top, modules)
    if meant:
        return "did you mean %s?" % meant
    sentence = "%s is not installed" % (top if top not in _DISTRIBUTIONS else "%s (%s)" % (top, _DISTRIBUTIONS[top]))
    if not distributions:
        return sentence + ": only the standard library is"
    names = sorted(distributions, key=lambda name: (_FIRST.index(name.lower()) if name.lower() in _FIRST else len(_FIRST), name.lower()))
    more = " and %d more, see GET /capabilities" % (len(names) - _MOST) if len(names) > _MOST else ""
    return "%s, and a script cannot install it; beside the standard library there are %s" % (sentence, ", ".join(names[:_MOST]) + more)


def _meant(top: str, modules: set[str]) -> str | None:
    """An installed module that goes by nearly the name, or by that of its distribution."""
    same = {_plain(d): m for m, d in _DISTRIBUTIONS.items()}.get(_plain(top))
    if same in modules:
        return same
    import difflib

    known = [m for m in modules | sys.stdlib_module_names if not m.startswith("_")]
    folded = {_plain(m): m for m in sorted(known, reverse=True)}
    close = difflib.get_close_matches(_plain(top), folded, 1, 0.84)
    return folded[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub("[-_.]", "", name).lower()


def _look(home: str) -> tuple[set[str], set[str]]:
    """The modules and the distributions in the folders of libraries."""
    modules, distributions = set(), set()
    for folder in sys.path:
        if folder in ("", home) or not os.path.isdir(folder) or os.path.exists(os.path.join(folder, "os.py")):
            continue
        for name in os.listdir(folder):
            found = re.match(r"(.+?)-[^-]+(?:-py[\d.]+)?\.(?:dist|egg)-info$", name)
            if found:
                distributions.add(found[1].replace("_", "-"))
            elif re.fullmatch(r"\w+", name) or re.fullmatch(r"\w+(?:\.cpython[^.]*|\.abi3)?\.(?:py|so)", name):
                modules.add(name.split(".")[0])
    return modules, distributions
