package task

import "testing"

// TestOriginTimesAreBounded makes sure that a range of any size keeps a bounded number of times,
// and counts each record once.
func TestOriginTimesAreBounded(t *testing.T) {
	const records = 3*maxRuns + 1
	var o OriginTimes
	for at := range int64(records) {
		o.Note(at + 1)
	}
	if len(o.runs) > maxRuns {
		t.Errorf("%d runs, want at most %d", len(o.runs), maxRuns)
	}
	n, last := int64(0), int64(0)
	for _, r := range o.runs {
		if n += r.n; r.at <= last {
			t.Fatalf("time %d after %d", r.at, last)
		}
		last = r.at
	}
	if n != records {
		t.Errorf("%d records counted, want %d", n, records)
	}
}
