package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"connectd/internal/testenv"
)

// TestAvro sends mixed changes over five tables through Avro with a Schema Registry to all targets:
// the snapshot, a column that is added, and a registry that is away while it is.
func TestAvro(t *testing.T) {
	w := newWorld(t)
	registry := testenv.OwnRegistry(t, testenv.RegistryOptions{User: "connectd", Password: "secret"})
	for _, what := range []string{"key", "value"} {
		w.converters += fmt.Sprintf(`
    %[1]s.converter: io.confluent.connect.avro.AvroConverter
    %[1]s.converter.schema.registry.url: %[2]s
    %[1]s.converter.basic.auth.credentials.source: USER_INFO
    %[1]s.converter.basic.auth.user.info: connectd:secret`, what, registry.URL)
	}
	// A record that were left out would be missing.
	w.converters += "\n    errors.tolerance: all"
	l := newLoad(t, w.source, w.sourceDB, w.prefix)
	l.fill(10_000)
	d := newDaemon(t, w.config())
	d.start()
	client, err := registry.Client()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The audit has no key.
	w.poll(ctx, func() string {
		if all, err := client.Subjects(t.Context()); len(all) != 9 {
			return fmt.Sprintf("the registry has the subjects %v (%v), want 9", all, err)
		}
		return ""
	})

	// The new column makes a new schema, which nobody can register or read while the registry is
	// away: nothing may be lost or left out.
	must(t, registry.Stop())
	l.must("ALTER TABLE accounts ADD COLUMN note text")
	for range 10 {
		l.transaction(300)
	}
	l.run("UPDATE accounts SET note = 'since ' || opened WHERE active")
	w.poll(ctx, func() string {
		if strings.Contains(d.tail(1000), "register the schema of subject") {
			return ""
		}
		return "the source has not noticed that the registry is away"
	})
	must(t, registry.Start())
	for range 10 {
		l.transaction(300)
	}
	w.await()
	d.terminate()
	w.offsetsOnce()

	for subject, versions := range map[string]int{"accounts-key": 1, "accounts-value": 2, "events-value": 1} {
		subject = "cdc." + w.prefix + ".public." + subject
		if got, err := client.SubjectVersions(t.Context(), subject); len(got) != versions {
			t.Errorf("subject %s has the versions %v (%v), want %d", subject, got, err, versions)
		}
	}
}
