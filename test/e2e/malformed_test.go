package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"safepy/test/harness"
)

// testMalformed sends what no client should: every one is answered with a status and a sentence, and then the service goes on.
func testMalformed(t *testing.T, c *client) {
	const ok = `"def main(): return 1"`
	for _, m := range []struct {
		name, body string
		status     int
		part       string // of the error
	}{
		{"empty", ``, 400, "empty"},
		{"blanks", " \n\t", 400, "empty"},
		{"not JSON", `script=x`, 400, "JSON"},
		{"cut off", `{"script": "def main(): return 1"`, 400, "JSON"},
		{"more behind it", `{"script": ` + ok + `} {"a": 1}`, 400, "JSON"},
		{"comma at the end", `{"script": ` + ok + `,}`, 400, "JSON"},
		{"single quotes", `{'script': 'x'}`, 400, "JSON"},
		{"NaN", `{"script": ` + ok + `, "args": [NaN]}`, 400, "JSON"},
		{"a newline in a string", "{\"script\": \"def main():\n return 1\"}", 400, "JSON"},
		{"not UTF-8", "{\"script\": \"\xff\"}", 400, "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00}\x00", 400, ""},
		{"null", `null`, 400, "object"},
		{"array", `[` + ok + `]`, 400, "object"},
		{"string", ok, 400, "object"},
		{"no script", `{}`, 400, "script"},
		{"null script", `{"script": null}`, 400, "script"},
		{"number as script", `{"script": 5}`, 400, "script"},
		{"array as script", `{"script": [` + ok + `]}`, 400, "script"},
		{"empty script", `{"script": ""}`, 400, "script"},
		{"blank script", `{"script": " \n\t "}`, 400, "script"},
		{"script twice", `{"script": ` + ok + `, "script": ` + ok + `}`, 400, "script"},
		{"script in capitals", `{"Script": ` + ok + `}`, 400, "Script"},
		{"unknown field", `{"script": ` + ok + `, "timeout": 5}`, 400, "timeout"},
		{"NUL in script", `{"script": "def main():\n    return '\u0000'"}`, 400, "NUL"},
		{"half a surrogate pair in script", `{"script": "x = '\ud800'"}`, 400, "surrogate"},
		{"args string", `{"script": ` + ok + `, "args": "x"}`, 400, "args"},
		{"stdin number", `{"script": ` + ok + `, "stdin": 1}`, 400, "stdin"},
		{"files object", `{"script": ` + ok + `, "files": {}}`, 400, "files"},
		{"file outside", `{"script": ` + ok + `, "files": [{"path": "../x", "content": ""}]}`, 400, "path"},
		{"file absolute", `{"script": ` + ok + `, "files": [{"path": "/etc/x", "content": ""}]}`, 400, "path"},
		{"file not base64", `{"script": ` + ok + `, "files": [{"path": "x", "content": "???", "encoding": "base64"}]}`, 400, "base64"},
		{"two files of one name", `{"script": ` + ok + `, "files": [{"path": "x", "content": ""}, {"path": "x", "content": ""}]}`, 400, "x"},
		{"timeout zero", `{"script": ` + ok + `, "limits": {"timeout_ms": 0}}`, 400, "timeout_ms"},
		{"timeout negative", `{"script": ` + ok + `, "limits": {"timeout_ms": -1}}`, 400, "timeout_ms"},
		{"timeout above the server's", `{"script": ` + ok + `, "limits": {"timeout_ms": 10001}}`, 400, "timeout_ms"},
		{"memory as a string", `{"script": ` + ok + `, "limits": {"memory_mb": "64"}}`, 400, "memory_mb"},
		{"memory of 1e400", `{"script": ` + ok + `, "limits": {"memory_mb": 1e400}}`, 400, "memory_mb"},
		{"unknown limit", `{"script": ` + ok + `, "limits": {"cpu": 1}}`, 400, "cpu"},
		{"unknown priority", `{"script": ` + ok + `, "priority": "urgent"}`, 400, "priority"},
		{"deep args", `{"script": ` + ok + `, "args": ` + repeated("[", 100000) + repeated("]", 100000) + `}`, 400, "depth"},
		{"deep and not closed", repeated(`{"script":`, 100000), 400, "JSON"},
		{"long script", `{"script": "#` + repeated("x", 1<<20) + `"}`, 413, "script"},
		{"long body", `{"script": ` + ok + `, "stdin": "` + repeated("x", 11<<20) + `"}`, 413, ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			f := c.do(t, http.MethodPost, "/execute", "application/json", []byte(m.body)).failed(t, m.status)
			if !strings.Contains(f.Error, m.part) {
				t.Errorf("no %q in %q", m.part, f.Error)
			}
		})
	}
	t.Run("the type does not matter", func(t *testing.T) {
		for _, kind := range []string{"", "text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"} {
			if result, _ := c.do(t, http.MethodPost, "/execute", kind, []byte(`{"script": `+ok+`}`)).succeeded(t); result != "1" {
				t.Errorf("%q: %s", kind, result)
			}
		}
	})
	t.Run("a byte order mark", func(t *testing.T) {
		if result, _ := c.do(t, http.MethodPost, "/execute", "application/json", []byte("\ufeff{\"script\": "+ok+"}")).succeeded(t); result != "1" {
			t.Error(result)
		}
	})
	for _, m := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/execute", 405}, {"PUT", "/execute", 405}, {"DELETE", "/execute", 405}, {"POST", "/health", 405},
		{"POST", "/nowhere", 404}, {"GET", "/jobs/no-such-job", 404}, {"GET", "/execute/", 404}, {"POST", "/EXECUTE", 404}, {"GET", "/../../etc/passwd", 404},
	} {
		t.Run(m.method+" "+m.path, func(t *testing.T) {
			c.do(t, m.method, m.path, "application/json", []byte(`{}`)).failed(t, m.status)
		})
	}
	testRawHTTP(t, c)
	result, _ := c.execute(t, request{Script: "def main(): return 'alive'"}).succeeded(t)
	if result != `"alive"` {
		t.Error(result)
	}
}

