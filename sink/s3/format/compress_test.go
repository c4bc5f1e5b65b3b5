package format

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"connectd/config"
)

// TestCodecs compresses three chunks into one object, twice from pools, and reads it with the
// usual readers.
func TestCodecs(t *testing.T) {
	readers := map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) {
			z, err := gzip.NewReader(r)
			if err == nil {
				z.Multistream(false) // one member: some readers stop after the first
			}
			return z, err
		},
		"zstd":   func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
		"snappy": func(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil },
	}
	chunks := []string{strings.Repeat("the first chunk ", 9000), "short", strings.Repeat("and a third one ", 700)}
	for _, c := range []struct {
		kind, suffix string
		level        int
	}{{"gzip", ".gz", -1}, {"gzip", ".gz", 9}, {"zstd", ".zst", -1}, {"zstd", ".zst", 1}, {"zstd", ".zst", 22}, {"snappy", ".snappy", -1}} {
		t.Run(fmt.Sprint(c.kind, c.level), func(t *testing.T) {
			cfg := Defaults()
			cfg.Compression, cfg.Level = c.kind, c.level
			s := NewCompressors(&cfg)
			var first []byte
			for range 2 {
				codec := s.Codec()
				var out bytes.Buffer
				for _, chunk := range chunks {
					if err := codec.Chunk(&out, strings.NewReader(chunk)); err != nil {
						t.Fatal(err)
					}
				}
				if err := codec.End(&out); err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = out.Bytes()
				} else if !bytes.Equal(first, out.Bytes()) {
					t.Error("the same chunks were compressed to different bytes")
				}
			}
			r, err := readers[c.kind](bytes.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Join(chunks, ""); string(got) != want {
				t.Errorf("read %d bytes, want the %d that were written", len(got), len(want))
			}
			if len(first)*5 > len(got) {
				t.Errorf("%d bytes were compressed to %d", len(got), len(first))
			}
			if got := cfg.Extension(); got != ".json"+c.suffix {
				t.Errorf("keys end with %s, want .json%s", got, c.suffix)
			}
		})
	}
}

// section is a Config on its own, without the sink around it.
type section struct{ Config }

func (s *section) Defaults() { s.Config = Defaults() }

// settings decodes keys and values as a configuration file has them.
func settings(pairs ...string) (*Config, error) {
	s := &config.Section{Path: "connectors.to-s3"}
	for i := 0; i < len(pairs); i += 2 {
		s.Entries = append(s.Entries, config.Entry{Key: pairs[i], Raw: pairs[i+1], Value: pairs[i+1]})
	}
	c := new(section)
	problems := config.Decode(s, c)
	return &c.Config, problems.Err()
}

func TestConfigProblems(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"s3.compression.type=lz4", "none, gzip, zstd, snappy"},
		{"s3.compression.level=10", "is not a gzip level; write a number from 1 to 9"},
		{"s3.compression.type=zstd s3.compression.level=23", "is not a zstd level; write a number from 1 to 22"},
		{"s3.compression.type=snappy s3.compression.level=3", "has no levels; remove it"},
		{"s3.compression.type=none s3.compression.level=3", "has no levels; remove it"},
		{"format.class=orc", "jsonl, json, json-array, csv, bytes"},
		{"format.class=bytes format.output.fields=key,value", "which holds the values only"},
		{"format.class=avro avro.codec=bzip2", "null, deflate, snappy, zstandard"},
		{"format.class=avro s3.compression.level=3", "compresses its blocks itself; remove it"},
		{"format.class=csv format.output.fields.value.encoding=hex", "base64, none"},
		{"format.output.fields=values", "is not a field of a record"},
	} {
		var pairs []string
		for _, pair := range strings.Fields(c.keys) {
			key, value, _ := strings.Cut(pair, "=")
			pairs = append(pairs, key, value)
		}
		if _, err := settings(pairs...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.keys, err, c.want)
		}
	}
}
