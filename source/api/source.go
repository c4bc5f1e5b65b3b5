package api

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"connectd/connect"
)

// Source polls the endpoints of one API that are a task's share.
type Source struct {
	config  *Config
	log     *slog.Logger
	client  *client
	pollers []*poller
}

// Split gives each endpoint to one of the tasks. A refresh token that may be replaced has one task
// for an owner.
func (c *Config) Split(most int) int {
	if c.Type == refreshType {
		return 1
	}
	return min(most, len(c.each))
}

// New makes the source of one task of the connector that c describes.
func New(c *Config, e connect.Env) (connect.Source, error) {
	tasks := max(1, e.Tasks)
	s := &Source{config: c, log: e.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.client, err = newClient(c, tasks, s.log); err != nil {
		return nil, err
	}
	for i := e.Task; i < len(c.each); i += tasks {
		one := &c.each[i]
		p, key, err := newPoller(one.name, &one.settings)
		if err != nil {
			return nil, connect.Permanent(fmt.Errorf("%s: %w", key, err))
		}
		p.client, p.log = s.client, s.log
		p.extract.fields = one.settings.Value == "fields" || one.settings.Value == "auto" && e.Transforms > 0
		if len(c.each) > 1 {
			p.log = s.log.With("endpoint", one.name)
		}
		s.pollers = append(s.pollers, p)
	}
	return s, nil
}

// Run polls until ctx is done, each endpoint in a goroutine of its own. What was sent needs no
// waiting for: nobody upstream is told, and the state is stored by the runtime.
func (s *Source) Run(ctx context.Context, t *connect.SourceTask) error {
	defer s.client.close()
	t.Report(connect.Progress{Phase: "starting"})
	shown := &status{task: t, endpoints: make([]standing, len(s.pollers))}
	g, polling := errgroup.WithContext(ctx)
	for i, p := range s.pollers {
		p.show = func(now standing) { shown.report(i, now) }
		g.Go(func() error {
			err := p.run(polling, t)
			if err != nil && len(s.pollers) > 1 {
				err = fmt.Errorf("endpoint %q: %w", p.name, err)
			}
			return err
		})
	}
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// status is what the connector's status says of a task: all its endpoints in one sentence.
type status struct {
	task *connect.SourceTask

	mu        sync.Mutex
	endpoints []standing
}

// standing is where one endpoint stands.
type standing struct {
	detail  string
	polling bool // in a pass
}

func (s *status) report(endpoint int, now standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints[endpoint] = now
	p := connect.Progress{Phase: "waiting"}
	var details []string
	for _, e := range s.endpoints {
		if e.polling {
			p.Phase = "polling"
		}
		if e.detail != "" {
			details = append(details, e.detail)
		}
	}
	p.Detail = strings.Join(details, "; ")
	s.task.Report(p)
}