// testRawHTTP speaks to the socket: what Go's client would refuse to send.
func testRawHTTP(t *testing.T, c *client) {
	body := `{"script": "def main(): return 1"}`
	length := strconv.Itoa(len(body))
	slow := `{"script": "import time\ndef main(): time.sleep(0.5)"}`
	for _, m := range []struct {
		name, sent string
		status     int
	}{
		{"no HTTP", "hello\r\n\r\n", 400},
		{"no host", "POST /execute HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400},
		{"a length that is no number", "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n{}", 400},
		{"a negative length", "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}", 400},
		{"two lengths", "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		{"unknown transfer encoding", "POST /execute HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: none\r\n\r\n{}", 501},
		{"broken chunks", "POST /execute HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400},
		{"good chunks", "POST /execute HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n", 200},
		{"HTTP/1.0", "POST /execute HTTP/1.0\r\nContent-Length: " + length + "\r\n\r\n" + body, 200},
		{"sending side closed before the answer", "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(slow)) + "\r\n\r\n" + slow, 499},
		{"no length", "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400},
		{"expects to go on", "POST /execute HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: " + length + "\r\n\r\n" + body, 100},
		{"huge header", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + repeated("x", 1<<20) + "\r\n\r\n", 431},
		{"a body cut short", "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + body, 400},
		{"unknown content encoding", "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: " + length + "\r\n\r\n" + body, 415},
	} {
		t.Run("raw/"+m.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(harness.Patience))
			// A server that has read enough closes, and then writing may fail: the answer counts.
			io.WriteString(conn, m.sent)
			if m.status != 200 {
				conn.(*net.TCPConn).CloseWrite() // no more will come
			}
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != m.status {
				all, _ := io.ReadAll(answer.Body)
				t.Errorf("status %d, want %d: %s", answer.StatusCode, m.status, all)
			}
			if m.status == 200 {
				var s success
				if err := json.NewDecoder(answer.Body).Decode(&s); err != nil || string(s.Result) != "1" {
					t.Errorf("%v %+v", err, s)
				}
			}
		})
	}
}
