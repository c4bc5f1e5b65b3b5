package s3

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"connectd/kafka"
)

// TestFlushSize writes seven records in threes, and again from the beginning of the topic: names
// and bytes are the same.
func TestFlushSize(t *testing.T) {
	d := newDaemon(t, 1, "flush.size", "3", "s3.compression.type", "none")
	d.produce(numbers(0, 7, 1)...)
	d.start("")
	d.objects("two objects", func(o map[string]string) bool { return len(o) == 2 })
	d.Stop() // flushes the third
	first := content(t, d.client, d.bucket)
	var names []string
	for _, key := range slices.Sorted(maps.Keys(first)) {
		names = append(names, strings.TrimPrefix(key, "topics/"+d.topic+"/partition=0/"+d.topic+"+0+"))
	}
	if want := []string{"0000000000.json", "0000000003.json", "0000000006.json"}; !slices.Equal(names, want) {
		t.Errorf("objects %v, want %v", names, want)
	}
	onceEach(t, first, 7)
	// Another group reads the topic again, over the same objects.
	d.settings["consumer.override.group.id"] = d.topic + "-again"
	d.start("")
	d.produce(numbers(7, 9, 1)...)
	d.objects("all nine", func(o map[string]string) bool { return len(counted(t, o)) == 9 })
	d.Stop()
	again := content(t, d.client, d.bucket)
	for key, text := range first {
		if !strings.HasPrefix(again[key], text) {
			t.Errorf("object %s has changed from %q to %q", key, text, again[key])
		}
	}
	onceEach(t, again, 9)
}

// TestIdleTopic makes sure that rotate.interval.ms by record time ends a range though nothing
// follows.
func TestIdleTopic(t *testing.T) {
	d := newDaemon(t, 1, "rotate.interval.ms", "1000", "partitioner.class", "hourly", "timestamp.extractor", "Record")
	d.produce(numbers(0, 1, 1)...)
	d.start("")
	got := d.objects("an object", func(o map[string]string) bool { return len(o) == 1 })
	onceEach(t, got, 1)
	d.Stop()
}

// TestCrash kills the daemon at each step of the protocol, with objects in five folders a flush,
// and again while it recovers. Ranges are cut by number, by record time, by the clock and by size.
func TestCrash(t *testing.T) {
	rules := map[string][]string{
		"rows":        {"flush.size", "25"},
		"record time": {"rotate.interval.ms", "30000"},
		"clock":       {"rotate.schedule.interval.ms", "200"},
		"size":        {"rotate.file.size.bytes", "300"},
		"parquet":     {"rotate.schedule.interval.ms", "200", "format.class", "io.confluent.connect.s3.format.parquet.ParquetFormat", "parquet.codec", "zstd"},
	}
	steps := []string{"sink.intent", "sink.intent:3", "sink.writing", "sink.writing:3", "sink.writing:8", "sink.written", "sink.written:2", "sink.committed", "sink.committed:2"}
	if testing.Short() {
		steps = steps[:3]
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, 2, append(rule, "partitioner.class", "field", "partition.field.name", "five", "s3.manifest.enable", "true")...)
			const some = 120
			n := 0
			for _, step := range steps {
				d.produce(numbers(n, n+some, 2)...)
				n += some
				d.start(step)
				d.Died()
			}
			d.start("sink.writing") // while it recovers
			d.produce(numbers(n, n+some, 2)...)
			n += some
			d.Died()
			d.settings["rotate.schedule.interval.ms"] = "200" // so that the last ones do not wait for others
			d.start("")
			d.objects("all numbers", func(o map[string]string) bool { return len(counted(t, o)) == n })
			d.Stop()
			got := content(t, d.client, d.bucket)
			onceEach(t, got, n)
			manifests(t, got)
			noUploads(t, d.client, d.bucket)
		})
	}
}

// manifests makes sure that the manifests of objects name each object once, with its rows.
func manifests(t *testing.T, objects map[string]string) {
	t.Helper()
	rows := map[string]int{}
	for key, text := range objects {
		if !strings.HasPrefix(key, "topics/_manifest/") {
			continue
		}
		for _, part := range strings.Split(text, `{"key":"`)[1:] {
			var name string
			var count int
			name, part, _ = strings.Cut(part, `"`)
			if _, err := fmt.Sscanf(part, `,"count":%d`, &count); err != nil {
				t.Fatalf("manifest %s: %v", text, err)
			}
			if _, twice := rows[name]; twice {
				t.Errorf("two manifests name %s", name)
			}
			rows[name] = count
		}
	}
	for key, text := range objects {
		if strings.HasPrefix(key, "topics/_manifest/") {
			continue
		}
		if got := strings.Count(text, "\n"); rows[key] != got {
			t.Errorf("the manifest of %s says %d rows, there are %d", key, rows[key], got)
		}
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("a manifest names %s, which is not there", key)
	}
}

// TestManyFolders writes into 500 folders at once, more than the memory that the worker may use.
func TestManyFolders(t *testing.T) {
	const folders, each, size = 500, 36, 4000
	d := newDaemon(t, 1, "flush.size", fmt.Sprint(folders*each), "partitioner.class", "field", "partition.field.name", "folder")
	filler := strings.Repeat("0123456789abcdef", size/16)
	for from := 0; from < folders*each; from += 3000 {
		var msgs []kafka.Message
		for n := from; n < from+3000; n++ {
			msgs = append(msgs, kafka.Message{Value: fmt.Appendf(nil, `{"n":%d,"folder":%d,"text":"%d%s"}`, n, n%folders, n, filler)})
		}
		d.produce(msgs...)
	}
	d.start("")
	d.count(folders)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var peak int
	if _, err := fmt.Sscanf(rest, "%d kB", &peak); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB written, %d MB of memory at most", folders*each*size>>20, peak>>10)
	// Most of it is what is fetched and decoded at full speed, see TestMemory.
	if limit := 220 << 10; peak > limit && !raceDetector { // which takes several times as much
		t.Errorf("the process used %d MB, want at most %d", peak>>10, limit>>10)
	}
	d.Stop()
	onceEach(t, content(t, d.client, d.bucket), folders*each)
}
