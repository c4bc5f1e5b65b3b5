package connector

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"connectd/connect"
	"connectd/convert"
)

// remote is a JSON converter that needs something that may be away.
type remote struct {
	*convert.JSON
	err *error
}

func (r *remote) Check(context.Context) error { return *r.err }

func TestCheckAsksConverters(t *testing.T) {
	err := errors.New("the registry is away")
	plugins := tablePlugins()
	plugins.Converters = append(plugins.Converters, connect.ConverterPlugin("remote", func(c *convert.JSONConfig) (*remote, error) {
		j, failed := convert.NewJSON(c)
		return &remote{j, &err}, failed
	}))
	c := loadTable(t, plugins, "connector.class", "memory-sink", "topics", "a", "value.converter", "remote")
	if err := c.Check(t.Context(), slog.New(slog.DiscardHandler)); err == nil || err.Error() != "value converter: the registry is away" {
		t.Errorf("got %v", err)
	}
	err = nil
	if err := c.Check(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("the registry is back: %v", err)
	}
}

// keyed says whether it is a key converter.
type keyed struct {
	convert.JSONConfig
	keys bool
}

func (k *keyed) ForKeys() { k.keys = true }

func TestKeySettings(t *testing.T) {
	plugins := tablePlugins()
	plugins.Converters = append(plugins.Converters, connect.ConverterPlugin("keyed", func(k *keyed) (*convert.JSON, error) { return convert.NewJSON(&k.JSONConfig) }))
	c := loadTable(t, plugins, "connector.class", "memory-sink", "topics", "a", "key.converter", "keyed", "value.converter", "keyed")
	if key, value := c.key.settings.(*keyed).keys, c.value.settings.(*keyed).keys; !key || value {
		t.Errorf("the key converter is one of keys: %v, the value converter: %v", key, value)
	}
}
