package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Between two tries of a batch: as the Java client's retry.backoff.ms and retry.backoff.max.ms.
const (
	retryMin = 100 * time.Millisecond
	retryMax = time.Second
)

// requestMax is the most that one request carries before compression, if it is more than one
// batch: brokers refuse more than 100 MiB (socket.request.max.bytes).
const requestMax = 64 << 20

// sender sends the batches of the partitions that one broker leads: one request at a time, with a
// batch of each partition that has one. What comes meanwhile makes the next request.
type sender struct {
	p      *Producer
	broker int32
	woken  chan struct{} // one slot

	listed []*partitionLog // that have something to send; Producer.mu guards it

	// Of run.
	sending []*partitionLog
	settled []*batch
	scratch bytes.Buffer
}

// sender is the one for a broker. p.mu is held.
func (p *Producer) sender(broker int32) *sender {
	s := p.senders[broker]
	if s == nil {
		s = &sender{p: p, broker: broker, woken: make(chan struct{}, 1)}
		p.senders[broker] = s
		p.work.Go(s.run)
	}
	return s
}

// stir makes s look for something to send.
func (s *sender) stir() { signal(s.woken) }

// run ends with the producer.
func (s *sender) run() {
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for s.p.ctx.Err() == nil {
		wait := s.take()
		if len(s.sending) > 0 {
			s.send()
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.woken:
		case <-timer.C:
		case <-s.p.ctx.Done():
		}
	}
}

// take puts what can be sent now into s.sending. When that is nothing, it says how long to wait.
func (s *sender) take() (wait time.Duration) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.sending = s.sending[:0]
	wait = math.MaxInt64
	now, size, left := time.Now(), 0, s.listed[:0]
	for _, l := range s.listed {
		if size >= requestMax {
			left = append(left, l)
			continue
		}
		b, due := l.next(now)
		if b != nil {
			size += b.length
			l.onWire, l.listed = true, false
			s.sending = append(s.sending, l)
			continue
		}
		wait = min(wait, due)
		left = append(left, l)
	}
	clear(s.listed[len(left):])
	s.listed = left
	return wait
}

// send sends the batches of s.sending, and settles what becomes of them.
func (s *sender) send() {
	p := s.p
	for _, l := range s.sending {
		if b := l.first; b.records != nil {
			p.buffers.Put(b.seal(p.compressor, &s.scratch, p.who, p.attributes()))
		}
	}
	if p.tx != nil {
		if err := p.enroll(s.sending); err != nil {
			p.fail(err)
			return
		}
	}
	resp, err := p.client.Broker(int(s.broker)).Request(p.wire, s.request())
	answer, _ := resp.(*kmsg.ProduceResponse)
	s.settle(answer, err)
}

// following is the sequence number after n records. It goes round.
func following(sequence, n int32) int32 {
	return int32((uint32(sequence) + uint32(n)) & math.MaxInt32)
}

// attributes are those of every batch.
func (p *Producer) attributes() uint16 {
	if p.tx != nil {
		return transactional
	}
	return 0
}

func (s *sender) request() *kmsg.ProduceRequest {
	p := s.p
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(p.limits.Request.Milliseconds())
	if p.tx != nil {
		req.TransactionID = &p.tx.id
	}
	at := map[*topicLog]int{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range s.sending {
		l.number()
		i, ok := at[l.topic]
		if !ok {
			i = len(req.Topics)
			at[l.topic] = i
			t := kmsg.NewProduceRequestTopic()
			t.Topic, t.TopicID = l.topic.name, l.topic.id
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = l.id, l.first.sealed
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	return req
}

// settle acknowledges what the broker has written, and sends again what it may take another time.
// err is why there is no answer.
func (s *sender) settle(answer *kmsg.ProduceResponse, err error) {
	p := s.p
	outcomes := s.outcomes(answer, err)
	p.mu.Lock()
	now := time.Now()
	s.settled = s.settled[:0]
	for i, l := range s.sending {
		o := outcomes[i]
		switch {
		case o.err == nil:
			s.settled = append(s.settled, l.acknowledged(o.offset))
		case passes(o.err):
			l.again(now)
			signal(p.moved) // it may have another leader
		default:
			p.fail(p.undelivered(place(l.topic.name, l.id, l.first.key, l.first.value), o.err))
		}
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	for _, b := range s.settled {
		for _, c := range b.calls {
			c.call.finish()
		}
		p.batches.Put(b)
	}
}

// outcome is what becomes of a batch.
type outcome struct {
	offset int64
	err    error
}

// outcomes is what the broker says of each batch of s.sending.
func (s *sender) outcomes(answer *kmsg.ProduceResponse, err error) []outcome {
	type place struct {
		topic     *topicLog
		partition int32
	}
	outcomes := make([]outcome, len(s.sending))
	places := map[place]int{}
	names, ids := map[string]*topicLog{}, map[[16]byte]*topicLog{}
	for i, l := range s.sending {
		if outcomes[i].err = err; err == nil {
			outcomes[i].err = errNoAnswer
		}
		places[place{l.topic, l.id}] = i
		names[l.topic.name], ids[l.first.topic] = l.topic, l.topic
	}
	if err != nil {
		return outcomes
	}
	for _, t := range answer.Topics {
		topic := names[t.Topic]
		if topic == nil {
			topic = ids[t.TopicID]
		}
		for _, part := range t.Partitions {
			if i, ok := places[place{topic, part.Partition}]; ok {
				outcomes[i] = outcome{part.BaseOffset, refusal(&part)}
			}
		}
	}
	return outcomes
}

// errNoAnswer is an answer that says nothing of a batch.
var errNoAnswer = errors.New("the broker's answer does not mention the partition")

// refusal is why the broker has not written a batch; nil when it has.
func refusal(part *kmsg.ProduceResponseTopicPartition) error {
	err := kerr.ErrorForCode(part.ErrorCode)
	switch {
	case errors.Is(err, kerr.DuplicateSequenceNumber): // written before, and only its answer was lost
		return nil
	case err == nil:
		return nil
	}
	// Of a record that it refuses the broker says why, and repeats all that in the other text.
	for _, r := range part.ErrorRecords {
		if r.ErrorMessage != nil {
			return fmt.Errorf("%w: %s", brief{err}, *r.ErrorMessage)
		}
	}
	if part.ErrorMessage != nil {
		return fmt.Errorf("%w: %s", brief{err}, *part.ErrorMessage)
	}
	return err
}

// passes says whether err may be gone with the next try.
func passes(err error) bool {
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Retriable
	}
	return !Permanent(explain(err, ""))
}
