package connect

import (
	"context"
	"fmt"

	"connectd/convert"
)

// converters are a connector's three converters. They belong to one goroutine.
type converters struct {
	key, value, header                convert.Converter
	keyClass, valueClass, headerClass string
}

// check is the first thing that a converter finds: two of one registry would find the same.
func (c *converters) check(ctx context.Context) error {
	if err := check(ctx, c.key); err != nil {
		return fmt.Errorf("key converter: %w", err)
	}
	if err := check(ctx, c.value); err != nil {
		return fmt.Errorf("value converter: %w", err)
	}
	return nil
}
