package e2e

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// libraryPrograms are such as people write with the libraries that the service brings along: each answers, leaves the files that it is
// meant to and no other, and says nothing on stderr.
var libraryPrograms = []struct {
	name, needs, script string
	result, stdout      string
	left                string
	files               []file
}{
	{name: "plot to a file", needs: "matplotlib", script: `
import matplotlib.pyplot as plt

def main():
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3], [1, 4, 9], label="squares")
    ax.set_title("A title")
    ax.legend()
    plt.savefig("plot.png")
    data = open("plot.png", "rb").read()
    return [data[:4] == b"\x89PNG", len(data) > 5000, ax.get_title(), len(ax.lines), plt.get_fignums()]
`, result: `[true,true,"A title",1,[1]]`, left: "plot.png"},
	{name: "a drawing's pixels", needs: "matplotlib PIL", script: `
import io
import matplotlib.pyplot as plt
from PIL import Image

def main():
    fig = plt.figure(figsize=(2, 1), dpi=50, facecolor="red")
    buffer = io.BytesIO()
    fig.savefig(buffer)
    image = Image.open(buffer)
    return [image.size, image.getpixel((10, 10)), image.mode]
`, result: `[[100,50],[255,0,0,255],"RGBA"]`},
	{name: "histogram", needs: "matplotlib numpy", script: `
import numpy as np
import matplotlib.pyplot as plt

def main():
    counts, edges, patches = plt.hist(np.array([1, 2, 2, 3, 3, 3]), bins=3)
    return [counts.tolist(), edges.round(2).tolist(), len(patches)]
`, result: `[[1.0,2.0,3.0],[1.0,1.67,2.33,3.0],3]`},
	{name: "pie and text in letters of all kinds", needs: "matplotlib", script: `
import matplotlib.pyplot as plt

def main():
    wedges, texts = plt.pie([1, 3], labels=["é", "ß"])
    plt.title(r"$\alpha^2$")
    plt.savefig("pie.svg")
    return [len(wedges), [t.get_text() for t in texts], "<svg" in open("pie.svg").read()]
`, result: `[2,["é","ß"],true]`, left: "pie.svg"},
	{name: "three dimensions", needs: "matplotlib numpy", script: `
import numpy as np
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d import Axes3D

def main():
    ax = plt.figure().add_subplot(projection="3d")
    x, y = np.meshgrid(np.arange(4), np.arange(4))
    ax.plot_surface(x, y, x * y)
    plt.savefig("surface.png")
    return [isinstance(ax, Axes3D), ax.name]
`, result: `[true,"3d"]`, left: "surface.png"},
	{name: "a frame plots itself", needs: "pandas matplotlib", script: `
import pandas as pd

def main():
    ax = pd.DataFrame({"a": [1, 2, 3], "b": [3, 2, 1]}).plot(kind="bar", title="t")
    return [type(ax).__name__ in ("Axes", "AxesSubplot"), len(ax.patches), ax.get_legend_handles_labels()[1]]
`, result: `[true,6,["a","b"]]`},
	{name: "box plot of groups", needs: "pandas matplotlib", script: `
import pandas as pd
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

def main():
    df = pd.DataFrame({"g": ["x", "x", "y", "y"], "v": [1, 2, 3, 4]})
    ax = df.boxplot(column="v", by="g")
    return [label.get_text() for label in ax.get_xticklabels()]
`, result: `["x","y"]`},
	{name: "pdf of several pages", needs: "matplotlib", script: `
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

def main():
    with PdfPages("pages.pdf") as pdf:
        for n in range(2):
            plt.figure()
            plt.plot([n, 1])
            pdf.savefig()
            plt.close()
        count = pdf.get_pagecount()
    return [count, open("pages.pdf", "rb").read(4).decode()]
`, result: `[2,"%PDF"]`, left: "pages.pdf"},
	{name: "t test", needs: "scipy", script: `
from scipy import stats

def main():
    a, b = [5.1, 4.9, 5.6, 5.8], [6.0, 6.2, 6.8, 7.1]
    t, p = stats.ttest_ind(a, b)
    return [round(float(t), 4), round(float(p), 4)]
`, result: `[-3.5461,0.0121]`},
	{name: "correlation and regression", needs: "scipy numpy", script: `
import numpy as np
from scipy.stats import pearsonr, linregress, chi2_contingency

def main():
    x = np.arange(5.0)
    fit = linregress(x, 2 * x + 1)
    return [round(float(pearsonr(x, -x)[0]), 6), round(fit.slope, 6), round(fit.intercept, 6), round(float(chi2_contingency([[10, 20], [20, 10]])[1]), 4)]
`, result: `[-1.0,2.0,1.0,0.0201]`},
	{name: "minimum, root and integral", needs: "scipy", script: `
from scipy import integrate, optimize

def main():
    return [round(float(optimize.minimize_scalar(lambda x: (x - 2) ** 2).x), 4), round(optimize.brentq(lambda x: x * x - 2, 0, 2), 6), round(integrate.quad(lambda x: x * x, 0, 3)[0], 6)]
`, result: `[2.0,1.414214,9.0]`},
	{name: "linear algebra", needs: "scipy numpy", script: `
import numpy as np
import scipy.linalg

def main():
    a = np.array([[4.0, 2.0], [2.0, 3.0]])
    return [round(float(scipy.linalg.det(a)), 6), scipy.linalg.cholesky(a).round(4).tolist(), scipy.linalg.solve(a, [8, 8]).round(6).tolist()]
`, result: `[8.0,[[2.0,1.0],[0.0,1.4142]],[1.0,2.0]]`},
	{name: "distances and clusters", needs: "scipy numpy", script: `
import numpy as np
from scipy.spatial.distance import cdist
from scipy.cluster.vq import kmeans2

def main():
    points = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    labels = kmeans2(points, np.array([[0.0, 0.0], [9.0, 9.0]]), minit="matrix")[1]
    return [cdist(points[:1], points).round(3).tolist(), labels.tolist()]
`, result: `[[[0.0,1.0,12.728]],[0,0,1]]`},
	{name: "signal", needs: "scipy numpy", script: `
import numpy as np
from scipy import signal, interpolate, ndimage

def main():
    peaks = signal.find_peaks(np.array([0, 2, 0, 3, 0]))[0]
    line = interpolate.interp1d([0, 2], [0, 4])
    return [peaks.tolist(), float(line(1)), ndimage.uniform_filter1d([0.0, 3.0, 6.0], 3).tolist()]
`, result: `[[1,3],2.0,[1.0,3.0,5.0]]`},
	{name: "sheet written and read", needs: "pandas openpyxl", script: `
import pandas as pd

def main():
    df = pd.DataFrame({"name": ["a", "b"], "n": [1, 2]})
    df.to_excel("out.xlsx", index=False)
    return pd.read_excel("out.xlsx")
`, result: `[{"name":"a","n":1},{"name":"b","n":2}]`, left: "out.xlsx"},
	{name: "workbook with formulas and styles", needs: "openpyxl", script: `
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font

def main():
    book = Workbook()
    sheet = book.active
    sheet.title = "Data"
    sheet.append(["x", 1])
    sheet["B2"] = "=SUM(B1:B1)"
    sheet["A1"].font = Font(bold=True)
    book.create_sheet("More")
    book.save("b.xlsx")
    again = load_workbook("b.xlsx")
    return [again.sheetnames, again["Data"]["B2"].value, again["Data"]["A1"].font.bold, again["Data"].max_row]
`, result: `[["Data","More"],"=SUM(B1:B1)",true,2]`, left: "b.xlsx"},
	{name: "several sheets", needs: "pandas openpyxl", script: `
import pandas as pd

def main():
    with pd.ExcelWriter("two.xlsx") as writer:
        for name in "ab":
            pd.DataFrame({name: [1]}).to_excel(writer, sheet_name=name)
    return sorted(pd.read_excel("two.xlsx", sheet_name=None))
`, result: `["a","b"]`, left: "two.xlsx"},
	{name: "markdown", needs: "pandas tabulate", script: `
import pandas as pd

def main():
    print(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_markdown(index=False))
`, result: `null`, stdout: "|   a | b   |\n|----:|:----|\n|   1 | x   |\n|   2 | y   |\n"},
	{name: "tabulate", needs: "tabulate", script: `
from tabulate import tabulate

def main():
    return tabulate([["a", 1.5]], headers=["k", "v"], tablefmt="github").splitlines()
`, result: `["| k   |   v |","|-----|-----|","| a   | 1.5 |"]`},
	{name: "html taken apart", needs: "lxml", script: `
from lxml import html, etree

def main():
    tree = html.fromstring("<div><a href='/x'>one</a><a href='/y'>two</a></div>")
    root = etree.fromstring(b"<r><i n='1'/><i n='2'/></r>")
    return [tree.xpath("//a/@href"), [a.text for a in tree.iter("a")], root.xpath("sum(//i/@n)"), etree.tostring(root[0]).decode()]
`, result: `[["/x","/y"],["one","two"],3.0,"<i n=\"1\"/>"]`},
	{name: "tables of a page", needs: "pandas lxml", script: `
import io
import pandas as pd

def main():
    page = "<table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table>"
    return pd.read_html(io.StringIO(page), flavor="lxml")[0]
`, result: `[{"k":"a","v":1}]`},
	{name: "xml of a frame", needs: "pandas lxml", script: `
import io
import pandas as pd

def main():
    return pd.read_xml(io.StringIO(pd.DataFrame({"a": [1, 2]}).to_xml(index=False)))
`, result: `[{"a":1},{"a":2}]`},
	{name: "image made smaller", needs: "PIL", script: `
from PIL import Image, ImageDraw, ImageFilter, ImageOps

def main():
    image = Image.new("RGB", (40, 20), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 19, 19), fill="blue")
    image.resize((20, 10)).save("small.png")
    small = Image.open("small.png")
    return [small.size, small.getpixel((2, 2)), ImageOps.mirror(small).getpixel((2, 2)), small.convert("L").getpixel((15, 5)), image.filter(ImageFilter.BLUR).size]
`, result: `[[20,10],[0,0,255],[255,255,255],255,[40,20]]`, left: "small.png"},
	{name: "jpeg through memory and arrays", needs: "PIL numpy", script: `
import base64, io
import numpy as np
from PIL import Image

def main():
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint8)).save(buffer, "JPEG")
    again = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
    return [again.shape, bool(abs(again.astype(int) - 200).max() <= 2), base64.b64encode(buffer.getvalue())[:4].decode()]
`, result: `[[8,8],true,"/9j/"]`},
	{name: "gaps filled by a curve", needs: "pandas scipy numpy", script: `
import numpy as np
import pandas as pd

def main():
    s = pd.Series([0.0, np.nan, 4.0, 9.0])
    return [s.interpolate(method="quadratic").round(4).tolist(), round(s.corr(s ** 2, method="spearman"), 6)]
`, result: `[[0.0,1.0,4.0,9.0],1.0]`},
	{name: "a helper that needs libraries", needs: "pandas matplotlib scipy", script: `
from helper import summary

def main():
    return summary([1, 2, 3, 4])
`, files: []file{{Path: "helper.py", Content: `import pandas as pd
import matplotlib.pyplot as plt
from scipy import stats


def summary(values):
    plt.plot(values)
    plt.savefig("h.png")
    return {"mean": pd.Series(values).mean(), "z": round(float(stats.zscore(values)[0]), 4)}
`}}, result: `{"mean":2.5,"z":-1.3416}`, left: "h.png"},
	{name: "by a name that no text shows", needs: "numpy", script: `
import importlib

def main():
    return importlib.import_module("num" + "py").arange(3)
`, result: `[0,1,2]`},
	{name: "nothing is left of a warm-up", needs: "matplotlib", script: `
import matplotlib, matplotlib.pyplot as plt

def main():
    changed = [k for k in matplotlib.rcParams if matplotlib.rcParams[k] != matplotlib.rcParamsDefault[k] and k != "backend"]
    return [plt.get_fignums(), plt.figure().number, plt.gcf().axes, changed, plt.get_backend().lower(), plt.isinteractive()]
`, result: `[[],1,[],[],"agg",false]`},
}

