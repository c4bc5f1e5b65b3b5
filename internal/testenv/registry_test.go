package testenv

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

// TestSharedRegistry uses the registry of the run, which lives in another process.
func TestSharedRegistry(t *testing.T) {
	t.Parallel()
	r := SharedRegistry(t)
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterSchema(t.Context(), unique(t, "-", 63), sr.Schema{Schema: `"int"`}, -1, -1); err != nil {
		t.Fatal(err)
	}
	if r.Stop() == nil {
		t.Error("a shared registry was stopped")
	}
}

// TestRegistry shows that schemas outlive a stop, and that the registry refuses what a real one
// does.
func TestRegistry(t *testing.T) {
	t.Parallel()
	r := OwnRegistry(t, RegistryOptions{User: "u", Password: "p"})
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	register := func(ctx context.Context, cl *sr.Client, schema string) (int, error) {
		return cl.RegisterSchema(ctx, "orders-value", sr.Schema{Schema: schema}, -1, -1)
	}
	id, err := register(t.Context(), client, `{"type":"record","name":"A","fields":[{"name":"id","type":"int"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SchemaByID(t.Context(), id); err == nil {
		t.Error("a stopped registry answers")
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if s, err := client.SchemaByID(t.Context(), id); err != nil || s.Schema == "" {
		t.Errorf("after a restart, schema %d is %q (%v)", id, s.Schema, err)
	}
	stranger, err := sr.NewClient(sr.URLs(r.URL))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client *sr.Client
		schema string
		want   int
	}{
		{client, `{"type":"record","name":"A","fields":[{"name":"id","type":"int"},{"name":"note","type":"string","default":""}]}`, 0},
		{client, `{"type":"record","name":"A","fields":[{"name":"id","type":"string"}]}`, http.StatusConflict},
		{client, `{"type":"nothing"}`, http.StatusUnprocessableEntity},
		{stranger, `"int"`, http.StatusUnauthorized},
	} {
		_, err := register(t.Context(), c.client, c.schema)
		got := 0
		var answer *sr.ResponseError
		if errors.As(err, &answer) {
			got = answer.StatusCode
		}
		if got != c.want {
			t.Errorf("register %s: got status %d (%v), want %d", c.schema, got, err, c.want)
		}
	}
	if r.Requests() < 6 {
		t.Errorf("%d requests are counted, want at least 6", r.Requests())
	}
}
