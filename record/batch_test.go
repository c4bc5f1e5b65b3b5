package record

import "testing"

// TestHeaders checks that headers of one batch stay apart, and are empty in the next batch.
func TestHeaders(t *testing.T) {
	b := new(Batch)
	var all [][]Header
	for range 200 {
		h := b.Headers(3)
		h[0].Name = "own"
		all = append(all, append(h[:1], Header{Name: "more"}))
	}
	for i, h := range all {
		if h[0].Name != "own" || h[1].Name != "more" || cap(h) != 3 {
			t.Fatalf("headers %d are %v with room for %d", i, h, cap(h))
		}
	}
	b.Reset()
	for i, h := range b.Headers(3) {
		if h.Name != "" {
			t.Errorf("after Reset, header %d is %q", i, h.Name)
		}
	}
}
