package task

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTaskBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idleConnector(t)
		var starts []time.Time
		permanent := errors.New("no such table")
		task := New(c, 0, slog.New(slog.NewTextHandler(io.Discard, nil)), func(context.Context) error {
			starts = append(starts, time.Now())
			switch len(starts) {
			case 9:
				time.Sleep(healthy) // then the pauses begin anew
			case 11:
				return connect.Permanent(permanent)
			}
			return errors.New("connection refused")
		})
		task.Start(t.Context())
		task.Wait()
		for i := 1; i < len(starts); i++ {
			pause := starts[i].Sub(starts[i-1])
			bound := min(time.Second<<(i-1), time.Minute)
			switch i {
			case 9:
				pause, bound = pause-healthy, time.Second
			case 10:
				bound = 2 * time.Second
			}
			if pause <= 0 || pause > bound {
				t.Errorf("pause %d is %s, want up to %s", i, pause, bound)
			}
		}
		s := task.Status()
		if s.State != Failed || !errors.Is(s.Cause, permanent) || s.Restarts != 10 || len(starts) != 11 {
			t.Errorf("state %s, cause %v, restarts %d, starts %d", s.State, s.Cause, s.Restarts, len(starts))
		}
	})
}

// idleConnector is a connector with the runtime's default settings.
func idleConnector(t *testing.T) *connector.Connector {
	t.Helper()
	return connectortest.Load(t, connect.Plugins{
		Sources:    []connect.Plugin{connect.SourcePlugin("idle-source", func(*idleSettings, connect.Env) (connect.Source, error) { return nil, nil })},
		Converters: connectortest.Converters,
	}, "c", map[string]string{"connector.class": "idle-source"})
}

type idleSettings struct{}

func (*idleSettings) Defaults() {}
