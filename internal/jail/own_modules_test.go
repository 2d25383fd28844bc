package jail

import "testing"

// TestOwnModules: a module that came with the request is the one imported, whatever the server has loaded by its name.
func TestOwnModules(t *testing.T) {
	eachPool(t, Config{Preload: []string{"numpy", "pandas"}}, func(t *testing.T, p *Pool) {
		for _, c := range []struct {
			name, script, result string
			files                []File
		}{
			{"of the standard library", "import fractions, statistics\ndef main():\n    return [statistics.report(), fractions.half(8)]\n",
				`["ours",4]`,
				[]File{{Path: "statistics.py", Content: "def report():\n    return 'ours'\n"},
					{Path: "fractions.py", Content: "def half(n):\n    return n // 2\n"}}},
			{"what the runner uses", "import json, ast\nfrom decimal import Decimal\nif __name__ == '__main__':\n    print(main())\n" +
				"def main():\n    return {json.x: float('nan'), ast.x: [datetime.x]}\nimport datetime\n", `{"j":null,"a":["d"]}`,
				[]File{{Path: "json.py", Content: "x = 'j'"}, {Path: "ast.py", Content: "x = 'a'"}, {Path: "./datetime.py", Content: "x = 'd'"},
					{Path: "decimal.py", Content: "Decimal = 1"}, {Path: "base64.py"}, {Path: "traceback.py"}, {Path: "linecache.py"},
					{Path: "inspect.py"}}},
			{"a package", "import json\nimport json.decoder\ndef main():\n    return [json.x, json.decoder.y]\n", `[1,2]`,
				[]File{{Path: "json/__init__.py", Content: "x = 1"}, {Path: "json/decoder.py", Content: "y = 2"}}},
			{"a submodule that is not there", "import json\ndef main():\n    try:\n        import json.decoder\n" +
				"    except ModuleNotFoundError as e:\n        return str(e)\n",
				`"No module named 'json.decoder'; 'json' is not a package"`, []File{{Path: "json.py"}}},
			{"a folder is no package", "import json\ndef main():\n    return json.loads('1')\n", `1`, []File{{Path: "json/data.txt"}}},
			{"built in and frozen", "import sys, posixpath, time\ndef main():\n" +
				"    return [sys.maxsize > 1, posixpath.join('a', 'b'), time.time() > 1]\n", `[true,"a/b",true]`,
				[]File{{Path: "sys.py"}, {Path: "posixpath.py"}, {Path: "time.py"}, {Path: "os.py"}, {Path: "encodings.py"}}},
			{"numpy beside a real Series", "import numpy, pandas as pd\ndef main():\n" +
				"    return [numpy.x, pd.Series([1.5, None]), pd.Timestamp(0)]\n",
				`["n",[1.5,null],"1970-01-01T00:00:00"]`, []File{{Path: "numpy.py", Content: "x = 'n'"}}},
			{"the names of the runner", "import runner, script\ndef main():\n    return [runner.x, script.x]\n", `[1,2]`,
				[]File{{Path: "runner.py", Content: "x = 1"}, {Path: "script.py", Content: "x = 2"}}},
			{"one imports another", "import queue\ndef main():\n    return queue.y\n", `7`,
				[]File{{Path: "queue.py", Content: "from heapq import y"}, {Path: "heapq.py", Content: "y = 7"}}},
		} {
			o, err := p.Run(t.Context(), Job{Script: c.script, Files: c.files})
			if err != nil || o.Failure != nil || string(o.Result) != c.result {
				t.Errorf("%s: %v, %+v, %s, want %s", c.name, err, o.Failure, o.Result, c.result)
			}
		}
	})
}

// TestMainModule: what scripts look at in their own module is as Python makes it for a program.
func TestMainModule(t *testing.T) {
	eachPool(t, Config{}, func(t *testing.T, p *Pool) {
		wantResult(t, p, `
import io
def main():
    import sys
    return [__name__, __file__, __builtins__.len([1]), __annotations__, __spec__, __doc__, __cached__,
            sys.stdout.name, sys.stdin.mode, sys.argv]
`, `["__main__","script.py",1,{},null,null,null,"<stdout>","r",["script.py"]]`)
	})
}
