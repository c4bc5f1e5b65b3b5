package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The losses that Debezium had, because its position was the LSN of a change. Each of these tests
// fails with such a position.

// kill ends the source as a crash does: what it has sent and nobody has taken is not durable.
func (r *reading) kill() {
	r.t.Helper()
	r.intake.Fail()
	r.cancel()
	r.err, r.ended = <-r.done, true
}

// onByOne reads the slot with a start for every few batches, each from the last one that was
// durable when the one before was killed, until it has n records.
func (d *database) onByOne(t *testing.T, n, batches int, settings ...string) []sentRecord {
	t.Helper()
	var all []sentRecord
	var offset []byte
	for len(all) < n {
		r := d.startBehind(t, 1, 64<<20, offset, settings...)
		for taken := 0; taken < batches && len(all)+len(r.records) < n; {
			before := len(r.records)
			if !r.receive(patience) {
				t.Fatalf("the source ended with %v after %d records", r.err, len(all)+len(r.records))
			}
			if len(r.records) > before {
				taken++
			}
		}
		r.kill()
		all, offset = append(all, r.records...), r.offset
	}
	return all
}

func wantEach(t *testing.T, all []sentRecord, n int) {
	t.Helper()
	if distinct, doubles := keys(all); len(distinct) != n || doubles != 0 {
		t.Errorf("%d distinct keys and %d doubles, want %d and none", len(distinct), doubles, n)
	}
}

// TestLossInsideCopy (dbz#1554): the rows of a COPY share LSNs, and the reader is killed inside of
// such a group; Debezium loses the rest of the group.
func TestLossInsideCopy(t *testing.T) {
	const rows = 20_000
	for _, mode := range []string{"auto", "off"} {
		t.Run("catch.up.mode "+mode, func(t *testing.T) {
			d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)").publish(t, "a").slotBehind(t)
			copyInto(t, d, rows)
			wantEach(t, d.onByOne(t, rows, 60, "max.batch.size", "50", "catch.up.mode", mode), rows)
		})
	}
}

var sequence = regexp.MustCompile(`"sequence":"\[\\"(\d+)\\",\\"(\d+)\\"\]"`)

// TestLossAfterCommit (dbz#76): a transaction ends where the next one begins, so that the position
// behind the first is the LSN of the second's first change.
func TestLossAfterCommit(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a").slotBehind(t)
	d.exec(t, "SELECT pg_create_logical_replication_slot('other_"+d.name+"', 'pgoutput')",
		"DO $$ BEGIN FOR i IN 1..200 LOOP INSERT INTO a VALUES (i); COMMIT; END LOOP; END $$")
	first := start(t, d.config(t, "snapshot.mode", "no_data", "slot.name", "other_"+d.name), nil)
	first.next(200)
	meets := 0
	for i, rec := range first.records {
		lsns := sequence.FindStringSubmatch(rec.value)
		if lsns == nil || lsns[1] != lsns[2] {
			continue // the first one, or somebody else's WAL is between
		}
		if meets++; meets > 3 {
			break
		}
		offset := fmt.Sprintf(`{"lsn":%[1]s,"lsn_proc":%[1]s,"lsn_commit":%[1]s,"messageType":"COMMIT"}`, lsns[1])
		r := start(t, d.config(t, "snapshot.mode", "no_data", "lsn.flush.mode", "manual"), []byte(offset))
		r.until("a record", func() bool { return len(r.records) > 0 })
		if got := r.records[0].key; got != rec.key {
			t.Errorf("after the commit in front of record %d: got %s, want %s", i, got, rec.key)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if meets == 0 {
		t.Fatal("no transaction begins where the one before ends")
	}
}

// TestLossAroundMessage (dbz#2004, dbz#2058): logical messages between the changes of a transaction
// move Debezium's position, and the next change is lost, or comes twice.
func TestLossAroundMessage(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a").slotBehind(t)
	var tx strings.Builder
	for i := range 12 {
		fmt.Fprintf(&tx, "INSERT INTO a VALUES (%d); SELECT pg_logical_emit_message(true, 'm', 'in the transaction'); SELECT pg_logical_emit_message(false, 'other', 'outside');", i)
	}
	d.exec(t, "BEGIN; "+tx.String()+" COMMIT", "INSERT INTO a VALUES (12)")
	messages := 0
	rows := slices.DeleteFunc(d.onByOne(t, 13+12, 1, "max.batch.size", "1", "message.prefix.include.list", "m"), func(r sentRecord) bool {
		if r.topic == "production.message" {
			messages++
			return true
		}
		return false
	})
	wantEach(t, rows, 13)
	if messages != 12 {
		t.Errorf("%d messages, want 12", messages)
	}
}
