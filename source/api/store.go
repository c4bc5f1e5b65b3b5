package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"connectd/connect"
	"connectd/record"
)

// store is what the passes before have sent, key by key, so that a pass over the whole list finds
// what is new, what has changed and what is gone. It is kept in shards, each a source offset of
// its own, because one offset has to fit into one record of the offsets topic.
type store struct {
	name   string
	shards [shards]shard
	met    map[string]uint64 // of this pass
	key    []byte
}

// shard maps keys, as JSON, to what was sent of them.
type shard struct {
	keys    map[string]sent
	changed bool
}

// sent is the hash of a content, and whether the last pass has missed its key.
type sent struct {
	content uint64
	missing bool
}

// missingMark follows the hash of a key in the state that the last pass has missed.
const missingMark = "?"

const (
	shards    = 64
	shardSize = 900 << 10 // Kafka's usual limit for a record is 1 MB
)

// loadStore reads the shards of an endpoint among the stored offsets.
func loadStore(name string, offsets map[string][]byte) (*store, error) {
	s := &store{name: name}
	for i := range s.shards {
		s.shards[i].keys = map[string]sent{}
		offset := offsets[string(shardPartition(name, i))]
		if offset == nil {
			continue
		}
		var stored struct {
			Keys map[string]string `json:"keys"`
		}
		if err := json.Unmarshal(offset, &stored); err != nil {
			return nil, fmt.Errorf("read shard %d of the keys that were sent: %w; delete the connector's offsets to send everything again", i, err)
		}
		for key, text := range stored.Keys {
			text, missing := strings.CutSuffix(text, missingMark)
			content, err := strconv.ParseUint(text, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("read shard %d of the keys that were sent: %w", i, err)
			}
			s.shards[i].keys[key] = sent{content, missing}
		}
	}
	return s, nil
}

func shardPartition(name string, i int) []byte {
	p := partition(name)
	return fmt.Appendf(p[:len(p)-1], `,"keys":%d}`, i)
}

// begin starts a pass.
func (s *store) begin() { s.met = map[string]uint64{} }

// meet says whether the element that x has found is new or changed.
func (s *store) meet(x *extraction) (news bool, err error) {
	s.key = s.key[:0]
	for i, part := range x.parts[keyParts:] {
		if part == nil || string(part) == "null" {
			return false, fmt.Errorf("the record has no key at %s", x.names[keyParts+i])
		}
		s.key = append(append(s.key, part...), '\n') // which no JSON value holds when it is a scalar
	}
	content := digest(x.parts[valuePart])
	before, known := s.met[string(s.key)]
	if !known {
		var last sent
		last, known = s.shard(s.key).keys[string(s.key)]
		before = last.content
	}
	s.met[string(s.key)] = content
	return !known || before != content, nil
}

func (s *store) shard(key []byte) *shard { return &s.shards[digest(key)%shards] }

// size is how many keys there are in this pass.
func (s *store) size() int { return len(s.met) }

// end makes what this pass has met the state, and calls gone for the keys that are gone. A key of
// a list that came in one piece is gone when it is missing; one of a list in pages only when the
// pass before has missed it too, because a record may move over the edge of a page between two
// requests and be on neither.
func (s *store) end(onePiece bool, gone func(key string) error) error {
	for i := range s.shards {
		sh := &s.shards[i]
		for _, key := range slices.Sorted(maps.Keys(sh.keys)) {
			if _, met := s.met[key]; met {
				continue
			}
			sh.changed = true
			if last := sh.keys[key]; !onePiece && !last.missing {
				sh.keys[key] = sent{last.content, true}
				continue
			}
			if err := gone(key); err != nil {
				return err
			}
			delete(sh.keys, key)
		}
	}
	for key, content := range s.met {
		sh := s.shard([]byte(key))
		if last, known := sh.keys[key]; !known || last != (sent{content: content}) {
			sh.keys[key] = sent{content: content}
			sh.changed = true
		}
	}
	s.met = nil
	return nil
}

// stamp appends the shards that have changed to the offsets of b.
func (s *store) stamp(b *record.Batch) error {
	for i := range s.shards {
		sh := &s.shards[i]
		if !sh.changed {
			continue
		}
		sh.changed = false
		stored := map[string]map[string]string{"keys": {}}
		for key, last := range sh.keys {
			text := strconv.FormatUint(last.content, 16)
			if last.missing {
				text += missingMark
			}
			stored["keys"][key] = text
		}
		text, err := json.Marshal(stored)
		if err != nil {
			return err
		}
		if len(text) > shardSize {
			return connect.Permanent(fmt.Errorf("the keys that were sent need %d bytes in one of %d shards, more than a record of the offsets topic holds; use a cursor, or http.refresh.mode: all", len(text), shards))
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{Partition: shardPartition(s.name, i), Offset: b.Copy(text)})
	}
	return nil
}

// gone sends a tombstone for each key that this pass has not met, and the state of the keys with
// the last of them.
func (p *poller) gone(ctx context.Context) error {
	if p.store.size() > p.e.MaxKeys {
		return connect.Permanent(fmt.Errorf("the list has %d keys, more than http.refresh.max.keys; raise it, use a cursor, or write http.refresh.mode: all", p.store.size()))
	}
	err := p.store.end(p.e.Paging == "none", func(key string) error {
		if p.e.Compare != "deletes" {
			return nil
		}
		b, err := p.room(ctx)
		if err != nil {
			return err
		}
		parts := bytes.Split([]byte(key), []byte("\n"))
		copy(p.extract.parts[keyParts:], parts)
		r := b.Add()
		r.Topic = p.topic
		return p.extract.fillKey(b, r)
	})
	if err != nil {
		return err
	}
	if p.batch == nil && !p.store.dirty() {
		return nil
	}
	b, err := p.room(ctx)
	if err != nil {
		return err
	}
	p.state.Pass.News = true
	return p.store.stamp(b)
}

// dirty says whether a shard has changed.
func (s *store) dirty() bool {
	return slices.ContainsFunc(s.shards[:], func(sh shard) bool { return sh.changed })
}
