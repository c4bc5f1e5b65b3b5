package files

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectd/connect"
)

// What is reported has bytes, percent and the time that is left, also for compressed files, whose
// positions say nothing about it.
func TestProgress(t *testing.T) {
	text, _ := numbered(20000, jsonLine)
	for name, content := range map[string]string{"a.jsonl": text, "a.jsonl.gz": packed(t, text), "a.parquet": parquetFile(t, make([]parquetOrder, 20000)...)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			write(t, path, content)
			r := start(t, settings(t, fast(filepath.Dir(path), "batch.size", "100")...), nil)
			r.manual = true // so that it stops in the middle
			var p *connect.Progress
			reported := func(phase string) func() bool {
				return func() bool {
					p = r.intake.Progress()
					return p != nil && p.Phase == phase && (phase == "watching" || p.Gauges["connectd_files_read_bytes"] > 0)
				}
			}
			retired := 0
			r.until("a report in between", func() bool {
				for ; len(r.sent) > 0 && retired < 2*turn; retired++ {
					r.retire(r.sent[0])
					r.sent = r.sent[1:]
				}
				return reported("reading")()
			})
			total, read := p.Gauges["connectd_files_bytes"], p.Gauges["connectd_files_read_bytes"]
			percent := fmt.Sprintf("%d %%", int64(100*read/total))
			if int(total) != len(content) || read >= total || !strings.Contains(p.Detail, percent) || len(p.Tables) != 1 || p.Tables[0].Table != path {
				t.Errorf("reported %+v for a file of %d bytes", p, len(content))
			}
			r.manual = false
			for _, b := range r.sent {
				r.retire(b)
			}
			r.until("the end", reported("watching"))
			if p.Gauges["connectd_files_read_bytes"] != total || p.Gauges["connectd_files_unread"] != 0 || !strings.Contains(p.Detail, "read to their ends") {
				t.Errorf("reported %+v at the end", p)
			}
		})
	}
}

// The time that is left comes from the pace of the last seconds; the log has it every minute.
func TestProgressTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		intake := connect.NewIntake("files", 1, nil, slog.New(slog.DiscardHandler))
		f := &file{seen: entry{path: "/in/a", size: 1000 << 20}, phase: queued}
		r := &run{Source: &Source{log: slog.New(slog.NewTextHandler(&log, nil))}, task: intake.Task(), files: []*file{f}}
		for range 100 {
			r.report(time.Now())
			time.Sleep(time.Second) // of the fake clock
			f.last.Offset += 5 << 20
		}
		r.report(time.Now())
		if p := intake.Progress(); p.Gauges["connectd_files_remaining_seconds"] != 100 || !strings.Contains(p.Detail, "500.0 MiB of 1000.0 MiB, 50 %, 5MiB/s, about 1m40s left") {
			t.Errorf("reported %+v", p)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "percent=30 left=2m20s") {
			t.Errorf("logged %s", &log)
		}
	})
}
