package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a setting that no log, message or answer may show. Every way of printing it gives
// ****; only Reveal gives the text.
type Secret string

const covered = "****"

// Reveal is the text, for the call that needs it and for nothing else.
func (s Secret) Reveal() string { return string(s) }

// String is ****.
func (Secret) String() string { return covered }

// Format writes **** for every verb: %s, %q, %x, %#v.
func (Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, covered) }

// LogValue is **** in every slog handler.
func (Secret) LogValue() slog.Value { return slog.StringValue(covered) }

// MarshalText is **** in JSON, XML and as a map's key.
func (Secret) MarshalText() ([]byte, error) { return []byte(covered), nil }

// MarshalYAML is **** in YAML.
func (Secret) MarshalYAML() (any, error) { return covered, nil }
