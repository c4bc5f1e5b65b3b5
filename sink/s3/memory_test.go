package s3

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"connectd/record"
)

// TestMemory has 64 partitions with 50 open objects each take 100 MB, and looks what is left in
// memory, and on disk when all is over.
func TestMemory(t *testing.T) {
	for _, format := range []string{"jsonl", "parquet"} {
		t.Run(format, func(t *testing.T) { manyOpen(t, format) })
	}
}

func manyOpen(t *testing.T, format string) {
	const partitions, folders, rounds, size = 64, 50, 40, 1000
	dir := t.TempDir()
	s := offline(t, func(c *Config) {
		c.Format, c.Partitioner, c.PartitionFields, c.SpoolDir = format, "header", []string{"folder"}, dir
	}).sink
	b := &record.Batch{}
	for i := range folders {
		r := b.Add()
		r.Value = text(fmt.Sprint(rand.Perm(size / 4)))
		r.Headers = []record.Header{{Name: "folder", Value: text(fmt.Sprint(i))}}
	}
	before := heap()
	var writers []*writer
	for p := range partitions {
		writers = append(writers, newWriter(s, record.Partition{Topic: "t", ID: int32(p)}))
	}
	for range rounds {
		for _, w := range writers {
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := heap() - before
	t.Logf("%d open objects with %d MB hold %d MB of memory", partitions*folders, partitions*folders*rounds*size>>20, held>>20)
	if limit := int64(64 << 20); held > limit {
		t.Errorf("the open objects hold %d MB, want at most %d", held>>20, limit>>20)
	}
	for _, w := range writers {
		if objects, err := w.finish(record.Range{}); err != nil || len(objects) != folders || objects[0].rows != rounds {
			t.Fatalf("%d objects, %v", len(objects), err)
		}
		if err := w.reset(); err != nil {
			t.Fatal(err)
		}
		if info, err := w.spool.file.Stat(); err != nil || info.Size() != 0 {
			t.Errorf("the spool holds %v after the flush, %v", info, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left in the spool's directory: %v, %v", left, err)
	}
}

// heap is what is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSpoolIsMissing makes sure that a disk that can not be written to fails the flush, and no
// record.
func TestSpoolIsMissing(t *testing.T) {
	w := offline(t, func(c *Config) { c.SpoolDir, c.Compression = "/nowhere", "none" })
	value := `{"n":"` + strings.Repeat("x", mostMemory) + `"}`
	var err error
	for i := int64(0); err == nil && i < 10; i++ {
		b := batch(i, value)
		if err = w.Write(t.Context(), b); len(b.Failed()) > 0 {
			t.Fatalf("the record failed: %v", b.Failed()[0].Err)
		}
	}
	if err == nil {
		_, err = w.finish(record.Range{})
	}
	if err == nil {
		t.Error("no error")
	}
}
