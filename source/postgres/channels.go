package postgres

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"connectd/connect"
)

// maxSignal bounds one line of the signal file.
const maxSignal = 1 << 20

// listen starts the channels that are enabled beside the signal table and REST. Their goroutines
// end with ctx; close waits for them.
func (g *signals) listen(ctx context.Context) {
	c := g.st.source.config
	g.channels.Go(func() { g.watchTables(ctx) })
	if slices.Contains(c.SignalChannels, "file") {
		g.channels.Go(func() { g.readFile(ctx, g.demand.File) })
	}
	if slices.Contains(c.SignalChannels, "kafka") {
		g.channels.Go(func() { g.readTopic(ctx, g.demand.Kafka) })
	}
}

// hand hands a to the stream.
func (g *signals) hand(ctx context.Context, a asked) error {
	select {
	case g.st.source.inbox <- a:
		g.wake()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readFile looks at the signal file again and again, from where it is done on.
func (g *signals) readFile(ctx context.Context, done *fileMark) {
	path := g.st.source.config.SignalFile
	var told string
	for ctx.Err() == nil {
		lines, next, err := newLines(path, done)
		if err != nil && err.Error() != told {
			told = err.Error()
			g.log.Warn("reading the signal file again", "file", path, "in", g.st.source.config.SignalPoll, "err", err)
		}
		for i, line := range lines {
			mark := next[i]
			a := asked{mark: func(d *demand) { d.File = mark }}
			a.signal, a.broken = parseSignal(line, "file")
			if g.hand(ctx, a) != nil {
				return
			}
			done = mark
		}
		if pause(ctx, g.st.source.config.SignalPoll) != nil {
			return
		}
	}
}

// newLines are the whole lines of the file behind done, each with the mark that says that it is
// done too. A file that does not begin as the one before did is read from its beginning.
func newLines(path string, done *fileMark) (lines [][]byte, marks []*fileMark, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	hash := fnv.New128a()
	var from int64
	if done != nil {
		n, err := io.CopyN(hash, f, done.Bytes)
		if err != nil && err != io.EOF {
			return nil, nil, err
		}
		if from = n; n < done.Bytes || hex.EncodeToString(hash.Sum(nil)) != done.Hash {
			from = 0
			hash.Reset()
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return nil, nil, err
			}
		}
	}
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return lines, marks, nil // what has no end yet is still being written
		}
		if err != nil {
			return lines, marks, err
		}
		if len(line) > maxSignal {
			return lines, marks, fmt.Errorf("a line has %d bytes, want %d at most", len(line), maxSignal)
		}
		from += int64(len(line))
		_, _ = hash.Write(line) // never fails
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		lines = append(lines, line)
		marks = append(marks, &fileMark{Bytes: from, Hash: hex.EncodeToString(hash.Sum(nil))})
	}
}

// readTopic reads the signal topic from where it is done on. Where it begins when it was never
// read before is stored at once: signals that are written from then on are not missed.
func (g *signals) readTopic(ctx context.Context, done *topicMark) {
	s := g.st.source
	topic := s.config.signalTopic()
	from := connect.TopicRead{Topic: topic, Group: s.config.SignalGroup, Next: -1, Properties: maps.Clone(s.config.SignalConsumer)}
	if from.Properties == nil {
		from.Properties = map[string]string{}
	}
	if s.config.SignalBrokers != "" {
		from.Properties["bootstrap.servers"] = s.config.SignalBrokers
	}
	if done != nil && done.Topic == topic {
		from.Next = done.Next
	}
	mark := func(next int64) func(*demand) {
		from.Next = next
		return func(d *demand) { d.Kafka = &topicMark{Topic: topic, Next: next} }
	}
	began := func(next int64) error { return g.hand(ctx, asked{mark: mark(next)}) }
	each := func(offset int64, key, value []byte) error {
		if string(key) != s.config.Prefix || len(value) == 0 {
			return nil // somebody else's
		}
		a := asked{mark: mark(offset + 1)}
		a.signal, a.broken = parseSignal(value, "kafka")
		return g.hand(ctx, a)
	}
	for {
		err := s.env.ReadTopic(ctx, from, began, each)
		if ctx.Err() != nil {
			return
		}
		g.log.Warn("reading the signal topic again", "topic", topic, "in", s.config.SignalPoll, "err", err)
		if pause(ctx, max(s.config.SignalPoll, time.Second)) != nil {
			return
		}
	}
}
