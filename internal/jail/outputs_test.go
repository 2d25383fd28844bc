package jail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"
)

// shown decodes outputs as whoever reads a job document does.
func shown(t *testing.T, array json.RawMessage) (bundles []struct {
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
}) {
	t.Helper()
	if array == nil {
		return nil
	}
	if err := json.Unmarshal(array, &bundles); err != nil {
		t.Fatalf("%v: %.500s", err, array)
	}
	return bundles
}

// What a job sends of its outputs is its own word, and none of it gets further than it should.
func TestOutputsAreBounded(t *testing.T) {
	l := Limits{Outputs: 3, OutputsBytes: 400, ResultBytes: 100, FilesBytes: 10, Files: 1}
	const good = `{"data":{"text/plain":"x"},"metadata":{}}`
	deep := strings.Repeat("[", MaxResultDepth+1) + strings.Repeat("]", MaxResultDepth+1)
	var types []string
	for i := range maxTypes + 1 {
		types = append(types, fmt.Sprintf(`"a/b%d":"x"`, i))
	}
	for _, c := range []struct {
		name, sent string
		want       string
		dropped    int
	}{
		{"none", "", "", 0},
		{"two", "+" + good + "\n+" + good + "\n", "[" + good + "," + good + "]", 0},
		{"too many", strings.Repeat("+"+good+"\n", 5), "[" + good + "," + good + "," + good + "]", 2},
		{"too long", `+{"data":{"text/plain":"` + strings.Repeat("x", 400) + "\"}}\n+" + good + "\n", "[" + good + "]", 1},
		{"more than are sent", "+" + good + "\n-\n-\n-\n", "[" + good + "]", 1},
		{"not finished", "+" + good + "\n+{\"data\":{\"text", "[" + good + "]", 1},
		{"no metadata, and spaces", "+{ \"data\": {\"text/plain\": \"x\"}, \"more\": 1}\n", "[" + good + "]", 0},
		{"JSON", `+{"data":{"application/json":[1,{"a":null}],"application/vnd.x+json":1}}` + "\n",
			`[{"data":{"application/json":[1,{"a":null}],"application/vnd.x+json":1},"metadata":{}}]`, 0},
		{"after one that is none nothing is looked at", "+\n+" + good + "\n+" + good + "\n", "", 3},
		{"a list", "+[1]\n", "", 1},
		{"no JSON", "+{]\n", "", 1},
		{"no data", "+{\"data\":{}}\n", "", 1},
		{"data is no object", "+{\"data\":[\"text/plain\"]}\n", "", 1},
		{"metadata is no object", "+{\"data\":{\"text/plain\":\"x\"},\"metadata\":[]}\n", "", 1},
		{"a name with markup", "+{\"data\":{\"text/<script>\":\"x\"}}\n", "", 1},
		{"a name with a parameter", "+{\"data\":{\"text/html; charset=x\":\"x\"}}\n", "", 1},
		{"a name with a line end", "+{\"data\":{\"text/plain\\n\":\"x\"}}\n", "", 1},
		{"a long name", "+{\"data\":{\"text/" + strings.Repeat("x", maxMIME) + "\":\"x\"}}\n", "", 1},
		{"no name", "+{\"data\":{\"\":\"x\"}}\n", "", 1},
		{"a name twice", "+{\"data\":{\"text/plain\":\"x\",\"text/plain\":\"y\"}}\n", "", 1},
		{"a number for text", "+{\"data\":{\"text/plain\":1}}\n", "", 1},
		{"no base64", "+{\"data\":{\"image/png\":\"<svg>\"}}\n", "", 1},
		{"base64 with an escape", "+{\"data\":{\"image/png\":\"AA\\n==\"}}\n", "", 1},
		{"a picture in capitals", "+{\"data\":{\"IMAGE/PNG\":\"<svg>\"}}\n", "", 1},
		{"no UTF-8", "+{\"data\":{\"text/plain\":\"\xff\"}}\n", "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, ok := parse([]byte("w"+c.sent+"{}\nnull"), l)
			if c.name == "not finished" { // a line has no end, so neither has the answer
				got, _ := l.outputs([]byte(c.sent))
				o, ok = Outcome{Outputs: got.array(), DroppedOutputs: got.droppedAtLeast(0)}, true
			}
			if !ok || string(o.Outputs) != c.want || o.DroppedOutputs != c.dropped {
				t.Errorf("%t, %s, %d dropped", ok, o.Outputs, o.DroppedOutputs)
			}
		})
	}
	wide := Limits{Outputs: 3, OutputsBytes: 1 << 20}
	for name, line := range map[string]string{
		"too many types": `{"data":{` + strings.Join(types, ",") + `}}`, "too deep": `{"data":{"application/json":` + deep + `}}`,
	} {
		if got, _ := wide.outputs([]byte("+" + line + "\n")); got.array() != nil || got.dropped != 1 {
			t.Errorf("%s: %.200s, %d dropped", name, got.array(), got.dropped)
		}
	}
	if o, ok := parse([]byte("w-\n"+`{"dropped_outputs":9999999999999}`+"\nnull"), l); !ok || o.DroppedOutputs != maxDropped {
		t.Errorf("%t, %d dropped", ok, o.DroppedOutputs)
	}
	if o, ok := parse([]byte("w"+`{"dropped_outputs":-4}`+"\nnull"), l); !ok || o.DroppedOutputs != 0 {
		t.Errorf("%t, %d dropped", ok, o.DroppedOutputs)
	}
	// Millions of lines of nothing are gone through in no time to speak of: see outputs.forged.
	if got, rest := wide.outputs(bytes.Repeat([]byte("+\n"), 1<<20)); got.dropped != 1<<20 || len(rest) != 0 {
		t.Errorf("%d dropped, %d bytes left", got.dropped, len(rest))
	}
}

