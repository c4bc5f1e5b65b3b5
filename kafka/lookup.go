package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// unknownPatience is how long records wait for their topic while no broker knows it, which is more
// than a cluster takes to spread a new topic.
const unknownPatience = 5 * time.Second

// What is not known yet is asked for again after lookupMin, twice that, and so on to metadataMin.
const lookupMin = 10 * time.Millisecond

// lookUp keeps what the producer knows of its topics up to date. It ends with the producer.
func (p *Producer) lookUp() {
	timer := time.NewTimer(p.limits.Metadata)
	defer timer.Stop()
	var asked time.Time
	pause := lookupMin
	for {
		all := true
		select {
		case <-p.added:
			all = false
		case <-p.moved: // many partitions may say so at once
			if rest := metadataMin - time.Since(asked); rest > 0 {
				timer.Reset(rest)
				continue
			}
		case <-timer.C:
		case <-p.ctx.Done():
			return
		}
		asked = time.Now()
		switch known := p.refresh(all); {
		case !known:
			timer.Reset(min(pause, p.limits.Metadata))
			pause = min(2*pause, metadataMin)
		case all:
			pause = lookupMin
			timer.Reset(p.limits.Metadata)
		}
	}
}

// signal makes sure that c, which has one slot, holds a signal.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// identified asks for the producer's identity, if it has none.
func (p *Producer) identified() bool {
	if p.who.id >= 0 {
		return true
	}
	err := p.identify(p.ctx)
	if err != nil && !passes(err) {
		p.fail(p.explain(err))
	}
	return err == nil
}

// identify claims an identity: a new one, or that of the transactional id with a new epoch.
func (p *Producer) identify(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	if p.tx != nil {
		req.TransactionalID = &p.tx.id
		req.TransactionTimeoutMillis = int32(p.limits.Transaction.Milliseconds())
	}
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	p.who = producerID{resp.ProducerID, resp.ProducerEpoch}
	return nil
}

// refresh asks for the topics that records were produced to, all or those that are not known yet,
// and says whether they are now.
func (p *Producer) refresh(all bool) bool {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	p.mu.Lock()
	for name, topic := range p.topics {
		if !all && len(topic.partitions) > 0 {
			continue
		}
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	p.mu.Unlock()
	switch {
	case len(req.Topics) == 0: // nothing was produced
		return true
	case !p.identified():
		return false
	}
	resp, err := req.RequestWith(p.ctx, p.client)
	if err != nil {
		if !passes(err) {
			p.fail(p.explain(err))
		}
		return false
	}
	known := true
	var waited []*call
	p.mu.Lock()
	for i := range resp.Topics {
		if t := p.topics[*resp.Topics[i].Topic]; t != nil {
			whole, calls := t.learn(&resp.Topics[i])
			known = known && whole
			waited = append(waited, calls...)
		}
	}
	p.mu.Unlock()
	for _, c := range waited {
		c.finish()
	}
	return known
}

// learn takes what a broker says of t, and says whether every partition can be written to. The
// calls are those that waited to hear it.
func (t *topicLog) learn(m *kmsg.MetadataResponseTopic) (known bool, waited []*call) {
	if err := kerr.ErrorForCode(m.ErrorCode); err != nil {
		t.missing(err)
		return false, nil
	}
	t.unknown = time.Time{}
	if t.id != [16]byte{} && t.id != m.TopicID {
		t.anew(m)
	}
	t.id = m.TopicID
	known = true
	for len(t.partitions) < len(m.Partitions) {
		t.partitions = append(t.partitions, &partitionLog{topic: t, id: int32(len(t.partitions)), epoch: -1})
	}
	for i := range m.Partitions {
		part := &m.Partitions[i]
		if int(part.Partition) >= len(t.partitions) {
			continue
		}
		l := t.partitions[part.Partition]
		switch {
		case part.Leader < 0:
			l.lead(nil)
			known = false
		case part.LeaderEpoch < 0 || part.LeaderEpoch >= l.epoch: // not from a broker that lags behind
			l.epoch = part.LeaderEpoch
			l.lead(t.p.sender(part.Leader))
		}
	}
	t.led = t.led[:0]
	for _, l := range t.partitions {
		if l.leader != nil {
			t.led = append(t.led, l)
		}
	}
	return known && len(t.partitions) > 0, t.release()
}

// missing is what becomes of records while a broker can not say anything of their topic.
func (t *topicLog) missing(err error) {
	if !t.pending() {
		return
	}
	unknown := errors.Is(err, kerr.UnknownTopicOrPartition)
	switch {
	case unknown && t.unknown.IsZero():
		t.unknown = time.Now()
	case unknown && time.Since(t.unknown) < unknownPatience, !unknown && passes(err):
	default:
		t.p.fail(t.p.undelivered(fmt.Sprintf("topic %q", t.name), err))
	}
}

// anew is t as another topic of its name, whose brokers know nothing of the producer.
func (t *topicLog) anew(m *kmsg.MetadataResponseTopic) {
	for _, l := range t.partitions {
		l.epoch, l.sequence = -1, 0
		if int(l.id) >= len(m.Partitions) && l.pending() {
			t.p.fail(t.p.undelivered(fmt.Sprintf("topic %q partition %d", t.name, l.id), kerr.UnknownTopicOrPartition))
			return
		}
	}
	t.partitions = t.partitions[:min(len(t.partitions), len(m.Partitions))]
}

// pending says whether records wait.
func (t *topicLog) pending() bool {
	if len(t.waiting) > 0 {
		return true
	}
	for _, l := range t.partitions {
		if l.pending() {
			return true
		}
	}
	return false
}

func (l *partitionLog) pending() bool { return l.first != nil || len(l.queue) > 0 }
