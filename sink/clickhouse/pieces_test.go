package clickhouse

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"connectd/record"
)

// TestPieces has columns of several pieces, in memory that others have used before, and compares them
// with what their cells are encoded to one by one.
func TestPieces(t *testing.T) {
	const rows = 20_000
	value := map[string]func(i int) record.Value{
		"Int64":            func(i int) record.Value { return record.OfInt(int64(i)) },
		"Int128":           func(i int) record.Value { return record.OfInt(int64(-i)) },
		"FixedString(7)":   func(i int) record.Value { return record.OfText(fmt.Sprint(i)) },
		"Nullable(String)": func(i int) record.Value { return []record.Value{{}, record.OfText(fmt.Sprint("n", i))}[min(i%3, 1)] },
		"String": func(i int) record.Value {
			if i%5000 == 1 {
				return record.OfText(strings.Repeat("long ", 20_000)) // several pieces by itself
			}
			return record.OfText(fmt.Sprint("n", i))
		},
		"Array(String)": func(i int) record.Value { return record.OfJSON(fmt.Appendf(nil, `["a%d","b"]`, i)) },
	}
	for kind, value := range value {
		t.Run(kind, func(t *testing.T) {
			encode := func(from, to int) column {
				c, _, err := newColumn(kind, refuse)
				if err != nil {
					t.Fatal(err)
				}
				for i := from; i < to; i++ {
					v := value(i)
					if err := c.append(nil, &v); err != nil {
						t.Fatal(err)
					}
				}
				return c
			}
			used := encode(0, rows)
			used.truncate(0) // its pieces go round
			c := encode(0, rows)
			for _, span := range [][2]int{{0, rows}, {0, 1}, {255, 257}, {4_999, 5_003}, {256, rows - 1}, {rows - 1, rows}, {7, 7}} {
				got := bytes.Join(c.part(nil, span[0], span[1]), nil)
				if want := bytes.Join(encode(span[0], span[1]).segments(nil), nil); !bytes.Equal(got, want) {
					t.Errorf("rows %d to %d are not as they are by themselves", span[0], span[1])
				}
			}
			for _, n := range []int{rows - 1, 10_241, 5_000, 256, 1, 0} {
				c.truncate(n)
				v := value(n)
				if err := c.append(nil, &v); err != nil {
					t.Fatal(err)
				}
				if got, want := bytes.Join(c.segments(nil), nil), bytes.Join(encode(0, n+1).segments(nil), nil); !bytes.Equal(got, want) {
					t.Errorf("after all but %d rows are forgotten and one more came, they are not those", n)
				}
			}
		})
	}
}

// TestWidenPieces gives columns of several pieces a wider type.
func TestWidenPieces(t *testing.T) {
	const rows = 20_000
	for _, c := range [][2]string{{"Int32", "Int64"}, {"Int32", "Nullable(Int64)"}, {"String", "Nullable(String)"}, {"Nullable(Int16)", "Nullable(Int64)"}} {
		spare := new(columnPool)
		encode := func(kind string) blockColumn {
			cells, sent, err := spare.get(kind)
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				v := record.OfInt(int64(i) - rows/2)
				if err := cells.append(nil, &v); err != nil {
					t.Fatal(err)
				}
			}
			return blockColumn{"n", kind, sent, cells}
		}
		wide := encode(c[0])
		wide.widen(c[1], rows, spare)
		want := encode(c[1])
		if wide.kind != c[1] || !bytes.Equal(bytes.Join(wide.cells.segments(nil), nil), bytes.Join(want.cells.segments(nil), nil)) {
			t.Errorf("%s made %s is not as it would have been", c[0], wide.kind)
		}
	}
}

func TestOffsets(t *testing.T) {
	var o offsets
	all := []int64{5, 6, 7, 9, 10, 20, 22, 23}
	for row, offset := range all {
		o.add(row, offset)
	}
	for row, want := range all {
		if got := o.of(row); got != want {
			t.Errorf("row %d: got %d, want %d", row, got, want)
		}
	}
	if len(o) != 4 {
		t.Errorf("%d runs are kept for %v, want 4", len(o), all)
	}
}

// TestRowsAreNotMoved: rows that wait for the flush take little more memory, on their way too, than
// they have.
func TestRowsAreNotMoved(t *testing.T) {
	w, table := offlineWriter(eventsCols)
	rows := eventRows(10_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if err := w.Write(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	encoded := 0
	for _, c := range table.blocks[0].columns {
		for _, s := range c.cells.segments(nil) {
			encoded += len(s)
		}
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(encoded)*5/4 {
		t.Errorf("%d bytes of rows took %d bytes, want at most a quarter more", encoded, took)
	}
}
