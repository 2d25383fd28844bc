package jobs

import (
	"math"
	"time"
)

// patience is retryAfter for who does not hold the lock.
func (b *backlog) patience() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retryAfter()
}

// drained updates the rate, an average that forgets exponentially.
func (b *backlog) drained(now time.Time, processed int64) {
	elapsed := now.Sub(b.rated)
	if b.rated.IsZero() || processed < b.processed {
		b.rated, b.processed = now, processed
		return
	}
	if elapsed < 200*time.Millisecond {
		return // too short to tell a rate
	}
	rate := float64(processed-b.processed) / elapsed.Seconds()
	weight := 1 - math.Exp(-float64(elapsed)/float64(drainMemory))
	if b.rate == 0 {
		weight = 1
	}
	b.rate += weight * (rate - b.rate)
	b.rated, b.processed = now, processed
}

// retryAfter is when a tenth of the queue will be gone: room for more than the one who asks. Called with the lock held.
func (b *backlog) retryAfter() time.Duration {
	const least, most = time.Second, time.Minute
	if b.rate <= 0 {
		return 10 * time.Second // nothing was seen to move yet
	}
	room := float64(b.waiting-b.limit) + math.Max(1, float64(b.limit)/10)
	wait := time.Duration(math.Ceil(room/b.rate)) * time.Second
	return min(max(wait, least), most)
}
