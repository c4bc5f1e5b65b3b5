package e2e

import (
	"testing"
)

// TestMainJob sends 200,000 mixed changes over five tables through the whole way while the
// snapshot runs and after it, with one long transaction and one schema change among them.
func TestMainJob(t *testing.T) {
	const changes = 200_000
	w := newWorld(t)
	l := newLoad(w)
	l.fill(changes / 4)

	d := newDaemon(t, w.config())
	d.start() // the snapshot runs while the load goes on

	long := w.open(w.source.DSN(w.sourceDB))
	if _, err := long.Exec(t.Context(), "BEGIN; "+l.insert(0, 20_000)); err != nil {
		t.Fatal(err)
	}
	l.changes += 20_000
	for l.changes < changes/2 {
		l.transaction(600)
	}
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	l.run("UPDATE accounts SET note = 'since ' || opened WHERE active")
	for l.changes < changes*3/4 {
		l.transaction(600)
	}
	if _, err := long.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	for l.changes < changes {
		l.transaction(600)
	}
	t.Logf("%d changes", l.changes)
	w.await()
	d.terminate()
	w.offsetsOnce()
}
