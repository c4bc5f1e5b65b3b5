package files

import (
	"fmt"
	"time"

	"connectd/config"
	"connectd/connect"
)

// most files that are named in a report.
const mostReported = 20

// pace measures how fast files are read.
type pace struct {
	since time.Time
	read  int64   // at that time
	rate  float64 // bytes a second
}

// at notes that so many bytes were read by now.
func (p *pace) at(read int64, now time.Time) {
	if p.since.IsZero() || read < p.read {
		p.since, p.read = now, read
		return
	}
	took := now.Sub(p.since)
	if took < time.Second {
		return
	}
	rate := float64(read-p.read) / took.Seconds()
	if p.rate == 0 {
		p.rate = rate
	}
	p.rate += (rate - p.rate) / 4
	p.since, p.read = now, read
}

// logEvery is how often the log says how far a long reading is.
const logEvery = time.Minute

// report tells how far the files are read.
func (r *run) report(now time.Time) {
	var total, read, open, finishedFiles int64
	p := connect.Progress{Phase: "watching"}
	for _, f := range r.files {
		if f.phase == gone || f.seen.path == "" {
			continue
		}
		at := min(f.seen.size, f.last.read())
		if f.inside > 0 {
			at = min(f.seen.size, f.inside)
		}
		if f.last.Done || f.phase == finished || f.phase == done {
			at = f.seen.size
			finishedFiles++
		}
		total, read = total+f.seen.size, read+at
		if at < f.seen.size {
			open++
			if len(p.Tables) < mostReported {
				p.Tables = append(p.Tables, tableOf(f, at))
			}
		}
	}
	r.pace.at(read, now)
	percent := 100 * read / max(1, total)
	var left time.Duration
	if open > 0 && r.pace.rate > 0 {
		left = time.Duration(float64(total-read) / r.pace.rate * float64(time.Second)).Round(time.Second)
	}
	p.Detail = fmt.Sprintf("%d files are read to their ends", len(r.files))
	if open > 0 {
		p.Phase = "reading"
		p.Detail = fmt.Sprintf("%d files to read, %d finished; %s of %s, %d %%", open, finishedFiles, size(read), size(total), percent)
	}
	if left > 0 {
		p.Detail += fmt.Sprintf(", %s/s, about %s left", size(int64(r.pace.rate)), left)
	}
	p.Gauges = map[string]float64{
		"connectd_files_bytes":             float64(total),
		"connectd_files_read_bytes":        float64(read),
		"connectd_files_unread":            float64(open),
		"connectd_files_remaining_seconds": left.Seconds(),
	}
	r.task.Report(p)
	if r.logged.IsZero() {
		r.logged = now
	}
	if open > 0 && now.Sub(r.logged) >= logEvery {
		r.logged = now
		r.log.Info("reading files", "unread", open, "finished", finishedFiles, "bytes", read, "of", total, "percent", percent, "left", left)
	}
}

// within is how many bytes of the file itself were read, where that is not the position: what is
// compressed has another length, and the position in a Parquet file is a row. 0 when it is.
func (f *file) within() int64 {
	if p, ok := f.format.(*parquetRows); ok && p.total > 0 {
		return int64(float64(p.size) * float64(p.in.line) / float64(p.total))
	}
	if f.content != nil && f.content.packed != nil {
		return f.content.packed.n
	}
	return 0
}

func tableOf(f *file, at int64) connect.TableProgress {
	t := connect.TableProgress{Table: f.seen.path, Rows: f.last.Line}
	if at > 0 {
		t.Estimated = int64(float64(f.last.Line) * float64(f.seen.size) / float64(at))
	}
	return t
}

// size is n bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return config.Size(n).String()
}
