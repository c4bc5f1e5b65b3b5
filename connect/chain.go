package connect

import (
	"fmt"

	"connectd/record"
)

// step is one transform of a connector and the name that the connector's file gives it.
type step struct {
	name  string
	class string
	Transform
}

// chain is a connector's transforms in order. It belongs to one goroutine.
type chain []step

// apply runs r through the chain. keep is false when a transform filtered it out.
func (c chain) apply(b *record.Batch, r *record.Record) (keep bool, failed *failure) {
	for i := range c {
		keep, err := c[i].Apply(b, r)
		if err != nil {
			return false, &failure{stage: stageTransform, class: c[i].class, err: fmt.Errorf("transform %q: %w", c[i].name, err)}
		}
		if !keep {
			return false, nil
		}
	}
	return true, nil
}
