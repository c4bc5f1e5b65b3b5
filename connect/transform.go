package connect

import "connectd/record"

// Transform changes a record in place; keep=false filters it out. b is the batch that r belongs
// to, whose memory the transform may use. Called from one goroutine.
type Transform interface {
	Apply(b *record.Batch, r *record.Record) (keep bool, err error)
}
