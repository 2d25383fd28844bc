package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"safepy/internal/config"
	"safepy/internal/jobs"
)

// raw sends a request just as it is written here, and returns its answer: net/http's own client would not send every Host.
func (s *testServer) raw(method, path, host, body string, header ...string) *answerOf {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.Listener.Addr().String(), 10*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, path)
	if host != "-" {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if _, err := io.WriteString(conn, b.String()+"\r\n"+body); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &answerOf{resp, s.t, read}
}

// What browsers and programs send with a request, beside what this service looks at.
var (
	chrome  = []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0 Safari/537.36", "Accept-Language", "en", "sec-ch-ua-platform", `"Linux"`}
	firefox = []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Priority", "u=4", "DNT", "1"}
	safari  = []string{"User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/15.6 Safari/605.1.15", "Accept-Language", "en-GB,en"}
)

func with(browser []string, header ...string) []string {
	return append(append([]string{}, browser...), header...)
}

// TestBrowsers: what a browser marks as another site's is refused and runs nothing; everybody else notices nothing.
func TestBrowsers(t *testing.T) {
	const refused = 403
	s := serve(t)
	s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	s.do("POST", "/jobs", script("x")).want(200)
	own := s.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(own)
	run, plain := script("x"), "text/plain;charset=UTF-8"
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"curl", "POST", "/execute", run, []string{"User-Agent", "curl/8.14.1", "Accept", "*/*", "Content-Type", "application/x-www-form-urlencoded"}, 200},
		{"curl, a browser's name", "POST", "/execute", run, with(chrome, "Content-Type", "application/json"), 200},
		{"Go", "POST", "/execute", run, []string{"User-Agent", "Go-http-client/1.1", "Accept-Encoding", "gzip"}, 200},
		{"Python", "POST", "/execute", run, []string{"User-Agent", "python-requests/2.32", "Accept-Encoding", "gzip, deflate", "Accept", "*/*", "Connection", "keep-alive"}, 200},
		{"Node's fetch", "POST", "/execute", run, []string{"User-Agent", "node", "Accept", "*/*", "Accept-Language", "*", "Sec-Fetch-Mode", "cors", "Content-Type", plain}, 200},
		{"a link followed by a program", "GET", "/jobs", "", []string{"Referer", "http://evil.example/"}, 200},
		{"typed into the address bar", "GET", "/jobs/job-1", "", with(chrome, "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1", "Sec-Fetch-Dest", "document"), 200},
		{"own page, fetch", "POST", "/execute", run, with(chrome, "Origin", "http://"+own, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), 200},
		{"own page behind a proxy with TLS", "POST", "/execute", run, with(firefox, "Origin", "https://python.example", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"), 200},
		{"own page, no Sec-Fetch", "POST", "/execute", run, with(safari, "Origin", "http://"+own), 200},
		{"own page, EventSource", "GET", "/jobs/job-1", "", with(firefox, "Accept", "text/event-stream", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"), 200},
		{"an address in the network, no Sec-Fetch", "GET", "/jobs", "", safari, 200},

		{"text/plain, no preflight", "POST", "/execute", run, with(chrome, "Content-Type", plain, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty"), refused},
		{"as reported, nothing else", "POST", "/execute", run, []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site"}, refused},
		{"another port of this machine", "POST", "/execute", run, with(chrome, "Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"), refused},
		{"a kind of site not thought of", "POST", "/execute", run, with(chrome, "Sec-Fetch-Site", "near-origin"), refused},
		{"the header twice", "POST", "/execute", run, with(chrome, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"), refused},
		{"no Sec-Fetch", "POST", "/execute", run, with(safari, "Content-Type", plain, "Origin", "http://evil.example"), refused},
		{"no Sec-Fetch, another port", "POST", "/execute", run, with(safari, "Origin", "http://127.0.0.1:1"), refused},
		{"no Sec-Fetch, the scheme's port", "POST", "/execute", run, with(safari, "Origin", "http://127.0.0.1"), refused},
		{"no Sec-Fetch, a name that begins alike", "POST", "/execute", run, with(safari, "Origin", "http://"+own+".evil.example"), refused},
		{"no Sec-Fetch, own name before an @", "POST", "/execute", run, with(safari, "Origin", "http://"+own+"@evil.example"), refused},
		{"a sandboxed frame or a file", "POST", "/execute", run, with(safari, "Origin", "null"), refused},
		{"two origins", "POST", "/execute", run, with(safari, "Origin", "http://"+own, "Origin", "http://evil.example"), refused},
		{"an empty origin", "POST", "/execute", run, with(safari, "Origin", ""), refused},
		{"form, text/plain", "POST", "/jobs", run, with(firefox, "Content-Type", "text/plain", "Origin", "null", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"), refused},
		{"form to a page", "POST", "/", run, with(firefox, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), refused},
		{"form, GET", "GET", "/jobs", "", with(chrome, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), refused},
		{"img", "GET", "/jobs", "", with(chrome, "Accept", "image/avif,*/*", "Referer", "http://evil.example/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), refused},
		{"script", "GET", "/jobs/job-1", "", with(firefox, "Accept", "*/*", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), refused},
		{"script of metrics", "GET", "/metrics", "", with(chrome, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), refused},
		{"frame", "GET", "/", "", with(chrome, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), refused},
		{"EventSource", "GET", "/jobs/job-1?wait=30", "", with(chrome, "Accept", "text/event-stream", "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"), refused},
		{"WebSocket", "GET", "/jobs", "", with(chrome, "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Origin", "http://evil.example"), refused},
		{"WebSocket, marked", "GET", "/jobs", "", with(firefox, "Upgrade", "websocket", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "websocket"), refused},
		{"DELETE", "DELETE", "/jobs/job-1", "", with(safari, "Origin", "http://evil.example"), refused},
		{"preflight", "OPTIONS", "/execute", "", with(chrome, "Origin", "http://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type", "Sec-Fetch-Site", "cross-site"), refused},
		{"capabilities", "GET", "/capabilities", "", with(chrome, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"), refused},
		{"a route that is not", "GET", "/nowhere", "", with(chrome, "Sec-Fetch-Site", "cross-site"), refused},

		// Links on another site lead to what shows nothing of anybody's. There is no page at / yet.
		{"link to the page", "GET", "/", "", with(chrome, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1", "Sec-Fetch-Dest", "document"), 404},
		{"link to the docs", "GET", "/docs", "", with(firefox, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 404},
		{"link to health", "GET", "/health", "", with(safari, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.queue.submitted()
			a := s.raw(c.method, c.path, own, c.body, c.header...)
			if c.status == refused {
				a.wantError(403, "forbidden_origin", "ALLOWED_ORIGINS")
			}
			a.want(c.status)
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("Access-Control-Allow-Origin %q", got)
			}
			if ran := s.queue.submitted() - before; c.status != 200 && ran > 0 {
				t.Errorf("%d jobs", ran)
			}
		})
	}
	// The same page under the names that this machine has anyway.
	for _, host := range []string{"localhost:" + port, "python.localhost:" + port, "[::1]:" + port, "192.168.1.9", "192.168.1.9:80"} {
		s.raw("POST", "/execute", host, run, with(safari, "Origin", "http://"+host)...).want(200)
	}
	s.raw("POST", "/execute", "192.168.1.9", run, with(safari, "Origin", "https://192.168.1.9")...).want(200)
	s.raw("POST", "/execute", "192.168.1.9:80", run, with(safari, "Origin", "http://192.168.1.9")...).want(200)
	s.raw("POST", "/execute", "192.168.1.9:443", run, with(safari, "Origin", "https://192.168.1.9")...).want(200)
}

// TestAllowedOrigins: pages of the origins that are named may do everything, other pages nothing.
func TestAllowedOrigins(t *testing.T) {
	const app = "https://app.example"
	s := serve(t, func(o *Options) {
		o.AllowedOrigins = config.Origins{app, "http://localhost:3000"}
		o.Keys = config.APIKeys{key("ann", "a-secret")}
	})
	s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	run := script("x")
	cross := func(origin string) []string {
		return with(chrome, "Origin", origin, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")
	}
	preflight := s.raw("OPTIONS", "/execute", "python.example", "", append(cross(app), "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type,idempotency-key")...).want(204)
	for header, want := range map[string][]string{
		"Access-Control-Allow-Origin":  {app},
		"Access-Control-Allow-Methods": {"GET", "POST", "DELETE"},
		"Access-Control-Allow-Headers": {"Authorization", "Content-Type", "Idempotency-Key", "Prefer", "Last-Event-ID"},
		"Access-Control-Max-Age":       {"7200"},
		"Vary":                         {"Origin"},
	} {
		for _, part := range want {
			if got := preflight.Header.Get(header); !strings.Contains(got, part) {
				t.Errorf("%s: %q, want %s in it", header, got, part)
			}
		}
	}
	// A preflight has no key; the request that follows has, and may read what there is to read.
	a := s.raw("POST", "/execute", "python.example", run, append(cross(app), "Authorization", "Bearer a-secret")...).want(200)
	for _, exposed := range []string{"X-Job-Id", "Location", "Server-Timing", "Retry-After", "X-Truncated", "X-Request-Id"} {
		if got := a.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(got, exposed) {
			t.Errorf("%s is not exposed: %q", exposed, got)
		}
	}
	for name, c := range map[string]struct {
		header []string
		status int
		seen   string
	}{
		"named":                    {cross(app), 401, app},
		"named, other case":        {cross("https://APP.example"), 401, "https://APP.example"},
		"named, no Sec-Fetch":      {with(safari, "Origin", app), 401, app},
		"another port":             {with(chrome, "Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-site"), 401, "http://localhost:3000"},
		"another scheme":           {cross("http://app.example"), 403, ""},
		"a port that is not named": {cross("https://app.example:8443"), 403, ""},
		"a name below":             {cross("https://evil.app.example"), 403, ""},
		"a name that ends alike":   {cross("https://evilapp.example"), 403, ""},
		"a name that goes on":      {cross("https://app.example.evil.example"), 403, ""},
		"null":                     {cross("null"), 403, ""},
		"none":                     {with(chrome, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), 403, ""},
		"no browser":               {nil, 401, ""},
	} {
		a := s.raw("GET", "/jobs", "python.example", "", c.header...)
		if got := a.Header.Get("Access-Control-Allow-Origin"); a.StatusCode != c.status || got != c.seen {
			t.Errorf("%s: %d, Access-Control-Allow-Origin %q; want %d, %q", name, a.StatusCode, got, c.status, c.seen)
		}
		if a.Header.Get("Vary") != "Origin" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: headers %v", name, a.Header)
		}
	}
	s = serve(t, func(o *Options) { o.AllowedOrigins = config.Origins{config.Any} })
	s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	for _, origin := range []string{"http://evil.example", "null"} {
		a := s.raw("POST", "/execute", "localhost", run, cross(origin)...).want(200)
		if got := a.Header.Get("Access-Control-Allow-Origin"); got != origin {
			t.Errorf("Access-Control-Allow-Origin %q", got)
		}
	}
}

// TestHosts: a page whose own name leads to this machine (DNS rebinding) is told nothing.
func TestHosts(t *testing.T) {
	open := serve(t)
	keyed := serve(t, func(o *Options) { o.Keys = config.APIKeys{key("ann", "a-secret")} })
	named := serve(t, func(o *Options) { o.AllowedHosts = config.Hosts{"api", "*.example.com", "python.example"} })
	both := serve(t, func(o *Options) {
		o.Keys, o.AllowedHosts = config.APIKeys{key("ann", "a-secret")}, config.Hosts{"python.example"}
	})
	all := serve(t, func(o *Options) { o.AllowedHosts = config.Hosts{config.Any} })
	const yes, no = true, false
	for host, want := range map[string]struct{ open, named, both bool }{
		"127.0.0.1": {yes, yes, yes}, "127.0.0.1:8080": {yes, yes, yes}, "[::1]:8080": {yes, yes, yes}, "[fe80::1%25eth0]": {yes, yes, yes},
		"203.0.113.9": {yes, yes, yes}, "localhost": {yes, yes, yes}, "LOCALHOST.:8080": {yes, yes, yes}, "a.localhost": {yes, yes, yes}, "": {yes, yes, yes},
		"evil.example": {no, no, no}, "evil.example:8080": {no, no, no}, "localhost.evil.example": {no, no, no}, "evillocalhost": {no, no, no},
		"127.0.0.1.evil.example": {no, no, no}, "127.0.0.1.": {yes, yes, yes}, "1.1": {no, no, no}, "[evil.example]": {no, no, no},
		"api": {no, yes, no}, "api:8080": {no, yes, no}, "Python.Example.": {no, yes, yes}, "a.b.example.com:1": {no, yes, no},
		"example.com": {no, no, no}, "evilexample.com": {no, no, no}, ".example.com": {no, no, no}, "api.evil.example": {no, no, no},
	} {
		for _, c := range []struct {
			name   string
			s      *testServer
			let    bool
			status int
		}{
			{"no keys", open, want.open, 200}, {"no keys, names", named, want.named, 200}, {"keys", keyed, yes, 401}, {"keys, names", both, want.both, 401}, {"any", all, yes, 200},
		} {
			for _, path := range []string{"/jobs", "/capabilities"} {
				a := c.s.raw("GET", path, host, "")
				if c.let {
					if a.StatusCode != c.status {
						t.Errorf("%s, Host %q: %d", c.name, host, a.StatusCode)
					}
					continue
				}
				a.wantError(403, "forbidden_host", "ALLOWED_HOSTS")
			}
			c.s.raw("GET", "/health", host, "").want(200)
		}
	}
	for _, path := range []string{"/", "/ready", "/metrics", "/nowhere", "/jobs/x"} {
		open.raw("GET", path, "evil.example", "").wantError(403, "forbidden_host")
	}
	// What a page with a name that leads here can send, as its browser sees it: to its own site.
	header := with(chrome, "Origin", "http://evil.example:8080", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
	open.raw("POST", "/execute", "evil.example:8080", script("x"), header...).wantError(403, "forbidden_host", "evil.example")
	if n := open.queue.submitted(); n > 0 {
		t.Errorf("%d jobs", n)
	}
}
