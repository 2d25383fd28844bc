package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"safepy/test/ports"
)

// service is the real thing: a Redis set up as deploy/docker-compose.yml has it, and the two programs.
type service struct {
	address            string
	meter              *meter
	redis, api, worker *process
	data               string
	ports              []*ports.Port
}

// settings are those of worker, of the floor's pool and of api. Results are kept for a short time only: the 1 MiB ones would fill
// the machine's memory, and nobody fetches them.
func settings(o options, slots int) []string {
	return []string{
		"LOG_LEVEL=error", "JOB_RESULT_TTL=10s", "JAIL_ISOLATION=auto", "JAIL=" + o.jail, "WORKER_CONCURRENCY=" + strconv.Itoa(slots),
	}
}

func startService(ctx context.Context, o options, slots int) (s *service, err error) {
	s = &service{meter: newMeter("service")}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.data, err = os.MkdirTemp("", "safepy-bench-"); err != nil {
		return s, err
	}
	var own [3]*ports.Port
	for i := range own {
		if own[i], err = ports.Take(); err != nil {
			return s, err
		}
		s.ports = append(s.ports, own[i])
	}
	api, redis, worker := own[0], own[1], own[2]
	s.address = api.Address()
	s.redis, err = start(s.meter, nil, "redis-server", "--bind", "127.0.0.1", "--port", redis.String(), "--dir", s.data, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--loglevel", "warning")
	if err != nil {
		return s, err
	}
	if err := reachable(ctx, redis.Address(), s.redis); err != nil {
		return s, err
	}
	env := append(settings(o, slots), "REDIS_URL=redis://"+redis.Address()+"/0", "LISTEN_ADDR="+s.address, "WORKER_ADDR="+worker.Address())
	if s.api, err = start(s.meter, env, filepath.Join(o.bin, "api")); err != nil {
		return s, err
	}
	if s.worker, err = start(s.meter, env, filepath.Join(o.bin, "worker")); err != nil {
		return s, err
	}
	return s, s.ready(ctx)
}

const startPatience = 60 * time.Second

func reachable(ctx context.Context, address string, p *process) error {
	return until(ctx, p, func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// ready waits until the service says that it can run jobs.
func (s *service) ready(ctx context.Context) error {
	return until(ctx, s.worker, func() error {
		answer, err := http.Get("http://" + s.address + "/ready")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
			return errors.New(string(body))
		}
		return nil
	})
}

// until tries again and again until try succeeds, p is gone, ctx ends or patience does.
func until(ctx context.Context, p *process, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.exited:
			return fmt.Errorf("%s ended: %w", filepath.Base(p.cmd.Path), err)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		}
	}
}

func (s *service) stop() {
	for _, p := range []*process{s.api, s.worker, s.redis} {
		if p != nil {
			p.stop()
		}
	}
	s.meter.close()
	for _, p := range s.ports {
		p.Release()
	}
	if s.data != "" {
		os.RemoveAll(s.data)
	}
}
