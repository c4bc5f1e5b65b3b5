package worker

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/internal/fault"
	"connectd/kafka"
)

func TestSourceCrash(t *testing.T) {
	for _, step := range []string{"source.produced", "source.produced:3", "source.offset", "source.offset:5", "source.confirmed:2"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			k := testKafka(t)
			dir := t.TempDir()
			settings := map[string]string{"name": "child", "connector.class": "told-source", "topic": "numbers", "count": "2000", "pace.ms": "2", "told": filepath.Join(dir, "told")}
			crash(t, k, settings, step)
			if told, stored := readTold(t, settings["told"]), storedOffset(t, k); told > stored {
				t.Errorf("upstream was told %d, the stored offset is %d", told, stored)
			}
			child := connectortest.Start(t, k, settings, "")
			until(t, "the end", func() bool { return readTold(t, settings["told"]) == 2000 })
			child.Stop()
			seen := make([]bool, 2000)
			next := 0
			for _, m := range readTopic(t, k, "numbers") {
				var v struct{ N int }
				if err := json.Unmarshal(m.Value, &v); err != nil {
					t.Fatal(err)
				}
				if v.N > next {
					t.Fatalf("%d follows on %d: records are missing", v.N, next-1)
				}
				next = v.N + 1
				seen[v.N] = true
			}
			for n, ok := range seen {
				if !ok {
					t.Fatalf("%d is missing", n)
				}
			}
		})
	}
}

func storedOffset(t *testing.T, k kafka.Settings) int {
	t.Helper()
	n := 0
	for _, m := range readTopic(t, k, "connect-offsets") {
		var at struct{ N int }
		if err := json.Unmarshal(m.Value, &at); err != nil {
			t.Fatal(err)
		}
		n = at.N
	}
	return n
}

func readTold(t *testing.T, file string) int {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// toldConfig is a counter whose upstream is a file that holds what it was told.
type toldConfig struct {
	counterConfig
	Told string `yaml:"told" doc:"file"`
}

func newTold(c *toldConfig, e connect.Env) (connect.Source, error) {
	c.confirmed = &confirmations{tell: func(mark uint64) {
		if err := writeWhole(c.Told, strconv.AppendUint(nil, mark, 10)); err != nil {
			e.Log.Error("tell", "err", err)
		}
		fault.Point("source.confirmed")
	}}
	return newCounter(&c.counterConfig, e)
}
