package jail

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	for _, b := range []Backend{Nsjail, Bubblewrap} {
		t0 := time.Now()
		p, err := Open(context.Background(), Config{Backend: b, Preload: []string{"numpy", "pandas"}, Slots: 2, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Denied: []string{"os", "sys", "eval"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Log("open", time.Since(t0))
		for _, s := range []string{"def main():\n  print('hi')\n  return {'a': 2**100}", "import pandas as pd\ndef main():\n  return pd.DataFrame({'a':[1,2]}).sum()", "def main(): return {1}, open('/tmp/x','w').write('é')", "import os", "def main(): return 1/0", "def main(:", "x=1", "async def main(): return b'abc'",
			"def main():\n  import ctypes\n  ctypes.string_at(0)", "def main():\n  import posix\n  posix.abort()", "def main():\n  bytearray(120<<20)", "import re\ndef main():\n  print('x')\n  re.match('(a*)*b', 'a'*100)", "def main(): import posix; posix._exit(3)",
			"def main():\n  print('x'*3000000)", "def main():\n  while True: print('x'*300000)", "def main(): return object()", "def main(): exit()", "import threading\ndef main():\n  l=[]\n  for i in range(100):\n    t=threading.Thread(target=lambda: threading.Event().wait()); t.daemon=True; t.start(); l.append(t)", "import socket\ndef main(): socket.socket()", "def main(): import posix; return posix.fork()"} {
			for i := 0; i < 2; i++ {
				t0 := time.Now()
				o, err := p.Run(context.Background(), Job{Script: s, Timeout: time.Second})
				if i == 0 {
					t.Logf("%q: %s %+v err=%v %v stdout=%d files=%v", s, o.Result, o.Failure, err, o.Usage, len(o.Stdout.Text), o.Files)
				}
				t.Log(time.Since(t0))
			}
		}
		p.Close()
	}
}
