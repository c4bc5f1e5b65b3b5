package compare

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Line is one line of the s3-sink with format.output.fields: key,value,partition,offset.
type Line struct {
	Key       any // an object, or the value of a key of one column
	Value     map[string]any
	Partition int32
	Offset    int64
}

// Lines reads all gzipped JSON lines below prefix, in the order of partition and offset.
func Lines(ctx context.Context, client *s3.Client, bucket, prefix string) ([]Line, error) {
	var lines []Line
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			body, err := object(ctx, client, bucket, *o.Key)
			if err != nil {
				return nil, fmt.Errorf("object %s: %w", *o.Key, err)
			}
			dec := json.NewDecoder(bytes.NewReader(body))
			dec.UseNumber()
			for {
				var l Line
				if err := dec.Decode(&l); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return nil, fmt.Errorf("object %s: %w", *o.Key, err)
				}
				lines = append(lines, l)
			}
		}
	}
	sort.SliceStable(lines, func(i, j int) bool {
		if lines[i].Partition != lines[j].Partition {
			return lines[i].Partition < lines[j].Partition
		}
		return lines[i].Offset < lines[j].Offset
	})
	return lines, nil
}

func object(ctx context.Context, client *s3.Client, bucket, key string) ([]byte, error) {
	res, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Replay makes rows of the lines of a topic: the last line of a key is its row, a null deletes
// it. A table without a key keeps every line.
func (t *Table) Replay(lines []Line) (Rows, error) {
	last := map[string]map[string]any{}
	for n, l := range lines {
		id := fmt.Sprint(n)
		if len(t.Key) > 0 {
			id = ""
			fields, isObject := l.Key.(map[string]any)
			for _, k := range t.Key {
				if isObject {
					id += fmt.Sprint(fields[k]) + "\x1f"
				} else {
					id += fmt.Sprint(l.Key) + "\x1f"
				}
			}
		}
		last[id] = l.Value
	}
	rows := Rows{}
	cells := make([]string, len(t.Columns))
	for _, value := range last {
		if value == nil {
			continue
		}
		for i, c := range t.Columns {
			var err error
			if cells[i], err = c.json(value[c.Name]); err != nil {
				return nil, fmt.Errorf("table %s, column %s: %w", t.Name, c.Name, err)
			}
		}
		if err := t.add(rows, cells); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// json is the column's text from a value of a line.
func (c Column) json(v any) (string, error) {
	if v == nil {
		return null, nil
	}
	s, isText := v.(string)
	switch {
	case c.Kind == Octets:
		b, err := base64.StdEncoding.DecodeString(s)
		return hex.EncodeToString(b), err
	case c.Kind == Document && !isText:
		b, err := json.Marshal(v)
		return string(b), err
	}
	return fmt.Sprint(v), nil
}
