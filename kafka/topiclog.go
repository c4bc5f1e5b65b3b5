package kafka

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicLog is a topic as a producer sees it. Its methods need Producer.mu.
type topicLog struct {
	p          *Producer
	name       string
	id         [16]byte        // as brokers that know topics by it want it
	partitions []*partitionLog // none until the topic is known
	led        []*partitionLog // those that have a leader
	choose     kgo.TopicPartitioner
	asked      kgo.Record // what choose is asked about: a key
	waiting    []early    // records that came before the partitions were known
	unknown    time.Time  // since when the brokers do not know the topic; zero: they do
}

// early is a record that waits for its topic to be known.
type early struct {
	call    *call
	message Message
	at      time.Time
}

func newTopicLog(p *Producer, name string) *topicLog {
	return &topicLog{p: p, name: name, choose: newPartitioner(name)}
}

// keep holds m back until the topic is known.
func (t *topicLog) keep(c *call, m *Message, now time.Time) {
	c.left.Add(1)
	own := *m
	own.Headers = slices.Clone(m.Headers)
	own.detach(make([]byte, 0, m.size()))
	t.waiting = append(t.waiting, early{c, own, now})
	t.p.buffered += own.size()
}

// release sends on what was held back, and returns the calls that waited for it.
func (t *topicLog) release() (waited []*call) {
	for i := range t.waiting {
		w := &t.waiting[i]
		t.p.buffered -= w.message.size()
		t.add(w.call, &w.message, w.at)
		waited = append(waited, w.call)
	}
	t.waiting = nil
	return waited
}

// add takes m to the partition that it names or that its key chooses. Without either any partition
// will do, so that those without a leader are passed over.
func (t *topicLog) add(c *call, m *Message, now time.Time) {
	n := len(t.partitions)
	if int(m.Partition) >= n {
		t.p.fail(t.p.undelivered(place(t.name, m.Partition, len(m.Key), len(m.Value)), passing("the topic has %d partitions", n)))
		return
	}
	if m.Partition >= 0 {
		t.partitions[m.Partition].add(c, m, now)
		return
	}
	t.asked.Key = m.Key
	if m.Key != nil {
		t.partitions[t.choose.Partition(&t.asked, n)].add(c, m, now)
		return
	}
	any := t.partitions
	if len(t.led) > 0 {
		any = t.led
	}
	l := any[t.choose.Partition(&t.asked, len(any))]
	if !l.hasRoom(m) {
		t.choose.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
		l = any[t.choose.Partition(&t.asked, len(any))]
	}
	l.add(c, m, now)
}

// drain forgets all records, and returns the calls that wait for them.
func (t *topicLog) drain() (calls []*call) {
	for _, w := range t.waiting {
		calls = append(calls, w.call)
	}
	t.waiting = nil
	for _, l := range t.partitions {
		if l.first != nil {
			l.queue = slices.Insert(l.queue, 0, l.first)
		}
		for _, b := range l.queue {
			for _, s := range b.calls {
				calls = append(calls, s.call)
			}
		}
		l.first, l.queue = nil, nil
	}
	return calls
}

// partitionLog is the records of one partition that are not acknowledged: the batch that is on its
// way, and those behind it. One at a time is on its way, so that a batch that is sent again can
// not come after a later one.
type partitionLog struct {
	topic    *topicLog
	id       int32
	epoch    int32     // of the leader
	leader   *sender   // nil: nobody leads it now
	listed   bool      // leader knows that there is something to send
	first    *batch    // sent, and perhaps to be sent again
	onWire   bool      // first is
	retry    time.Time // first is not sent again before
	queue    []*batch  // the last one takes records while it has room
	sequence int32     // of the next record to be sent
	enrolled int       // the transaction that knows of the partition
}

// hasRoom says whether m would share a batch with others.
func (l *partitionLog) hasRoom(m *Message) bool {
	n := len(l.queue)
	return n > 0 && l.queue[n-1].size()+maxRecordSize(m) <= int(l.topic.p.limits.MaxRequest)
}

// maxRecordSize is more than the record of m takes, wherever it is in its batch.
func maxRecordSize(m *Message) int {
	const overhead = 40 // sizes, differences and counts
	n := overhead + len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += len(m.Headers[i].Name) + len(m.Headers[i].Value) + 10
	}
	return n
}

// add appends m to the newest batch, or begins one.
func (l *partitionLog) add(c *call, m *Message, now time.Time) {
	p := l.topic.p
	if !l.hasRoom(m) {
		b := p.batches.Get().(*batch)
		b.begin(p.buffers.Get().(*[]byte), now)
		l.queue = append(l.queue, b)
		l.enlist() // with the first of a batch: the sender waits for p.mu
	}
	b := l.queue[len(l.queue)-1]
	before := b.size()
	b.add(m, m.timestamp(now))
	b.owe(c)
	p.buffered += b.size() - before
	if b.size() > int(p.limits.MaxRequest) {
		p.fail(p.undelivered(place(l.topic.name, l.id, len(m.Key), len(m.Value)), kerr.MessageTooLarge))
	}
}

// enlist tells the leader that there is something to send.
func (l *partitionLog) enlist() {
	if s := l.leader; s != nil {
		if !l.listed && !l.onWire {
			l.listed = true
			s.listed = append(s.listed, l)
		}
		s.stir()
	}
}

// lead makes s the leader, nil for none.
func (l *partitionLog) lead(s *sender) {
	if l.leader == s {
		return
	}
	if l.listed {
		l.listed = false
		l.leader.listed = slices.DeleteFunc(l.leader.listed, func(other *partitionLog) bool { return other == l })
	}
	l.leader = s
	if l.first != nil || len(l.queue) > 0 {
		l.retry = time.Time{}
		l.enlist()
	}
}

// next is the batch that is to be sent, or how long to wait for it; neither when there is none.
func (l *partitionLog) next(now time.Time) (b *batch, wait time.Duration) {
	if l.first != nil {
		if wait := l.retry.Sub(now); wait > 0 {
			return nil, wait
		}
		return l.first, 0
	}
	if len(l.queue) == 0 {
		return nil, 0
	}
	b = l.queue[0]
	if p := l.topic.p; len(l.queue) == 1 && p.hurried == 0 {
		if wait := b.began.Add(p.limits.Linger).Sub(now); wait > 0 {
			return nil, wait
		}
	}
	l.queue = slices.Delete(l.queue, 0, 1)
	l.first = b
	return b, 0
}

// number gives the batch that is to be sent its sequence number, unless it has one. In another
// topic of the same name, numbers begin anew.
func (l *partitionLog) number() {
	b, t := l.first, l.topic
	if b.numbered && b.topic == t.id {
		return
	}
	b.number(l.sequence)
	b.numbered, b.topic = true, t.id
	l.sequence = following(l.sequence, b.count)
}

// acknowledged drops the batch that was on its way, and makes room for others. Its first record
// is at offset.
func (l *partitionLog) acknowledged(offset int64) *batch {
	b := l.first
	for _, s := range b.calls {
		s.call.offset.Store(offset + int64(s.last))
	}
	l.first, l.onWire = nil, false
	l.topic.p.buffered -= b.length
	if len(l.queue) > 0 {
		l.enlist()
	}
	return b
}

// again has the batch that was on its way sent once more, after a while.
func (l *partitionLog) again(now time.Time) {
	b := l.first
	l.onWire = false
	l.retry = now.Add(min(retryMax, retryMin<<min(b.attempts, 10)))
	b.attempts++
	l.enlist()
}
