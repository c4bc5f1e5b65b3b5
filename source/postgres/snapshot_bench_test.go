package postgres

import (
	"encoding/binary"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// readRows is a reader of the reference table without a connection, and a row as COPY sends it.
// What it sends is durable at once.
func readRows(t testing.TB, inBinary bool) (read func(rows int), row []byte) {
	made := events(t)
	table := &snapshotTable{table: made}
	for i := range made.columns {
		table.columns = append(table.columns, &made.columns[i])
	}
	if inBinary {
		table.wires = []wire{{wireInt, true}, {wireInt, true}, {text: wireText}, {text: wireNumeric}, {text: wireJSONB}, {text: wireTimestamptz}}
		row = binaryEvent(t)
	} else {
		for _, value := range eventRow {
			row = append(append(row, value...), '\t')
		}
		row[len(row)-1] = '\n'
	}
	s := newSource(t, decode(t, seed))
	intake := connect.NewIntake("test", 4, nil, s.log)
	sn := &snapshot{source: s, task: intake.Task(), block: block{snapshot: &snapshotRow}, told: true}
	sn.deliver = func(b *record.Batch, _ []byte, _ bool) { sn.task.Send(b) }
	r := &reader{snapshot: sn, out: output{config: s.config}, part: tableRange{part: &snapshotPart{table: table}}}
	return func(rows int) {
		for range rows {
			if err := r.row(t.Context(), row); err != nil {
				t.Fatal(err)
			}
			select {
			case b := <-intake.Sent():
				intake.Retire(b)
			default:
			}
		}
	}, row
}

// binaryEvent is eventRow in COPY's binary form.
func binaryEvent(t testing.TB) []byte {
	at, err := time.Parse("2006-01-02 15:04:05.999999-07", eventRow[5])
	if err != nil {
		t.Fatal(err)
	}
	integer := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	row := []byte{0, 6}
	for _, octets := range [][]byte{
		integer(123456), integer(4711), []byte(eventRow[2]), {0, 2, 0, 0, 0, 0, 0, 2, 0x04, 0xd2, 0x15, 0xe0},
		append([]byte{1}, eventRow[4]...), integer(uint64(at.UnixMicro() - postgresEpoch)),
	} {
		row = append(binary.BigEndian.AppendUint32(row, uint32(len(octets))), octets...)
	}
	return row
}

// BenchmarkSnapshot is a row's way from what COPY sends to a record in a batch that is sent.
func BenchmarkSnapshot(b *testing.B) {
	for _, c := range []struct {
		name     string
		inBinary bool
	}{{"text", false}, {"binary", true}} {
		b.Run(c.name, func(b *testing.B) {
			read, row := readRows(b, c.inBinary)
			b.SetBytes(int64(len(row)))
			b.ReportAllocs()
			for b.Loop() {
				read(1)
			}
		})
	}
}

// TestSnapshotAllocations asserts that batches that are used again allocate nothing.
func TestSnapshotAllocations(t *testing.T) {
	for _, inBinary := range []bool{false, true} {
		read, _ := readRows(t, inBinary)
		const rows = 4096
		read(2 * rows) // the batches grow to their size
		if n := testing.AllocsPerRun(5, func() { read(rows) }); n > rows/100 {
			t.Errorf("%.0f allocations for %d rows, binary %v", n, rows, inBinary)
		}
	}
}
