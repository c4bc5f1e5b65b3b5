package connector

import (
	"context"
	"errors"
	"log/slog"

	"connectd/connect"
)

// Check lets the connector and its converters check their settings against the live systems, if
// they can: what `connectd validate --connect` does.
func (c *Connector) Check(ctx context.Context, log *slog.Logger) error {
	conv, err := c.NewConverters()
	if err != nil {
		return err
	}
	if c.Source != nil {
		src, err := c.NewSource(0, 1, log, nil) // the one task that would have all of the work
		if err != nil {
			return err
		}
		return errors.Join(CheckPart(ctx, src), conv.check(ctx))
	}
	sink, err := c.NewSink(0, log, nil)
	if err != nil {
		return err
	}
	return errors.Join(CheckPart(ctx, sink), sink.Close(), conv.check(ctx))
}

// CheckPart asks a Source, a Sink or a converter that is a Checker.
func CheckPart(ctx context.Context, part any) error {
	if k, ok := part.(connect.Checker); ok {
		return k.Check(ctx)
	}
	return nil
}

// Examine lets the connector examine the live system; one that is no Examiner is checked, and what
// Check says is the finding.
func (c *Connector) Examine(ctx context.Context, log *slog.Logger) ([]connect.Finding, error) {
	if c.Source != nil {
		src, err := c.NewSource(0, 1, log, nil)
		if err != nil {
			return nil, err
		}
		if e, ok := src.(connect.Examiner); ok {
			return e.Examine(ctx)
		}
	}
	if err := c.Check(ctx, log); err != nil {
		return []connect.Finding{{Grade: connect.Problem, Text: err.Error()}}, nil
	}
	return []connect.Finding{{Grade: connect.Good, Text: "it can start"}}, nil
}

// Mover is the connector as a Mover; ok is false when it is none.
func (c *Connector) Mover(log *slog.Logger) (m connect.Mover, ok bool, err error) {
	if c.Source == nil {
		return nil, false, nil
	}
	src, err := c.NewSource(0, 1, log, nil)
	if err != nil {
		return nil, false, err
	}
	m, ok = src.(connect.Mover)
	return m, ok, nil
}
