package connect

import (
	"testing"
	"time"
)

func TestProgressLeft(t *testing.T) {
	p := Progress{Tables: []TableProgress{{Rows: 10, Estimated: 40}}}
	if left, ok := p.Left(); ok {
		t.Errorf("%s left at an unknown rate", left)
	}
	p.Rate = 10
	if left, ok := p.Left(); !ok || left != 3*time.Second {
		t.Errorf("%s left, want 3s", left)
	}
	p.Tables[0].Rows = 40
	if left, ok := p.Left(); ok {
		t.Errorf("%s left of nothing", left)
	}
}