func testLibraries(t *testing.T, c *client) {
	for _, p := range libraryPrograms {
		t.Run(p.name, func(t *testing.T) {
			needsInstalled(t, strings.Fields(p.needs))
			answer := c.execute(t, request{Script: source(p.script), Files: p.files})
			result, stdout := answer.succeeded(t)
			if result != p.result || stdout != p.stdout {
				t.Errorf("got %s %q, want %s %q", result, stdout, p.result, p.stdout)
			}
			j := c.job(t, answer)
			var left []string
			for _, f := range j.Files {
				left = append(left, f.Path)
			}
			if strings.Join(left, " ") != p.left || j.Stderr != "" {
				t.Errorf("files %q, want %s; stderr %q", left, p.left, j.Stderr)
			}
		})
	}
}

var installed sync.Map

// needsInstalled skips a program whose libraries the service's Python lacks.
func needsInstalled(t *testing.T, names []string) {
	t.Helper()
	python := "/usr/bin/python3"
	if given := os.Getenv("JAIL_PYTHON"); given != "" {
		python = given
	}
	for _, name := range names {
		is, _ := installed.LoadOrStore(name, sync.OnceValue(func() bool { return exec.Command(python, "-I", "-c", "import "+name).Run() == nil }))
		if !is.(func() bool)() {
			t.Skipf("%s cannot import %s (make test installs it where it may)", python, name)
		}
	}
}
