package s3

import (
	"encoding/json"
	"fmt"
	"strconv"

	"connectd/record"
)

// manifest names the objects of one flush, for readers that want to see all of them or none.
type manifest struct {
	Topic     string           `json:"topic"`
	Partition int32            `json:"partition"`
	Start     int64            `json:"start"` // first offset of the range
	End       int64            `json:"end"`   // offset after its last
	Intent    string           `json:"intent"`
	Objects   []manifestObject `json:"objects"`
}

type manifestObject struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
	Bytes int64  `json:"bytes"`
}

// manifest is the object that is written when all of objects are in the bucket.
func (w *writer) manifest(r record.Range, objects []*object) *object {
	m := manifest{Topic: r.Partition.Topic, Partition: r.Partition.ID, Start: r.Start, End: r.End, Intent: r.ID}
	rows := 0
	for _, o := range objects {
		m.Objects = append(m.Objects, manifestObject{o.key, o.rows, o.size})
		rows += o.rows
	}
	text, _ := json.Marshal(m) // texts and numbers
	body := &buffer{}
	_, _ = body.Write(text)
	d := w.sink.cfg.Delim
	key := w.keys.manifests() + r.Partition.Topic + d + strconv.Itoa(int(r.Partition.ID)) + d + fmt.Sprintf("%s-%s.json", w.keys.offset(r.Start), w.keys.offset(r.End))
	return &object{key: key, body: body, size: int64(len(text)), contentType: "application/json", first: r.Start, last: r.End - 1, rows: rows, r: r}
}
