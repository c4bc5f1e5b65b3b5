package connector

import (
	"fmt"

	"connectd/connect"
	"connectd/record"
)

// step is one transform of a connector and the name that the connector's file gives it.
type step struct {
	name  string
	class string
	connect.Transform
}

// Chain is a connector's transforms in order. It belongs to one goroutine.
type Chain []step

// Apply runs r through the chain. keep is false when a transform filtered it out.
func (c Chain) Apply(b *record.Batch, r *record.Record) (keep bool, failed *Failure) {
	for i := range c {
		keep, err := c[i].Apply(b, r)
		if err != nil {
			return false, &Failure{Stage: StageTransform, Class: c[i].class, Err: fmt.Errorf("transform %q: %w", c[i].name, err)}
		}
		if !keep {
			return false, nil
		}
	}
	return true, nil
}
