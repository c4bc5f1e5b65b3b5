package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
)

// demand is what was asked of the connector and is not done yet, and up to where its channels
// are read. It is stored with each position, so that a signal is neither lost nor done twice.
type demand struct {
	Paused   bool          `json:"paused,omitempty"`
	Tables   []demanded    `json:"tables,omitempty"`   // incremental snapshots; the first is under way
	Blocking []blockingJob `json:"blocking,omitempty"` // the first is under way
	Kafka    *topicMark    `json:"kafka,omitempty"`
	File     *fileMark     `json:"file,omitempty"`
}

// demanded is a table that an incremental snapshot reads.
type demanded struct {
	ID        string     `json:"id"` // of the signal
	Schema    string     `json:"schema"`
	Table     string     `json:"table"`
	Filter    string     `json:"filter,omitempty"`
	Surrogate string     `json:"surrogate_key,omitempty"`
	Joined    bool       `json:"joined,omitempty"` // it joined the captured tables: its old writers have to end first
	Key       []string   `json:"key,omitempty"`    // columns by which it is read, as identifiers
	After     []string   `json:"after,omitempty"`  // key of the last row that is done
	Max       []string   `json:"max,omitempty"`    // greatest key when it began
	Owed      [][]string `json:"owed,omitempty"`   // keys of rows to read again, see window.saw
	Rest      bool       `json:"rest,omitempty"`   // all is read but what is owed
	Rows      int64      `json:"rows,omitempty"`   // read so far
	Began     bool       `json:"began,omitempty"`  // its greatest key is known
}

// blockingJob is one blocking snapshot.
type blockingJob struct {
	ID     string          `json:"id"`
	Tables []blockingTable `json:"tables"`
	State  string          `json:"state,omitempty"` // what is read, see snapshotState
}

// blockingTable is a table of a blocking snapshot.
type blockingTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Select string `json:"select,omitempty"` // instead of all rows
}

// topicMark is up to where the signal topic is done.
type topicMark struct {
	Topic string `json:"topic"`
	Next  int64  `json:"next"`
}

// fileMark is up to where the signal file is done. A file that begins otherwise is a new one.
type fileMark struct {
	Bytes int64  `json:"bytes"`
	Hash  string `json:"hash"` // of those bytes
}

func (t *demanded) name() name      { return name{t.Schema, t.Table} }
func (t *demanded) String() string  { return t.name().String() }
func (t *blockingTable) name() name { return name{t.Schema, t.Table} }

// demandKey is our key in a stored offset. Debezium's own, beside it, let a Debezium that takes
// over begin the tables again: its positions within a table are serialised Java objects.
const (
	demandKey      = "connectd_snapshots"
	collectionsKey = "incremental_snapshot_collections"
)

// debeziumTable is an entry of Debezium's list of tables.
type debeziumTable struct {
	ID        string `json:"incremental_snapshot_collections_id"`
	Condition string `json:"incremental_snapshot_collections_additional_condition"`
	Surrogate string `json:"incremental_snapshot_collections_surrogate_key,omitempty"`
}

// parseDemand reads what append has written into a stored offset, or Debezium.
func parseDemand(offset []byte) (*demand, error) {
	var stored struct {
		Ours        *demand `json:"connectd_snapshots"`
		Collections string  `json:"incremental_snapshot_collections"`
		ID          string  `json:"incremental_snapshot_correlation_id"`
		Key         string  `json:"incremental_snapshot_primary_key"`
		Maximum     string  `json:"incremental_snapshot_maximum_key"`
	}
	if len(offset) == 0 {
		return &demand{}, nil
	}
	if err := json.Unmarshal(offset, &stored); err != nil {
		return nil, fmt.Errorf("read the snapshots of the stored offset %s: %w", offset, err)
	}
	if stored.Ours != nil {
		return stored.Ours, nil
	}
	d := &demand{}
	if stored.Collections == "" {
		return d, nil
	}
	var list []debeziumTable
	if err := json.Unmarshal([]byte(stored.Collections), &list); err != nil {
		return nil, fmt.Errorf("read %s of the stored offset: %w", collectionsKey, err)
	}
	for _, entry := range list {
		n, err := parseName(entry.ID)
		if err != nil {
			continue // no table of PostgreSQL
		}
		d.Tables = append(d.Tables, demanded{ID: stored.ID, Schema: n.schema, Table: n.table, Filter: entry.Condition, Surrogate: entry.Surrogate})
	}
	if len(d.Tables) > 0 {
		d.Tables[0].resume(stored.Key, stored.Maximum)
	}
	return d, nil
}

// resume goes on where Debezium was, if its keys can be read; otherwise the table is read from
// its beginning.
func (t *demanded) resume(key, maximum string) {
	most, ok := parseJavaKey(maximum)
	if !ok {
		return
	}
	t.Max, t.Began = most, true
	if after, ok := parseJavaKey(key); ok && len(after) == len(most) {
		t.After = after
	}
}

// where says how far the table is.
func (t *demanded) where() string {
	if len(t.After) == 0 {
		return "from the table's first row"
	}
	return "behind the key " + strings.Join(t.After, ", ")
}

// again makes blocking snapshots begin again: their rows were read on a server that may have had
// more than this one.
func (d *demand) again() {
	for i := range d.Blocking {
		d.Blocking[i].State = ""
	}
}

// empty says whether there is nothing to store.
func (d *demand) empty() bool {
	return !d.Paused && len(d.Tables) == 0 && len(d.Blocking) == 0 && d.Kafka == nil && d.File == nil
}

// append appends the keys of a stored offset, each with a comma in front.
func (d *demand) append(dst []byte) []byte {
	if d.empty() {
		return dst
	}
	ours, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	dst = append(append(dst, `,"`+demandKey+`":`...), ours...)
	if len(d.Tables) == 0 {
		return dst
	}
	list := make([]debeziumTable, len(d.Tables))
	for i, t := range d.Tables {
		list[i] = debeziumTable{ID: t.String(), Condition: t.Filter, Surrogate: t.Surrogate}
	}
	inner, _ := json.Marshal(list)
	text, _ := json.Marshal(string(inner))
	return append(append(dst, `,"`+collectionsKey+`":`...), text...)
}
