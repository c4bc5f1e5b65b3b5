package postgres

import (
	"fmt"
	"time"

	"connectd/connect"
)

const (
	// reportEvery is how often the progress of a snapshot is reported.
	reportEvery = time.Second
	// logEvery is how often it is logged.
	logEvery = 30 * time.Second
)

// snapshotProgress says how far the tables are, and how fast they get on.
type snapshotProgress struct {
	snapshot *snapshot
	began    int64 // rows that were read before
	logged   time.Time
}

func newSnapshotProgress(sn *snapshot) *snapshotProgress {
	p := &snapshotProgress{snapshot: sn, began: sn.rows(), logged: sn.begun}
	p.report(time.Now())
	return p
}

// rows are those that are read of all tables, by earlier processes too.
func (sn *snapshot) rows() (n int64) {
	for _, t := range sn.tables {
		n += t.rows()
	}
	return n
}

func (t *snapshotTable) rows() (n int64) {
	for _, p := range t.parts {
		n += p.rows.Load()
	}
	return n
}

// report shows how far the tables are as of now, and logs it now and then.
func (s *snapshotProgress) report(now time.Time) {
	sn := s.snapshot
	var rows, estimated int64
	p := connect.Progress{Phase: connect.SnapshotPhase}
	for _, t := range sn.tables {
		n := t.rows()
		table := connect.TableProgress{Table: t.String(), Rows: n, Estimated: max(t.relation.rows, n), Done: t.unread.Load() == 0 || t.left.Load()}
		if table.Done {
			table.Estimated = n
		}
		p.Tables = append(p.Tables, table)
		rows, estimated = rows+n, estimated+table.Estimated
	}
	for _, n := range sn.absent {
		p.Tables = append(p.Tables, connect.TableProgress{Table: n.String(), Done: true})
	}
	p.Rate = float64(rows-s.began) / max(now.Sub(sn.begun).Seconds(), 0.001)
	p.Detail = fmt.Sprintf("%d of about %d rows read", rows, estimated)
	if left, ok := p.Left(); ok {
		p.Detail += fmt.Sprintf(", %.0f rows/s, about %s left", p.Rate, left.Round(time.Second))
	}
	if sn.waits {
		p.Detail = "blocking snapshot, the stream waits: " + p.Detail
	}
	sn.task.Report(p)
	sn.notices.report(p.Tables, sn.mark)
	if now.Sub(s.logged) >= logEvery {
		s.logged = now
		sn.source.log.Info("snapshot", "rows", rows, "estimated", estimated, "detail", p.Detail)
	}
}