func FuzzOutputs(f *testing.F) {
	f.Add([]byte("+{\"data\":{\"image/png\":\"AAAA\"},\"metadata\":{\"a\":[1]}}\n-\n{}\nnull"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		l := Limits{Outputs: 4, OutputsBytes: 1 << 10}
		got, _ := l.outputs(sent)
		if array := got.array(); array != nil && (!json.Valid(array) || len(array) > l.OutputsBytes+l.Outputs+2) {
			t.Errorf("%q", array)
		}
	})
}

const displaying = `
class Own:
    def _repr_html_(self):
        return "<b>own</b>", {"isolated": True}
    def _repr_png_(self):
        return b"\x89PNG"
    def _repr_json_(self):
        return {"a": [1, None]}
    def _repr_markdown_(self):
        raise ValueError("not today")

def main():
    display("a", Own())
    display({"text/html": "<i>", "application/vnd.x+json": {"b": 1}}, raw=True)
    from IPython.display import HTML, display as same
    same(HTML("<p>"))
    print("done")
    return display(3, {"metadata": "harmless"}, display_id="x").display_id
`

// Both backends, and what scripts do to be shown and to be in the way.
func TestOutputs(t *testing.T) {
	limits := Limits{Timeout: patience, OutputsBytes: 1 << 20}
	eachPool(t, Config{Limits: limits}, func(t *testing.T, p *Pool) {
		t.Run("displayed", func(t *testing.T) { testDisplayed(t, p) })
		for _, c := range []struct {
			name, script string
			shown        int
			dropped      int // at least
			failure      Code
			stderr       string
		}{
			{"ten thousand", "def main():\n    for i in range(10000):\n        display(i)\n", 32, 9968, "", ""},
			{"one too large", "def main():\n    display('x' * 2000000)\n    display(1)\n", 1, 1, "", ""},
			{"much together", "def main():\n    for i in range(30):\n        display('x' * 100000)\n", 10, 20, "", ""},
			{"killed", "def main():\n    display(1)\n    display(2)\n    import os\n    os.kill(os.getpid(), 9)\n", 2, 0, Crashed, ""},
			{"over its time", "class Slow:\n    def _repr_html_(self):\n        while True: pass\n" +
				"def main():\n    display(1)\n    display(Slow())\n",
				1, 0, Timeout, ""},
			{"ends with an exception", "def main():\n    display(1)\n    1 / 0\n", 1, 0, Exception, ""},
			{"a form that fails", "class Bad:\n    def _repr_html_(self): raise ValueError('no form')\ndef main():\n    display(Bad())\n",
				1, 0, "", "ValueError: no form"},
			{"no form at all", "class Bad:\n    def __repr__(self): raise ValueError('no text')\ndef main():\n    display(Bad())\n",
				0, 0, "", "ValueError: no text"},
			{"wrong names", "def main():\n    display({'text/<b>': 'x'}, raw=True)\n    display(1)\n", 0, 2, "", ""},
			{"forged", "import os\ndef main():\n    os.write(4, b'+{\"data\":{\"image/png\":\"<script>\"}}\\n+\\n' * 1000)\n", 0, 1000, "", ""},
			{"threads", "from threading import Thread\ndef main():\n    ts = [Thread(target=display, args=('x' * 9000,)) for _ in range(16)]\n" +
				"    [t.start() for t in ts]\n    [t.join() for t in ts]\n", 16, 0, "", ""},
			{"a name of its own", "def display(x):\n    print(x)\ndef main():\n    display(1)\n", 0, 0, "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				j := Job{Script: c.script}
				if c.failure == Timeout {
					j.Timeout = time.Second
				}
				o, err := p.Run(t.Context(), j)
				if err != nil {
					t.Fatal(err)
				}
				var failure Code
				if o.Failure != nil {
					failure = o.Failure.Code
				}
				if got := len(shown(t, o.Outputs)); got != c.shown || o.DroppedOutputs < c.dropped || (c.dropped == 0) != (o.DroppedOutputs == 0) {
					t.Errorf("%d shown, %d dropped", got, o.DroppedOutputs)
				}
				if failure != c.failure || !strings.Contains(o.Stderr.Text, c.stderr) || c.stderr == "" && o.Stderr.Text != "" {
					t.Errorf("%+v, %s", o.Failure, o.Stderr.Text)
				}
			})
		}
	})
}

