package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"connectd/kafka"
)

// measureLatency commits single rows at 1,000 a second and receives them from Kafka. The broker
// stamps each with the millisecond in which it was appended. The first ten seconds do not count:
// the broker has seen no requests of one record until then, see warmth.
func measureLatency(ctx context.Context, e *engines, o options) ([]result, error) {
	const perSecond, unmeasured = 1000, 10
	d, err := e.database(ctx)
	if err != nil {
		return nil, err
	}
	defer d.close()
	run, err := e.start(e.source(d, "no_data", "topic.creation.default.message.timestamp.type: LogAppendTime"))
	if err != nil {
		return nil, err
	}
	defer run.stop()
	if err := awaitSlot(ctx, d); err != nil {
		return nil, run.failed(err)
	}
	if err := d.exec(ctx, "CALL drive(1, 1)"); err != nil { // makes the topic
		return nil, err
	}
	if _, err := e.awaitRecords(ctx, d.topic(), 1); err != nil {
		return nil, run.failed(err)
	}
	received, err := e.receive(ctx, d.topic())
	if err != nil {
		return nil, err
	}
	n := perSecond * (unmeasured + o.seconds)
	committed := make([]time.Time, n)
	cpu := run.cpu()
	begin := time.Now()
	for i := range committed {
		if err := sleep(ctx, time.Until(begin.Add(time.Duration(i)*time.Second/perSecond))); err != nil {
			return nil, err
		}
		if err := d.exec(ctx, `INSERT INTO events (user_id, kind, amount, payload, created_at) VALUES (7, 'view', 1.25, '{"page": "/products/7", "ref": "none"}', now())`); err != nil {
			return nil, err
		}
		committed[i] = time.Now()
	}
	took := time.Since(begin).Seconds()
	var appended, consumed latencies
	for i := range committed {
		select {
		case r := <-received: // records come in the order of the commits
			if i >= unmeasured*perSecond {
				appended.add(committed[i], r.appended)
				consumed.add(committed[i], r.at)
			}
		case <-ctx.Done():
			return nil, run.failed(fmt.Errorf("received %d of %d records: %w", i, n, ctx.Err()))
		}
	}
	all := result{PerSecond: float64(n) / took, CPU: perEvent(run.cpu()-cpu, n), PeakMB: run.peak()}
	return []result{appended.into(all, "commit to append in Kafka, one row a transaction"),
		consumed.into(all, "commit to a consumer of Kafka, the same rows")}, nil
}

// latencies are milliseconds.
type latencies []float64

// add counts a record that was there before the commit's answer was through the client as 0.
func (l *latencies) add(from, to time.Time) { *l = append(*l, max(0, to.Sub(from).Seconds()*1000)) }

func (l latencies) into(r result, name string) result {
	slices.Sort(l)
	at := func(q float64) float64 { return l[int(q*float64(len(l)-1))] }
	r.Name, r.P50, r.P95, r.P99 = name, at(0.5), at(0.95), at(0.99)
	return r
}

// arrival is when a record was appended by the broker and when it came to a consumer.
type arrival struct{ appended, at time.Time }

// receive reads topic from its end on and sends when each record came.
func (e *engines) receive(ctx context.Context, topic string) (<-chan arrival, error) {
	g, err := kafka.NewGroup(e.settings, kafka.GroupOptions{ID: topic + "-bench", Topics: []string{topic}, Reset: "latest",
		Overrides: map[string]string{"fetch.max.wait.ms": "500", "fetch.min.bytes": "1"}}, quiet)
	if err != nil {
		return nil, err
	}
	out := make(chan arrival, 1<<20)
	go func() { // ends with ctx
		defer func() { _ = g.Close(context.WithoutCancel(ctx)) }()
		for {
			fetches, err := g.Poll(ctx)
			if err != nil {
				return
			}
			now := time.Now()
			for _, f := range fetches {
				for _, m := range f.Messages {
					// The stamp is a whole millisecond: the middle of it is right on average.
					out <- arrival{time.UnixMilli(m.Timestamp).Add(500 * time.Microsecond), now}
				}
			}
		}
	}()
	// A group needs a moment until its member has a partition and a position.
	return out, sleep(ctx, 3*time.Second)
}

// measureStart times a warm start: the slot and the topic are there, and a row waits.
func measureStart(ctx context.Context, e *engines, o options) ([]result, error) {
	d, err := e.database(ctx)
	if err != nil {
		return nil, err
	}
	defer d.close()
	var took []float64
	for i := range 6 {
		if i > 0 {
			if err := d.exec(ctx, "CALL drive(1, 1)"); err != nil {
				return nil, err
			}
		}
		run, err := e.start(e.source(d, "no_data"))
		if err != nil {
			return nil, err
		}
		if i == 0 { // the cold start makes the slot
			err = awaitSlot(ctx, d)
		} else {
			var at time.Time
			if at, err = e.awaitRecords(ctx, d.topic(), int64(i)); err == nil && i > 1 { // the second makes the topic
				took = append(took, at.Sub(run.started).Seconds()*1000)
			}
		}
		if err != nil {
			run.stop()
			return nil, run.failed(err)
		}
		run.stop()
	}
	slices.Sort(took)
	return []result{{Name: "warm start to the first event", P50: took[len(took)/2], Note: fmt.Sprintf("%d starts", len(took))}}, nil
}
