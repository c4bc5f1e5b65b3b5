package connect

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"connectd/config"
	"connectd/convert"
)

func TestTaskBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idleConnector(t)
		var starts []time.Time
		permanent := errors.New("no such table")
		task := newTask(c, 0, slog.New(slog.NewTextHandler(io.Discard, nil)), func(context.Context) error {
			starts = append(starts, time.Now())
			switch len(starts) {
			case 9:
				time.Sleep(healthy) // then the pauses begin anew
			case 11:
				return Permanent(permanent)
			}
			return errors.New("connection refused")
		})
		task.start(t.Context())
		task.wait()
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
		s := task.status()
		if s.State != Failed || !errors.Is(s.Cause, permanent) || s.Restarts != 10 || len(starts) != 11 {
			t.Errorf("state %s, cause %v, restarts %d, starts %d", s.State, s.Cause, s.Restarts, len(starts))
		}
	})
}

// idleConnector is a connector with the runtime's default settings.
func idleConnector(t *testing.T) *Connector {
	t.Helper()
	written, _ := config.NewConnector("c", map[string]string{"connector.class": "idle-source"})
	var w WorkerSettings
	w.Defaults()
	c, problems := Load(written, &w, Plugins{
		Sources: []Plugin{SourcePlugin("idle-source", func(*idleSettings, Env) (Source, error) { return nil, nil })},
		Converters: []Plugin{
			ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
			ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
		},
	})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

type idleSettings struct{}

func (*idleSettings) Defaults() {}
