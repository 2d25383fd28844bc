package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Job is what GET /jobs/{id} says of one, as far as this package looks.
type Job struct {
	ID     string          `json:"id"`
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	Stdout string          `json:"stdout"`
	Error  *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Attempts   int        `json:"attempts"`
	CreatedAt  time.Time  `json:"created_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// Final reports whether the job may never change again.
func (j *Job) Final() bool {
	return j.Status == "completed" || j.Status == "failed" || j.Status == "canceled"
}

// Request is the body of POST /execute and POST /jobs.
type Request struct {
	Script string `json:"script"`
	Args   []int  `json:"args,omitempty"`
}

// Answer is what came back over HTTP.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// Client speaks to one or several APIs of one service. Each call goes to the next of them, as a load balancer would have it.
type Client struct {
	URLs []string
	// Dial, if set, is how it connects.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	turn turn
	http *http.Client
}

// NewClient makes a client for these base URLs.
func NewClient(urls ...string) *Client {
	c := &Client{URLs: urls}
	// A connection for each call: what is kept open to an API that was killed would only make the call fail that comes next.
	c.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: c.dial}}
	return c
}

func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// Do makes one call. The error means that no answer came back, so that nobody knows what became of the call.
func (c *Client) Do(ctx context.Context, method, path string, body any, header ...string) (*Answer, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URLs[c.turn.next()%len(c.URLs)]+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	began := time.Now()
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	a.Took = time.Since(began)
	return a, nil
}

// Submit queues a job and returns it.
func (c *Client) Submit(ctx context.Context, r Request, header ...string) (*Job, error) {
	a, err := c.Do(ctx, http.MethodPost, "/jobs", r, header...)
	if err != nil {
		return nil, err
	}
	return a.job(http.StatusAccepted, http.StatusOK)
}

// Get returns a job, after waiting up to wait for its end.
func (c *Client) Get(ctx context.Context, id string, wait time.Duration) (*Job, error) {
	path := "/jobs/" + id
	if wait > 0 {
		path += "?wait=" + strconv.Itoa(int(wait.Seconds()))
	}
	a, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return a.job(http.StatusOK)
}

// Cancel ends a job and returns it as it is then.
func (c *Client) Cancel(ctx context.Context, id string) (*Job, error) {
	a, err := c.Do(ctx, http.MethodDelete, "/jobs/"+id, nil)
	if err != nil {
		return nil, err
	}
	return a.job(http.StatusOK)
}

// List returns the ids of all jobs, newest first, going from page to page.
func (c *Client) List(ctx context.Context) ([]string, error) {
	var ids []string
	for cursor := ""; ; {
		a, err := c.Do(ctx, http.MethodGet, "/jobs?limit=100&cursor="+url.QueryEscape(cursor), nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Jobs []Job  `json:"jobs"`
			Next string `json:"next_cursor"`
		}
		if err := a.decode(&page, http.StatusOK); err != nil {
			return nil, err
		}
		for _, j := range page.Jobs {
			ids = append(ids, j.ID)
		}
		if cursor = page.Next; cursor == "" {
			return ids, nil
		}
	}
}

func (a *Answer) job(statuses ...int) (*Job, error) {
	j := &Job{}
	return j, a.decode(j, statuses...)
}

func (a *Answer) decode(to any, statuses ...int) error {
	for _, s := range statuses {
		if a.Status == s {
			return json.Unmarshal(a.Body, to)
		}
	}
	return &refusal{a.Status, a.Body}
}

// refusal is an answer with a status that was not hoped for.
type refusal struct {
	status int
	body   []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.body) }

// Unavailable reports whether the service said that it cannot do this at the moment, and to try again.
func Unavailable(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusServiceUnavailable
}
