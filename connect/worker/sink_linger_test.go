package worker

import "testing"

// TestFlushAtLogsEnd sees that a sink does not wait for its own linger.ms when Kafka has nothing
// more for what is worth a flush, and does wait for one that somebody has written.
func TestFlushAtLogsEnd(t *testing.T) {
	k := testKafka(t)
	fill(t, k, "enough", 1, 0, 150)
	fill(t, k, "little", 1, 0, 90)
	fill(t, k, "patient", 1, 0, 150)
	stores := map[string]*memory{}
	w := testWorker(t, k)
	for topic, more := range map[string][]string{"enough": nil, "little": nil, "patient": {"linger.ms", "3600000"}} {
		settings := map[string]string{"connector.class": "memory-sink", "topics": topic, "flush.rows": "800", "flush.linger.ms": "3600000"}
		for i := 0; i < len(more); i += 2 {
			settings[more[i]] = more[i+1]
		}
		stores[topic] = newMemory()
		w.Add(load(t, testPlugins(nil, stores[topic]), topic, settings))
	}
	stop := start(t, w)
	until(t, "an eighth of a batch", func() bool { return stores["enough"].count() == 150 })
	if n := stores["little"].count(); n > 0 {
		t.Errorf("%d rows are flushed before an eighth of a batch is there", n)
	}
	fill(t, k, "little", 1, 90, 120)
	until(t, "what makes an eighth of a batch", func() bool { return stores["little"].count() == 120 })
	if n := stores["patient"].count(); n > 0 {
		t.Errorf("%d rows are flushed before linger.ms is over", n)
	}
	stop()
	if n := stores["patient"].count(); n != 150 {
		t.Errorf("%d rows after the end, want 150", n)
	}
}
