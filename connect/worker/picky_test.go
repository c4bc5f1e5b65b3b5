package worker

import (
	"errors"

	"connectd/record"
)

// pickyConfig is a transform that filters out multiples of Drop and fails at Fail.
type pickyConfig struct {
	Drop int64 `yaml:"drop" doc:"multiples of this are filtered out; 0 for none"`
	Fail int64 `yaml:"fail" doc:"record that can not be transformed; -1 for none"`
	Add  int64 `yaml:"add" doc:"record beside which another one is smuggled in; -1 for none"`
}

func (c *pickyConfig) Defaults() { c.Fail, c.Add = -1, -1 }

type picky struct{ c *pickyConfig }

func newPicky(c *pickyConfig) (*picky, error) { return &picky{c}, nil }

func (p *picky) Apply(b *record.Batch, r *record.Record) (bool, error) {
	n := r.Value.Value.Items[0].N
	if n == p.c.Add {
		extra := *r
		extra.Offset++
		*b.Add() = extra
	}
	if n == p.c.Fail {
		return false, errors.New("too picky")
	}
	return p.c.Drop == 0 || n%p.c.Drop != 0, nil
}
