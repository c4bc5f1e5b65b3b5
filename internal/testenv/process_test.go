package testenv

import "testing"

// Two servers that start at once, or the two listeners of one, must not get the same port. The
// number is such that independent draws would repeat one almost certainly.
func TestFreePortIsGivenOnce(t *testing.T) {
	given := make(map[int]bool)
	for range 1000 {
		port, err := freePort(0)
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Fatalf("port %d was given twice", port)
		}
		given[port] = true
	}
}
