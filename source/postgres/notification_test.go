package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told are the notifications among records in short.
func told(t *testing.T, records []sentRecord) []string {
	t.Helper()
	var short []string
	for _, r := range records {
		if r.topic != "told" {
			continue
		}
		var n struct {
			ID        string
			Aggregate string            `json:"aggregate_type"`
			Type      string            `json:"type"`
			Data      map[string]string `json:"additional_data"`
			Timestamp int64
		}
		if err := json.Unmarshal([]byte(r.value), &n); err != nil {
			t.Fatal(err)
		}
		if n.ID == "" || n.Timestamp == 0 || n.Data["connector_name"] != "production" || r.key != fmt.Sprintf(`{"id":%q}`, n.ID) {
			t.Errorf("got %s with key %s", r.value, r.key)
		}
		delete(n.Data, "connector_name")
		data, _ := json.Marshal(n.Data)
		short = append(short, strings.Fields(n.Aggregate)[0]+" "+n.Type+" "+string(data))
	}
	return short
}

func TestNotifications(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2), (3)").publish(t, "a, b")
	c := d.config(t, "table.include.list", "public.*", "notification.enabled.channels", "sink", "notification.sink.topic.name", "told", "incremental.snapshot.chunk.size", "2")
	r := start(t, c, nil).streaming()
	want := []string{
		`Initial STARTED {"data_collections":"public.a,public.b"}`,
		`Initial IN_PROGRESS {"current_collection_in_progress":"public.a","data_collections":"public.a,public.b"}`,
		`Initial TABLE_SCAN_COMPLETED {"data_collections":"public.a,public.b","scanned_collection":"public.a","status":"SUCCEEDED","total_rows_scanned":"3"}`,
		`Initial IN_PROGRESS {"current_collection_in_progress":"public.b","data_collections":"public.a,public.b"}`,
		`Initial TABLE_SCAN_COMPLETED {"data_collections":"public.a,public.b","scanned_collection":"public.b","status":"EMPTY","total_rows_scanned":"0"}`,
		`Initial COMPLETED {}`,
	}
	if got := told(t, r.records); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	from := len(r.records)
	r.must("execute-snapshot", `{"data-collections":["public.a"]}`)
	r.until("the end", func() bool {
		n := told(t, r.records[from:])
		return len(n) > 0 && strings.Contains(n[len(n)-1], " COMPLETED")
	})
	want = []string{
		`Incremental STARTED {"data_collections":"public.a"}`,
		`Incremental IN_PROGRESS {"current_collection_in_progress":"public.a","data_collections":"public.a","last_processed_key":"2","maximum_key":"3"}`,
		`Incremental TABLE_SCAN_COMPLETED {"data_collections":"public.a","scanned_collection":"public.a","status":"SUCCEEDED","total_rows_scanned":"3"}`,
		`Incremental COMPLETED {}`,
	}
	if got := told(t, r.records[from:]); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c, r.offset)
	r.until("a skipped snapshot", func() bool { return len(told(t, r.records)) > 0 })
	if got := told(t, r.records); !slices.Equal(got, []string{"Initial SKIPPED {}"}) {
		t.Errorf("got %v", got)
	}
}