func testDisplayed(t *testing.T, p *Pool) {
	o, err := p.Run(t.Context(), Job{Script: displaying})
	if err != nil || o.Failure != nil || string(o.Result) != `"x"` || o.Stdout.Text != "done\n" {
		t.Fatalf("%v, %+v, %s, %q", err, o.Failure, o.Result, o.Stdout.Text)
	}
	want := `[{"data":{"text/plain":"'a'"},"metadata":{}},` +
		`{"data":{"text/html":"<b>own</b>","image/png":"iVBORw==","application/json":{"a":[1,null]},"text/plain":"OWN"},` +
		`"metadata":{"text/html":{"isolated":true}}},` +
		`{"data":{"text/html":"<i>","application/vnd.x+json":{"b":1}},"metadata":{}},` +
		`{"data":{"text/html":"<p>","text/plain":"<IPython.core.display.HTML object>"},"metadata":{}},` +
		`{"data":{"text/plain":"3"},"metadata":{}},{"data":{"text/plain":"{'metadata': 'harmless'}"},"metadata":{}}]`
	got := string(o.Outputs)
	if i := strings.Index(got, "<__main__.Own"); i >= 0 {
		got = got[:i] + "OWN" + got[i+strings.Index(got[i:], ">")+1:]
	}
	if got != want {
		t.Errorf("%s", got)
	}
	if !strings.Contains(o.Stderr.Text, "ValueError: not today") || strings.Contains(o.Stderr.Text, "runner") {
		t.Errorf("stderr: %s", o.Stderr.Text)
	}
}

// plots are drawn; of each picture a pixel is looked at.
var plots = []struct {
	name, script string
	program      bool
	wide, high   int // 0 for more than the canvas
	x, y         int
	red, green   uint32
	blue         uint32
}{
	{name: "shown",
		script: "plt.plot([1, 2])\nplt.gcf().set_facecolor('red')\nplt.show()\n" +
			"assert not plt.get_fignums()", wide: 640, high: 480, x: 2, y: 2, red: 255},
	{name: "left open",
		script: "plt.figure(figsize=(4, 3), facecolor='blue')\nplt.plot([1])", wide: 400, high: 300, x: 2, y: 2, blue: 255},
	{name: "by another backend",
		script: "plt.switch_backend('svg')\nplt.axes([0, 0, 1, 1]).set_facecolor('lime')\nplt.axis('on')\nplt.show()",
		wide:   640, high: 480, x: 320, y: 240, green: 255},
	{name: "use",
		script: "import matplotlib\nmatplotlib.use('Agg')\nfrom matplotlib.pyplot import show\nplt.imshow([[1]], cmap='autumn')\nshow()",
		wide:   640, high: 480, x: 320, y: 240, red: 255},
	{name: "a figure's own show",
		script: "f, a = plt.subplots(facecolor='lime')\nf.show()\nplt.close('all')", wide: 640, high: 480, x: 2, y: 2, green: 255},
	{name: "displayed and left open",
		script: "f, a = plt.subplots(facecolor='lime')\ndisplay(f)", wide: 640, high: 480, x: 2, y: 2, green: 255},
	{name: "legend below",
		script: "plt.gcf().set_facecolor('red')\nplt.plot([1], label='x')\nplt.legend(bbox_to_anchor=(.5, -.3), loc='upper center')",
		x:      2, y: 2, red: 255},
	{name: "labels that are cut off",
		script: "plt.gcf().set_facecolor('red')\nplt.bar(['long ' * 9], [1])\nplt.xticks(rotation=90)", x: 2, y: 2, red: 255},
	{name: "a program", program: true,
		script: "plt.gcf().set_facecolor('red')\nplt.plot([1])\nraise SystemExit(2)", wide: 640, high: 480, x: 2, y: 2, red: 255},
	{name: "a frame", script: "import pandas as pd\npd.DataFrame({'a': [1, 2]}).plot(figsize=(4, 3)).figure.set_facecolor('blue')",
		wide: 400, high: 300, x: 2, y: 2, blue: 255},
	{name: "mathtext, logarithmic, three dimensions",
		script: "f = plt.figure(facecolor='red')\nplt.subplot(121).loglog([1, 10], [1, 100])\n" +
			"plt.title(r'$\\frac{a}{\\sqrt{b}}$')\nf.add_subplot(122, projection='3d').plot([1, 2], [1, 2], [1, 2])",
		wide: 640, high: 480, x: 2, y: 2, red: 255},
}

