package gopool_test

import (
	"runtime"
	"testing"
	"testing/synctest"

	"safepy/internal/gopool"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gopool.New()
		before := runtime.NumGoroutine()
		hold, ran := make(chan struct{}), 0
		for range 3 {
			p.Go(func() { <-hold; ran++ })
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
			p.Go(func() { ran++ })
			synctest.Wait()
		}
		if n := runtime.NumGoroutine() - before; n != 3 || ran != 8 {
			t.Errorf("%d goroutines, %d functions have run, want 3 and 8", n, ran)
		}
		p.Go(func() { <-hold; ran++ })
		synctest.Wait()
		p.Close()
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != 1 {
			t.Errorf("%d goroutines are left beside the busy one", n-1)
		}
		close(hold)
		synctest.Wait()
		p.Go(func() { ran++ })
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != 0 || ran != 10 {
			t.Errorf("%d goroutines are left, %d functions have run, want none and 10", n, ran)
		}
	})
}
