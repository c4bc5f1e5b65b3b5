package api

import (
	"context"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"connectd/connect"
)

// Source polls the endpoints of one API.
type Source struct {
	config  *Config
	log     *slog.Logger
	client  *client
	pollers []*poller
}

// New makes the source that c describes.
func New(c *Config, e connect.Env) (connect.Source, error) {
	s := &Source{config: c, log: e.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.client, err = newClient(c, s.log); err != nil {
		return nil, err
	}
	for i := range c.each {
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
	g, polling := errgroup.WithContext(ctx)
	for _, p := range s.pollers {
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
