package connector

import (
	"context"
	"fmt"

	"connectd/convert"
)

// Converters are a connector's three converters. They belong to one goroutine.
type Converters struct {
	Key, Value, Header                convert.Converter
	KeyClass, ValueClass, HeaderClass string
}

// check is the first thing that a converter finds: two of one registry would find the same.
func (c *Converters) check(ctx context.Context) error {
	if err := CheckPart(ctx, c.Key); err != nil {
		return fmt.Errorf("key converter: %w", err)
	}
	if err := CheckPart(ctx, c.Value); err != nil {
		return fmt.Errorf("value converter: %w", err)
	}
	return nil
}
