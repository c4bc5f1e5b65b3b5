package postgres

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestTransactions reads transactions with stops inside of them. The topic must say each begin and
// end once, the blocks must be numbered without a gap, and the ends must say how many there were.
func TestTransactions(t *testing.T) {
	t.Parallel()
	t.Run("whole", func(t *testing.T) { t.Parallel(); testTransactions(t, 30, 4, math.MaxInt64, false) })
	t.Run("by SQL", func(t *testing.T) { t.Parallel(); testTransactions(t, 30, 4, 1, false) })
	t.Run("in blocks", func(t *testing.T) { t.Parallel(); testTransactions(t, 2000, 300, math.MaxInt64, true) })
}

// testTransactions has so many rows in each transaction and records in each batch. A backlog of so
// much WAL is read by SQL.
func testTransactions(t *testing.T, rows, batch int, backlogFrom LSN, blocks bool) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, v text)", "CREATE TABLE b (id int PRIMARY KEY)", "CREATE TABLE other (id int)").publish(t, "a, b, other")
	if blocks {
		d.streamsSoon(t)
	}
	begin := func(offset []byte) *reading {
		return d.startBehind(t, backlogFrom, 1<<30, offset, "table.include.list", "public.a,public.b", "max.batch.size", fmt.Sprint(batch),
			"provide.transaction.metadata", "true", "topic.transaction", "tx")
	}
	r := begin(nil).streaming()
	d.exec(t, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..6 LOOP
		INSERT INTO a SELECT 10000 * i + g, repeat('x', 50) FROM generate_series(1, %d) g;
		INSERT INTO b VALUES (i); INSERT INTO other VALUES (i);
		UPDATE a SET id = -id WHERE id = 10000 * i + 1; -- a delete and an insert
		DELETE FROM a WHERE id = 10000 * i + 2;         -- and a tombstone, which does not count
		COMMIT; END LOOP; END $$`, rows))
	events := int64(rows + 1 + 2 + 1)
	var all []sentRecord
	ended := 0
	for {
		seen := 0
		r.until("some records", func() bool {
			for ; seen < len(r.records); seen++ {
				if strings.Contains(r.records[seen].value, `"status":"END"`) {
					ended++
				}
			}
			return seen > 2*batch || ended == 6
		})
		if ended == 6 {
			break
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for ; seen < len(r.records); seen++ {
			if strings.Contains(r.records[seen].value, `"status":"END"`) {
				ended++
			}
		}
		all = append(all, r.records...)
		r = begin(r.offset)
	}
	all = append(all, r.records...)
	if blocks && d.blocks(t) == "0" {
		t.Error("the server has sent no transaction in blocks")
	}
	type block struct {
		ID     string
		Status string
		Total  int64 `json:"total_order"`
		Order  int64 `json:"data_collection_order"`
		Count  int64 `json:"event_count"`
		Tables []struct {
			Name  string `json:"data_collection"`
			Count int64  `json:"event_count"`
		} `json:"data_collections"`
	}
	var total int64
	var open string
	order := map[string]int64{}
	for _, rec := range all {
		if rec.value == "" {
			continue
		}
		var b block
		text := []byte(rec.value)
		if rec.topic != "production.tx" {
			text = member(fieldsOf(t, text), "transaction")
		}
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", rec.value, err)
		}
		id, _, _ := strings.Cut(b.ID, ":")
		switch {
		case b.Status == "BEGIN":
			if open != "" || rec.key != `{"id":"`+b.ID+`"}` {
				t.Errorf("transaction %s begins inside of %q, with key %s", id, open, rec.key)
			}
			open, total = id, 0
			clear(order)
		case id != open:
			t.Errorf("a record of transaction %s inside of %q", id, open)
		case b.Status == "END":
			if b.Count != events || len(b.Tables) != 2 || b.Tables[0].Name != "public.a" || b.Tables[0].Count != events-1 || b.Tables[1].Count != 1 {
				t.Errorf("end: %s", rec.value)
			}
			open = ""
		default:
			total++
			order[rec.topic]++
			if b.Total != total || b.Order != order[rec.topic] {
				t.Errorf("change %d of the transaction, %d of %s, has the block %s", total, order[rec.topic], rec.topic, text)
			}
		}
	}
}

// TestCounts is the offset of Debezium inside of a transaction, and back.
func TestCounts(t *testing.T) {
	const debezium = `{"transaction_id":"776","lsn_proc":30,"lsn_commit":20,"lsn":30,"txId":776,"transaction_data_collection_order_public.o":3,"transaction_data_collection_order_s.\"x\"":1}`
	p, err := parsePosition([]byte(debezium))
	if err != nil || len(p.counts) != 2 || p.counts[0] != (tableCount{"public.o", 3}) || p.counts[1] != (tableCount{`s."x"`, 1}) {
		t.Fatalf("got %+v, %v", p.counts, err)
	}
	p.txEnd = 99
	want := `{"lsn":30,"lsn_proc":30,"lsn_commit":20,"txId":776,"connectd_tx_lsn":99,"connectd_tx_events":0,"transaction_id":"776","transaction_data_collection_order_public.o":3,"transaction_data_collection_order_s.\"x\"":1}`
	if got := string(p.append(nil)); got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := parsePosition([]byte(`{"lsn":1,"transaction_data_collection_order_a":"x"}`)); err == nil {
		t.Error("a count that is no number: no error")
	}
}

// TestOrigin replicates a transaction in the name of another server.
func TestOrigin(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY)").publish(t, "a")
	defer d.exec(t, "SELECT pg_replication_origin_drop('"+d.name+"')")
	r := start(t, d.config(t, "table.include.list", "public.a", "snapshot.mode", "no_data", "xmin.fetch.interval.ms", "1"), nil).streaming()
	d.exec(t, "SELECT pg_replication_origin_create('"+d.name+"')", "SELECT pg_replication_origin_session_setup('"+d.name+`');
		BEGIN; SELECT pg_replication_origin_xact_setup('0/1234', now()); INSERT INTO a VALUES (1); COMMIT`)
	d.exec(t, "INSERT INTO a VALUES (2)")
	r.next(2)
	if v := r.records[0].value; !strings.Contains(v, `"origin":"`+d.name+`","origin_lsn":4660}`) {
		t.Errorf("replicated: %s", v)
	}
	if v := r.records[1].value; !strings.Contains(v, `"origin":null,"origin_lsn":null}`) || strings.Contains(v, `"xmin":null`) {
		t.Errorf("not replicated: %s", v)
	}
}
