package postgres

import (
	"testing"

	"connectd/connect"
	"connectd/record"
)

// TestPassthrough: triggers see each change of a key, where otherwise they see the last one.
func TestPassthrough(t *testing.T) {
	for settings, want := range map[string]string{
		"":                                      `{"changes": "INSERT 2b INSERT 1d"}`,
		"keyed.message.batch.mode: passthrough": `{"changes": "INSERT 1a INSERT 2b UPDATE 1c DELETE 1c INSERT 1d"}`,
		"keyed.message.batch.mode: passthrough\noffsets.storage: kafka": `{"changes": "INSERT 1a INSERT 2b UPDATE 1c DELETE 1c INSERT 1d"}`,
	} {
		t.Run(settings, func(t *testing.T) {
			g := newTarget(t)
			g.exec("CREATE TABLE orders (id int PRIMARY KEY, name text)", "CREATE TABLE changes (n serial, change text)",
				`CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r orders; BEGIN
					r := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
					INSERT INTO changes (change) VALUES (TG_OP || ' ' || r.id || r.name); RETURN NULL; END $$`,
				"CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION seen()")
			p := g.open(g.sink(upsert + settings))
			first := true
			for _, kv := range [][2]string{order(1, "a"), order(2, "b"), order(1, "c"), tombstone(1), order(1, "d")} {
				b := p.batch(kv)
				// As the runtime does.
				if rotator, ok := p.w.(connect.Rotator); ok && rotator.Ends(&b.Records[0], first) && !first {
					if err := p.w.Flush(t.Context(), record.Range{Partition: p.id, Start: p.from, End: b.Records[0].Offset}); err != nil {
						t.Fatal(err)
					}
					p.from = b.Records[0].Offset
					rotator.Ends(&b.Records[0], true)
				}
				first = false
				if err := p.w.Write(t.Context(), b); err != nil || len(b.Failed()) > 0 {
					t.Fatal(err, b.Failed())
				}
			}
			p.flush()
			g.want("SELECT string_agg(change, ' ' ORDER BY n) AS changes FROM changes", want)
			g.want("SELECT string_agg(id || name, ' ' ORDER BY id) AS rows FROM orders", `{"rows": "1d 2b"}`)
		})
	}
}

// TestPassthroughKeys has records whose keys differ only in what is no part of the primary key.
func TestPassthroughKeys(t *testing.T) {
	schema := &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: "id", Schema: &record.Schema{Type: record.Int64Type}}, {Name: "shard", Schema: &record.Schema{Type: record.Int64Type}}}}
	of := func(id, shard int64) *record.Record {
		return &record.Record{Topic: testTopic, Key: record.Datum{Schema: schema, Value: record.OfStruct([]record.Value{record.OfInt(id), record.OfInt(shard)})}}
	}
	for fields, want := range map[string]bool{"": false, "\npk.fields: id": true} {
		cfg, problems := decode("connection.url: postgres://h/d\ninsert.mode: upsert\npk.mode: record_key\nkeyed.message.batch.mode: passthrough" + fields)
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		s, err := New(cfg, connect.Env{})
		if err != nil {
			t.Fatal(err)
		}
		rotator := s.(*Sink).eachChange(&Writer{}).(connect.Rotator)
		rotator.Ends(of(1, 1), true)
		if got := rotator.Ends(of(1, 2), false); got != want {
			t.Errorf("pk.fields %q: the range ends: got %t, want %t", fields, got, want)
		}
		if rotator.Ends(of(2, 1), false) || rotator.Ends(&record.Record{Topic: testTopic}, false) || !rotator.Ends(of(1, 1), false) || rotator.Ends(of(1, 1), true) {
			t.Errorf("pk.fields %q: ends at another key, or not at the same one, or at the first record", fields)
		}
	}
}
