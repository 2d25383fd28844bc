package crew_test

import (
	"runtime"
	"testing"
	"testing/synctest"

	"safepy/internal/crew"
)

func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crew.New()
		before := runtime.NumGoroutine()
		hold, ran := make(chan struct{}), 0
		for range 3 {
			c.Go(func() { <-hold; ran++ })
			synctest.Wait()
		}
		if n := runtime.NumGoroutine() - before; n != 3 {
			t.Errorf("%d goroutines for three functions that wait", n)
		}
		for range 3 {
			hold <- struct{}{}
			synctest.Wait()
		}
		for range 5 {
			c.Go(func() { ran++ })
			synctest.Wait()
		}
		if n := runtime.NumGoroutine() - before; n != 3 || ran != 8 {
			t.Errorf("%d goroutines, %d functions have run, want 3 and 8", n, ran)
		}
		c.Go(func() { <-hold; ran++ })
		synctest.Wait()
		c.Close()
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != 1 {
			t.Errorf("%d goroutines are left beside the busy one", n-1)
		}
		close(hold)
		synctest.Wait()
		c.Go(func() { ran++ })
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != 0 || ran != 10 {
			t.Errorf("%d goroutines are left, %d functions have run, want none and 10", n, ran)
		}
	})
}
