package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/jobs"
)

// batchExample is the shortest batch that works, for messages.
const batchExample = `{"jobs": [` + example + `]}`

// BatchLimits are what one batch may hold beside what each of its requests may.
type BatchLimits struct {
	Jobs  int
	Bytes int64
}

// placed is what stands in one place of a batch's answer: a job, or why there is none. A job of which only the id is known is still to be
// looked up.
type placed struct {
	id      string
	job     *jobs.Job
	refusal *httpError
}

// submitBatch queues many jobs at once, each as POST /jobs would, and answers at once or waits as long as Prefer: wait=N asks.
func (s *Server) submitBatch(c echo.Context) error {
	wait, preferred := preferWait(c.Request().Header)
	wait = min(wait, s.o.ExecuteWait)
	places, err := s.acceptBatch(c, wait > 0)
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if preferred {
		c.Response().Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
		final, err := s.awaitBatch(c, places, wait)
		if err != nil {
			return err
		}
		if final {
			status = http.StatusOK
		}
	}
	return s.sendBatch(c, status, places)
}

// acceptBatch decodes a batch and queues its jobs. waits says that somebody will wait for them here.
func (s *Server) acceptBatch(c echo.Context, waits bool) ([]placed, error) {
	body, release, err := s.readBodyUpTo(c, s.o.Batch.Bytes)
	if err != nil {
		return nil, err
	}
	defer release()
	written, err := parseBatch(body, s.o.Batch.Jobs)
	if err != nil {
		return nil, aboutContentType(err, c.Request())
	}
	key, err := idempotencyKey(c.Request())
	if err != nil {
		return nil, err
	}
	places, requests := make([]placed, len(written)), make([]*jobs.Request, len(written))
	for i, one := range written {
		if int64(len(one)) > s.o.Limits.RequestBytes {
			err = bodyTooLarge(s.o.Limits.RequestBytes)
		} else {
			requests[i], err = parseRequest(one, s.o.Limits)
		}
		if err != nil {
			requests[i], places[i].refusal = nil, answer(err, c)
		}
	}
	return places, s.queueBatch(c, requests, places, jobs.SubmitOptions{
		Client: client(c), Address: s.address(c.Request()), IdempotencyKey: key, Reply: waits,
	})
}

// queueBatch submits the requests and fills in the places. Where the queue is away for all of them, that is the answer.
func (s *Server) queueBatch(c echo.Context, requests []*jobs.Request, places []placed, o jobs.SubmitOptions) error {
	submitted, err := s.queue.SubmitBatch(c.Request().Context(), requests, o)
	if err != nil {
		s.metrics.submitted(err)
		return err
	}
	var away error
	accepted, longest := 0, time.Duration(0)
	for i, one := range submitted {
		if requests[i] == nil {
			continue
		}
		s.metrics.submitted(one.Err)
		if one.Err == nil {
			places[i].id, places[i].job = one.ID, one.Job
			accepted++
			continue
		}
		places[i].refusal = answer(one.Err, c)
		longest = max(longest, places[i].refusal.retryAfter)
		if places[i].refusal.body.Code == codeUnavailable {
			away = one.Err
		}
	}
	if away != nil && accepted == 0 {
		return away
	}
	if longest > 0 {
		setRetryAfter(c, longest)
	}
	return nil
}

// awaitBatch waits until all jobs of a batch are final, and says whether they are. Nobody is sent away whose jobs are accepted: a stopping
// server, and one whose queue does not answer, has them as they stand.
func (s *Server) awaitBatch(c echo.Context, places []placed, wait time.Duration) (final bool, err error) {
	request := c.Request().Context()
	ctx, stop := s.untilStopping(request)
	defer stop()
	var ids []string
	for _, p := range places {
		if p.id != "" {
			ids = append(ids, p.id)
		}
	}
	ended, final, err := s.queue.WaitAll(ctx, ids, wait)
	if request.Err() != nil {
		return false, request.Err()
	}
	if err != nil && ctx.Err() == nil {
		s.o.Log.WarnContext(ctx, "wait for a batch broken off", "request_id", requestID(c), "error", err)
		return false, nil
	}
	for i, n := 0, 0; i < len(places); i++ {
		if places[i].id == "" {
			continue
		}
		// What is not known now is looked up.
		places[i].job = nil
		if n < len(ended) {
			places[i].job = ended[n]
		}
		n++
	}
	return final, nil
}

// parseBatch splits a batch into its requests, each as it was written.
func parseBatch(body []byte, most int) ([]json.RawMessage, error) {
	body, err := validObject(body, batchExample)
	if err != nil {
		return nil, err
	}
	fields, err := members(theBody, body)
	if err != nil {
		return nil, err
	}
	var requests []json.RawMessage
	for _, f := range fields {
		if f.name != "jobs" {
			return nil, badRequest("%s is not a known field; a batch has jobs and nothing else, and each of those the fields of a request", join("", f.name))
		}
		if f.value[0] != '[' {
			return nil, badRequest("jobs must be an array of requests, not %s; send an object such as %s", kind(f.value), batchExample)
		}
		if err := json.Unmarshal(f.value, &requests); err != nil {
			return nil, badRequest("jobs: %v", err)
		}
	}
	switch {
	case len(fields) == 0:
		return nil, badRequest("jobs is missing; send an object such as %s", batchExample)
	case len(requests) == 0:
		return nil, badRequest("jobs is empty; send at least one request, such as %s", batchExample)
	case len(requests) > most:
		return nil, tooLarge("jobs holds %d requests and at most %d are accepted; send several batches", len(requests), most)
	}
	return requests, nil
}
