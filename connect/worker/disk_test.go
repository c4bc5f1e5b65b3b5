package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/record"
)

// diskConfig is a sink that writes a file for each half of a flush.
type diskConfig struct {
	Dir    string `yaml:"dir" doc:"folder"`
	Starts bool   `yaml:"starts" doc:"keep the offset with the rows"`
	Mark   string `yaml:"mark" doc:"file that is there after the first flush; empty for none"`
	Refuse int64  `yaml:"refuse.every" doc:"offsets that can be divided by it are refused when they are flushed; 0 for none"`

	Pause time.Duration `yaml:"pause.ms" doc:"time in the middle of a flush"`
}

func (*diskConfig) Defaults() {}

type disk struct{ c *diskConfig }

func newDisk(c *diskConfig, _ connect.Env) (connect.Sink, error) { return &disk{c}, nil }

func (d *disk) Open(_ context.Context, p record.Partition) (connect.Writer, error) {
	w := &diskWriter{diskConfig: d.c, p: p}
	if d.c.Starts {
		return &diskStarter{w}, nil
	}
	return w, nil
}

func (d *disk) Close() error { return nil }

type diskWriter struct {
	*diskConfig
	p       record.Partition
	offsets []int64
}

func (w *diskWriter) Write(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		w.offsets = append(w.offsets, b.Records[i].Offset)
	}
	return nil
}

// Flush writes the even and the odd offsets into two files, named after the flush. Written again
// they must be the same.
func (w *diskWriter) Flush(_ context.Context, r record.Range) error {
	if err := w.refusal(w.p, w.offsets); err != nil {
		return err
	}
	for half := range int64(2) {
		var text []byte
		for _, offset := range w.offsets {
			if offset%2 == half {
				text = fmt.Appendf(text, "%s@%d\n", w.p, offset)
			}
		}
		name := filepath.Join(w.Dir, fmt.Sprintf("%s-%d", r.ID, half))
		if old, err := os.ReadFile(name); err == nil && !bytes.Equal(old, text) {
			return connect.Permanent(fmt.Errorf("flush %s has other content than before", r.ID))
		}
		if err := writeWhole(name, text); err != nil {
			return err
		}
		fault.Point("sink.writing")
		if half == 0 && w.Pause > 0 {
			time.Sleep(w.Pause) // a target that takes its time
		}
	}
	w.offsets = w.offsets[:0]
	return w.mark()
}

// mark tells the test that this process has flushed.
func (w *diskWriter) mark() error {
	if w.Mark == "" {
		return nil
	}
	return writeWhole(w.Mark, nil)
}

func (w *diskWriter) Close() error { return nil }

// diskStarter writes rows and offset as one file.
type diskStarter struct{ *diskWriter }

type diskState struct {
	Next    int64
	Offsets []int64
}

func (w *diskStarter) file() string { return filepath.Join(w.Dir, w.p.String()+".state") }

func (w *diskStarter) state() (s diskState, ok bool, err error) {
	text, err := os.ReadFile(w.file())
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, true, err
}

func (w *diskStarter) Start(context.Context) (int64, bool, error) {
	s, ok, err := w.state()
	return s.Next, ok, err
}

func (w *diskStarter) Flush(_ context.Context, r record.Range) error {
	if err := w.refusal(w.p, w.offsets); err != nil {
		return err
	}
	s, ok, err := w.state()
	if err != nil {
		return err
	}
	if ok && s.Next != r.Start {
		return fmt.Errorf("fenced: at %d, flush from %d", s.Next, r.Start)
	}
	s.Next, s.Offsets = r.End, append(s.Offsets, w.offsets...)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	fault.Point("sink.writing")
	w.offsets = w.offsets[:0]
	return errors.Join(writeWhole(w.file(), text), w.mark())
}

// refusal is what the target says of the offsets that it does not take.
func (c *diskConfig) refusal(p record.Partition, offsets []int64) error {
	refused := &connect.RecordErrors{Partition: p.String()}
	for _, offset := range offsets {
		if c.Refuse > 0 && offset%c.Refuse == 0 {
			refused.Failed = append(refused.Failed, connect.RecordError{Offset: offset, Err: errors.New("check violated")})
		}
	}
	if refused.Failed == nil {
		return nil
	}
	fault.Point("sink.refused")
	return refused
}

// writeWhole replaces a file: after a crash it is the old one or the new one.
func writeWhole(name string, text []byte) error {
	if err := os.WriteFile(name+".tmp", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// diskOffsets counts the offsets in dir.
func diskOffsets(t *testing.T, dir string) map[string]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".state") {
			var s diskState
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			for _, offset := range s.Offsets {
				all[fmt.Sprintf("%s@%d", strings.TrimSuffix(filepath.Base(name), ".state"), offset)]++
			}
			continue
		}
		for _, line := range strings.Fields(string(text)) {
			all[line]++
		}
	}
	return all
}
