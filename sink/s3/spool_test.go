package s3

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// TestBuffer writes, spills and forgets at random, and compares what a buffer gives back with what
// was written to it.
func TestBuffer(t *testing.T) {
	s := &spool{dir: t.TempDir()}
	defer func() { _ = s.close() }()
	rnd := rand.New(rand.NewPCG(1, 2))
	b, other := &buffer{spool: s}, &buffer{spool: s} // blocks of the two are mixed
	var want []byte
	for step := range 3000 {
		switch n := rnd.IntN(100); {
		case n < 90:
			p := make([]byte, rnd.IntN(1<<rnd.IntN(19)))
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			_, _ = b.Write(p)
			_, _ = other.Write(p)
			want = append(want, p...)
		case n < 97:
			if err := b.spill(); err != nil {
				t.Fatal(err)
			}
			if err := other.spill(); err != nil {
				t.Fatal(err)
			}
		case n < 98:
			want = want[:0]
			if err := b.reset(); err != nil {
				t.Fatal(err)
			}
		}
		if b.size() != int64(len(want)) || b.held() < b.inMemory() {
			t.Fatalf("step %d: %d bytes, %d in memory of %d; want %d", step, b.size(), b.inMemory(), b.held(), len(want))
		}
		from := rnd.IntN(len(want) + 1)
		n := rnd.IntN(len(want) - from + 1)
		got, err := io.ReadAll(b.section(int64(from), int64(n)))
		if err != nil || !bytes.Equal(got, want[from:from+n]) {
			t.Fatalf("step %d: other bytes than were written at %d, %v", step, from, err)
		}
		if rnd.IntN(10) == 0 {
			var all bytes.Buffer
			if n, err := b.WriteTo(&all); err != nil || n != b.size() || !bytes.Equal(all.Bytes(), want) {
				t.Fatalf("step %d: other bytes than were written, %d of %d, %v", step, n, b.size(), err)
			}
		}
	}
	if n, err := b.ReadAt(make([]byte, 1), b.size()); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
}