func TestFigures(t *testing.T) {
	for _, preload := range [][]string{{AutoPreload}, {}} { // loaded before the fork, and by the script
		t.Run(fmt.Sprint(preload), func(t *testing.T) {
			eachPool(t, Config{Preload: preload, Limits: Limits{Timeout: patience}}, testFigures)
		})
	}
}

func testFigures(t *testing.T, p *Pool) {
	if !p.plan.libraries.installed["matplotlib"] {
		t.Skip("matplotlib is not installed")
	}
	const begin = "import matplotlib.pyplot as plt\n"
	for _, c := range plots {
		t.Run(c.name, func(t *testing.T) {
			script := begin + "def main():\n    " + strings.ReplaceAll(c.script, "\n", "\n    ")
			if c.program {
				script = begin + c.script
			}
			o, err := p.Run(t.Context(), Job{Script: script, Program: c.program})
			if err != nil || o.Failure != nil || o.Stderr.Text != "" {
				t.Fatalf("%v, %+v, %s", err, o.Failure, o.Stderr.Text)
			}
			outputs := shown(t, o.Outputs)
			if len(outputs) != 1 {
				t.Fatalf("%d outputs", len(outputs))
			}
			picture := decodePNG(t, outputs[0].Data["image/png"])
			size := picture.Bounds().Size()
			if text, _ := outputs[0].Data["text/plain"].(string); !strings.HasPrefix(text, "<Figure size ") {
				t.Errorf("text: %q", text)
			}
			if c.wide != 0 && (size.X != c.wide || size.Y != c.high) || c.wide == 0 && size.X == 640 && size.Y == 480 {
				t.Errorf("size %v", size)
			}
			r, g, b, _ := picture.At(c.x, c.y).RGBA()
			if r>>8 != c.red || g>>8 != c.green || b>>8 != c.blue {
				t.Errorf("pixel %d %d %d", r>>8, g>>8, b>>8)
			}
		})
	}
}

func decodePNG(t *testing.T, encoded any) image.Image {
	t.Helper()
	text, _ := encoded.(string)
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// TestFiguresThatFail: one that cannot be drawn fails the script where it is shown, and is only told of where it is left open.
func TestFiguresThatFail(t *testing.T) {
	eachPool(t, Config{Preload: []string{AutoPreload}, Limits: Limits{Timeout: patience}}, func(t *testing.T, p *Pool) {
		if !p.plan.libraries.installed["matplotlib"] {
			t.Skip("matplotlib is not installed")
		}
		const script = "import matplotlib.pyplot as plt\ndef main():\n    plt.title(r'$\\nonsense{$')\n"
		o, err := p.Run(t.Context(), Job{Script: script + "    plt.show()\n"})
		if err != nil || o.Failure == nil || o.Failure.Type != "ValueError" || o.Failure.Line != 4 {
			t.Errorf("%v, %+v", err, o.Failure)
		}
		o, err = p.Run(t.Context(), Job{Script: script + "    return 1\n"})
		if err != nil || o.Failure != nil || string(o.Result) != "1" || o.Outputs != nil || !strings.Contains(o.Stderr.Text, "ValueError") {
			t.Errorf("%v, %+v, %s, %s", err, o.Failure, o.Outputs, o.Stderr.Text)
		}
	})
}
