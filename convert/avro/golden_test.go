package avro

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"connectd/convert"
	"connectd/record"
)

// The files in testdata are what Confluent's AvroData made, in its version of August 2026.

// cases are the paragraphs of a file: lines that begin with the name of what they have.
func cases(t *testing.T, file string) (all []map[string]string, options []Options) {
	t.Helper()
	content, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(content)), "\n\n") {
		lines := map[string]string{}
		for text := range strings.Lines(paragraph) {
			name, content, _ := strings.Cut(strings.TrimSpace(text), " ")
			lines[name] = content
		}
		all = append(all, lines)
		options = append(options, Options{
			Metadata:        !strings.Contains(lines["settings"], "connect.meta.data=false"),
			Enhanced:        strings.Contains(lines["settings"], "enhanced.avro.schema.support=true"),
			Scrub:           strings.Contains(lines["settings"], "scrub.invalid.names=true"),
			OptionalMapKeys: strings.Contains(lines["settings"], "allow.optional.map.keys=true"),
		})
	}
	return all, options
}

// TestGoldenReader compares the schemas that are made of Avro's.
func TestGoldenReader(t *testing.T) {
	all, options := cases(t, "avrodata-read.txt")
	for i, line := range all {
		same(t, line["avro"], string(convert.AppendSchema(nil, reader(t, line["avro"], options[i]).Schema())), line["connect"])
	}
}

// TestGoldenAvroData compares schemas and octets, and the record that they become again. Records
// are in the form of Kafka Connect's JSON converter.
func TestGoldenAvroData(t *testing.T) {
	j := inBand(t)
	all, options := cases(t, "avrodata.txt")
	for i, line := range all {
		o := options[i]
		d, err := j.Decode(new(record.Batch), "topic", []byte(line["connect"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Map(d.Schema, o)
		if err != nil {
			t.Errorf("%.200s: %v", line["connect"], err)
			continue
		}
		octets, err := m.Append(nil, &d.Value)
		if err != nil {
			t.Errorf("%.200s: %v", line["connect"], err)
		}
		same(t, "schema of "+line["connect"], m.Schema(), line["schema"])
		same(t, "octets of "+line["connect"], hex.EncodeToString(octets), line["octets"])
		r := reader(t, line["schema"], o)
		v, err := r.Read(new(record.Batch), octets)
		if err != nil {
			t.Errorf("read %s: %v", line["schema"], err)
			continue
		}
		back, null, err := j.Encode(nil, "topic", record.Datum{Schema: r.Schema(), Value: v})
		if err != nil {
			t.Errorf("%.200s: %v", line["connect"], err)
		}
		if line["back"] == "null" {
			if !v.IsNull() || null {
				t.Errorf("%.200s: read %s, want null", line["connect"], back)
			}
			continue
		}
		same(t, "back from "+line["connect"], string(back), line["back"])
	}
}

// same shows where two texts begin to differ.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(0, at-150)
	t.Errorf("%.150s: differs at %d:\n got …%.300s\nwant …%.300s", what, at, got[min(from, len(got)):], want[min(from, len(want)):])
}
