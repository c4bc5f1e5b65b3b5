package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/kafka"
)

// measureRestart kills connectd under 2,000 rows a second and starts it again at once: how long
// until rows flow again, and how many came twice.
func measureRestart(ctx context.Context, e *engines, _ options) ([]result, error) {
	var all []result
	for _, mode := range []struct{ name, setting string }{
		{"kill -9 until events flow again, at least once", "exactly.once.support: requested"},
		{"kill -9 until events flow again, exactly once", "exactly.once.support: required"},
	} {
		r, err := e.restarts(ctx, mode.setting)
		if err != nil {
			return all, err
		}
		r.Name = mode.name
		all = append(all, r)
	}
	return all, nil
}

func (e *engines) restarts(ctx context.Context, setting string) (result, error) {
	var none result
	d, err := e.database(ctx)
	if err != nil {
		return none, err
	}
	defer d.close()
	configuration := e.source(d, "no_data", setting)
	run, err := e.start(configuration)
	if err != nil {
		return none, err
	}
	defer func() { run.stop() }()
	if err := awaitSlot(ctx, d); err != nil {
		return none, run.failed(err)
	}
	stop, written := e.write(ctx, d)
	defer stop()
	read, err := e.follow(ctx, d.topic())
	if err != nil {
		return none, err
	}
	var took latencies
	const kills = 5
	for range kills {
		if err := sleep(ctx, 3*time.Second); err != nil {
			return none, err
		}
		began := time.Now()
		run.kill()
		dead := written()
		if run, err = e.start(configuration); err != nil {
			return none, err
		}
		for { // until a row comes that was written after the death
			if id, at := read.newest(); id > dead {
				took.add(began, at)
				break
			}
			if err := sleep(ctx, time.Millisecond); err != nil {
				return none, run.failed(err)
			}
		}
	}
	stop()
	for read.distinct() < written() {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return none, run.failed(fmt.Errorf("%d of %d rows arrived: %w", read.distinct(), written(), err))
		}
	}
	r := took.into(result{}, "")
	r.Note = fmt.Sprintf("%d rows, %d kills, %d rows twice", written(), kills, read.doubles())
	return r, nil
}

// write inserts 2,000 rows a second, 20 in a transaction, until stop is called or ctx is done.
func (e *engines) write(ctx context.Context, d *database) (stop func(), written func() int) {
	ctx, cancel := context.WithCancel(ctx)
	var rows atomic.Int64
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := pgx.Connect(ctx, e.postgres.DSN(d.name))
		if err != nil {
			return
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		begin := time.Now()
		for i := 0; ; i++ {
			if sleep(ctx, time.Until(begin.Add(time.Duration(i)*10*time.Millisecond))) != nil {
				return
			}
			// Not with ctx: a row is counted, or not written.
			if _, err := conn.Exec(context.WithoutCancel(ctx), "CALL drive(20, 20)"); err != nil {
				return
			}
			rows.Add(20)
		}
	})
	stop = func() { cancel(); done.Wait() }
	return stop, func() int { return int(rows.Load()) }
}

// follower reads the ids of a topic.
type follower struct {
	mu   sync.Mutex
	seen map[int]int
	most int       // the largest id
	last time.Time // when it came
}

// follow reads the committed records of topic from its start until ctx is done.
func (e *engines) follow(ctx context.Context, topic string) (*follower, error) {
	if _, err := e.awaitRecords(ctx, topic, 1); err != nil {
		return nil, err
	}
	g, err := kafka.NewGroup(e.settings, kafka.GroupOptions{ID: topic + "-follow", Topics: []string{topic}, Reset: "earliest", ReadCommitted: true}, quiet)
	if err != nil {
		return nil, err
	}
	f := &follower{seen: map[int]int{}}
	go func() { // ends with ctx
		defer func() { _ = g.Close(context.WithoutCancel(ctx)) }()
		for {
			fetches, err := g.Poll(ctx)
			if err != nil {
				return
			}
			f.mu.Lock()
			for _, fetch := range fetches {
				for _, m := range fetch.Messages {
					var row struct{ ID int }
					if json.Unmarshal(m.Value, &row) != nil {
						continue
					}
					f.seen[row.ID]++
					if row.ID > f.most {
						f.most, f.last = row.ID, time.Now()
					}
				}
			}
			f.mu.Unlock()
		}
	}()
	return f, nil
}

// newest is the largest id and when it came: ids are in the order of the commits.
func (f *follower) newest() (id int, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most, f.last
}

func (f *follower) distinct() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

func (f *follower) doubles() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, times := range f.seen {
		n += times - 1
	}
	return n
}
