package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"connectd/connect/task"
	"connectd/kafka"
)

// numbers are the values {"n":0,"text":"0"} … of a counter, without those that drop says.
func numbers(count int, drop func(n int) bool) []string {
	var all []string
	for n := range count {
		if drop == nil || !drop(n) {
			all = append(all, fmt.Sprintf(`{"n":%d,"text":"%d"}`, n, n))
		}
	}
	return all
}

func TestSourceWritesEverythingInOrder(t *testing.T) {
	eachKafka(t, testSourceWritesEverythingInOrder)
}

func testSourceWritesEverythingInOrder(t *testing.T, k kafka.Settings, prefix string) {
	up := &confirmations{}
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(up, nil), prefix+"counter", map[string]string{
		"connector.class": "org.example.CounterSourceConnector", "topic": prefix + "numbers", "count": "1000",
		"transforms": "few", "transforms.few.type": "picky", "transforms.few.drop": "7",
	}))
	stop := start(t, w)
	until(t, "all records", func() bool {
		s := w.Status()[0]
		return len(s.Tasks) == 1 && s.Tasks[0].Read == 1000
	})
	stop()

	var got []string
	for _, m := range readTopic(t, k, prefix+"numbers") {
		got = append(got, string(m.Value))
		if want := fmt.Sprintf(`{"n":%s}`, strings.Split(strings.Trim(string(m.Value), `{}`), ",")[0][len(`"n":`):]); string(m.Key) != want {
			t.Fatalf("key %s of value %s, want %s", m.Key, m.Value, want)
		}
	}
	if want := numbers(1000, func(n int) bool { return n%7 == 0 }); !slices.Equal(got, want) {
		t.Fatalf("%d records from %v, want %d", len(got), got[:min(3, len(got))], len(want))
	}
	s := w.Status()[0].Tasks[0]
	if s.Read != 1000 || s.Filtered != 143 || s.Written != 857 || s.Failed != 0 {
		t.Errorf("read %d, filtered %d, written %d, failed %d", s.Read, s.Filtered, s.Written, s.Failed)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if !slices.IsSorted(up.marks) || len(up.marks) == 0 || up.marks[len(up.marks)-1] != 1000 {
		t.Errorf("upstream was told %v, want rising numbers up to 1000", up.marks)
	}
}

func TestSourceGoesOnAfterFailure(t *testing.T) {
	for _, c := range []struct{ name, panic string }{{"error", "false"}, {"panic", "true"}} {
		t.Run(c.name, func(t *testing.T) {
			k := testKafka(t)
			w := testWorker(t, k)
			w.Add(load(t, testPlugins(&confirmations{}, nil), "numbers", map[string]string{
				"connector.class": "counter-source", "topic": "numbers", "count": "500",
				"fail.at": "255", "panic": c.panic, "restart.backoff.ms": "1",
			}))
			stop := start(t, w)
			until(t, "all records", func() bool {
				s := w.Status()[0]
				return len(s.Tasks) == 1 && s.Tasks[0].Restarts == 1 && s.Tasks[0].Read == 500
			})
			stop()
			var got []string
			for _, m := range readTopic(t, k, "numbers") {
				got = append(got, string(m.Value))
			}
			// The batch that was being filled is read again; what was sent before is carried on.
			if want := numbers(500, nil); !slices.Equal(got, want) {
				t.Fatalf("%d records, want %d", len(got), len(want))
			}
		})
	}
}

func TestSourceOffsetsAreKafkaConnects(t *testing.T) {
	k := testKafka(t)
	w := testWorker(t, k)
	w.Add(load(t, testPlugins(nil, nil), "shop \"1\" <a>", map[string]string{
		"connector.class": "counter-source", "topic": "numbers", "count": "20",
	}))
	stop := start(t, w)
	until(t, "all records", func() bool { s := w.Status()[0]; return len(s.Tasks) == 1 && s.Tasks[0].Written == 20 })
	stop()
	msgs := readTopic(t, k, "connect-offsets")
	last := msgs[len(msgs)-1]
	if got, want := string(last.Key), `["shop \"1\" <a>",{"counter":"a"}]`; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
	if got, want := string(last.Value), `{"n":20}`; got != want {
		t.Errorf("value %s, want %s", got, want)
	}
}

func TestSourceFailedRecord(t *testing.T) {
	settings := func(more ...string) map[string]string {
		m := map[string]string{
			"connector.class": "counter-source", "topic": "numbers", "count": "30",
			"transforms": "few", "transforms.few.type": "picky", "transforms.few.fail": "17",
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	t.Run("stops", func(t *testing.T) {
		w := testWorker(t, testKafka(t))
		w.Add(load(t, testPlugins(nil, nil), "numbers", settings()))
		start(t, w)
		until(t, "the failure", func() bool { s := w.Status()[0]; return len(s.Tasks) == 1 && s.Tasks[0].State == task.Failed })
		want := `record with key "{\"n\":17}" of topic "numbers": transform "few": too picky`
		if got := w.Status()[0].Tasks[0].Cause.Error(); got != want {
			t.Errorf("cause %s\nwant  %s", got, want)
		}
	})
	t.Run("left out", func(t *testing.T) {
		k := testKafka(t)
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, nil), "numbers", settings("errors.tolerance", "all", "bad.at", "3")))
		start(t, w)
		until(t, "all records", func() bool { s := w.Status()[0]; return len(s.Tasks) == 1 && s.Tasks[0].Read == 30 })
		if s := w.Status()[0].Tasks[0]; s.Failed != 2 || s.Written != 28 {
			t.Errorf("failed %d, written %d; want 2 and 28", s.Failed, s.Written)
		}
		if n := len(readTopic(t, k, "numbers")); n != 28 {
			t.Errorf("%d records, want 28", n)
		}
	})
	t.Run("dead letter", func(t *testing.T) {
		k := testKafka(t)
		w := testWorker(t, k)
		w.Add(load(t, testPlugins(nil, nil), "numbers", settings("errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead")))
		start(t, w)
		until(t, "all records", func() bool { s := w.Status()[0]; return len(s.Tasks) == 1 && s.Tasks[0].Read == 30 })
		dead := readTopic(t, k, "dead")
		if len(dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(dead))
		}
		var got []string
		for _, h := range dead[0].Headers {
			got = append(got, h.Name+"="+strconv.Quote(string(h.Value)))
		}
		want := []string{
			`__connect.errors.topic="numbers"`,
			`__connect.errors.connector.name="numbers"`,
			`__connect.errors.task.id="0"`,
			`__connect.errors.stage="TRANSFORMATION"`,
			`__connect.errors.class.name="picky"`,
			`__connect.errors.exception.class.name="*errors.errorString"`,
			`__connect.errors.exception.message="transform \"few\": too picky"`,
			`__connect.errors.exception.stacktrace="transform \"few\": too picky\ncaused by: too picky"`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("headers\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if string(dead[0].Key) != `{"n":17}` || string(dead[0].Value) != `{"n":17,"text":"17"}` {
			t.Errorf("dead letter %s %s", dead[0].Key, dead[0].Value)
		}
	})
}
