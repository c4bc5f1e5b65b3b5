package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// No way of printing a Secret, alone or inside of something, shows it.
func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "hunter2"
	type settings struct {
		Password Secret
		All      []Secret
		ByName   map[string]Secret
		Pointer  *Secret
	}
	one := Secret(text)
	held := settings{one, []Secret{one}, map[string]Secret{"a": one}, &one}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T %v"} {
		for _, v := range []any{one, &one, held, &held, fmt.Errorf("connect: %v", one)} {
			args := []any{v}
			if strings.Count(verb, "%") == 2 {
				args = append(args, v)
			}
			got := fmt.Sprintf(verb, args...)
			if strings.Contains(got, text) || strings.Contains(strings.ToLower(got), "68756e74657232") {
				t.Errorf("fmt %s shows the secret: %s", verb, got)
			}
		}
	}
	asJSON, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	slog.New(slog.NewTextHandler(&logs, nil)).Info("x", "one", one, "held", held, "pointer", &one)
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "one", one, "held", held, "pointer", &one)
	for _, got := range []string{string(asJSON), string(asYAML), logs.String()} {
		if strings.Contains(got, text) || !strings.Contains(got, "****") {
			t.Errorf("want **** in place of the secret, got %s", got)
		}
	}
	if got := one.Reveal(); got != text {
		t.Errorf("Reveal() = %q, want %q", got, text)
	}
}
