package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TxProducer is a Producer whose records are written in transactions: readers of committed
// records see all of a transaction or nothing of it. One process at a time writes under a
// transactional id: the one that claimed it last. Whoever had it before gets ErrFenced, and what
// it had not committed is aborted.
//
// Begin, Produce and Commit are called from one goroutine. The first error of any of them ends
// it, as it ends a Producer: whether a failed Commit has happened shows in what the next owner of
// the id reads after its claim.
type TxProducer struct {
	*Producer
	open bool
}

// transaction is what a producer's senders know of its transactions.
type transaction struct {
	id string

	mu     sync.Mutex // held while partitions are added
	number int        // of the transaction that is open, or was last
	used   bool       // it has a partition
}

// NewTxProducer claims the transactional id. When it returns, the last transaction of the owner
// before is committed or aborted, whichever it had begun, and no other can follow from it: only
// now what that owner has committed can be read.
func NewTxProducer(ctx context.Context, s Settings, id string, log *slog.Logger) (*TxProducer, error) {
	return newTxProducer(ctx, s, id, log)
}

func newTxProducer(ctx context.Context, s Settings, id string, log *slog.Logger, more ...kgo.Opt) (*TxProducer, error) {
	s.Linger = 0 // a commit waits for its records: they form batches while earlier ones are on their way
	p, err := newProducer(s, log, append(more, kgo.MaxVersions(explicitTransactions()))...)
	if err != nil {
		return nil, err
	}
	p.tx = &transaction{id: id}
	claiming, cancel := context.WithTimeout(ctx, s.Delivery)
	defer cancel()
	if err := concluded(claiming, func() error { return p.identify(claiming) }); err != nil {
		p.cancel()
		p.cut()
		p.client.Close()
		return nil, fmt.Errorf("claim transactional.id %q: %w", id, p.explain(err))
	}
	p.start()
	return &TxProducer{Producer: p}, nil
}

// explicitTransactions are the versions of requests whose transactions have the partitions that
// were added to them, not those that are written to (KIP-890): brokers of all versions know them.
// A producer that never goes on after an error has no need of more.
func explicitTransactions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	v.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	return v
}

// Begin begins a transaction. What is produced until Commit is part of it.
func (p *TxProducer) Begin() error {
	if err := p.Err(); err != nil {
		return err
	}
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	p.tx.number++
	p.tx.used = false
	p.open = true
	return nil
}

// Commit ends the transaction: after nil all of it is durable and visible, and stays so. The
// done of all that was produced must have been called before.
func (p *TxProducer) Commit(ctx context.Context) error {
	if err := p.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.limits.Delivery)
	defer cancel()
	if err := p.conclude(ctx, true); err != nil {
		p.fail(fmt.Errorf("commit a transaction of %q: %w", p.tx.id, p.explain(err)))
		return p.Err()
	}
	p.open = false
	return nil
}

// conclude commits or aborts the transaction.
func (p *TxProducer) conclude(ctx context.Context, commit bool) error {
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	if !p.tx.used {
		return nil // the broker has not heard of it
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.tx.id, p.who.id, p.who.epoch, commit
	return concluded(ctx, func() error {
		resp, err := req.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// enroll adds the partitions to the transaction, those that it does not have.
func (p *Producer) enroll(partitions []*partitionLog) error {
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.tx.id, p.who.id, p.who.epoch
	at := map[string]int{}
	for _, l := range partitions {
		if l.enrolled == p.tx.number {
			continue
		}
		i, ok := at[l.topic.name]
		if !ok {
			i = len(req.Topics)
			at[l.topic.name] = i
			t := kmsg.NewAddPartitionsToTxnRequestTopic()
			t.Topic = l.topic.name
			req.Topics = append(req.Topics, t)
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, l.id)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	p.tx.used = true // also when no answer comes
	err := concluded(p.ctx, func() error {
		resp, err := req.RequestWith(p.ctx, p.client)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				// Without the right to one, the others are not attempted.
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil && err != kerr.OperationNotAttempted {
					return fmt.Errorf("topic %q partition %d: %w", t.Topic, part.Partition, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add partitions to a transaction of %q: %w", p.tx.id, p.explain(err))
	}
	for _, l := range partitions {
		l.enrolled = p.tx.number
	}
	return nil
}

// concluding is how long the coordinator is left to finish a transaction before it is asked again.
const concluding = 5 * time.Millisecond

// concluded repeats ask until its error is another than that an earlier transaction is still being
// finished, or one that another try may heal.
func concluded(ctx context.Context, ask func() error) error {
	pause := concluding
	for {
		err := ask()
		if err == nil || !errors.Is(err, kerr.ConcurrentTransactions) && !passes(err) {
			return err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, retryMin)
		case <-ctx.Done():
			return err
		}
	}
}

// abortLimit is how long Close tries to abort. What it can not abort is aborted by the next claim
// of the id, or by the broker after transaction.timeout.ms.
const abortLimit = 2 * time.Second

// Close aborts what is not committed, so that readers need not wait for it, and closes the
// Producer.
func (p *TxProducer) Close() {
	fenced := errors.Is(p.Err(), ErrFenced)
	p.stop()
	if p.open && !fenced {
		ctx, cancel := context.WithTimeout(context.Background(), abortLimit)
		_ = p.conclude(ctx, false)
		cancel()
	}
	p.open = false
	p.client.Close()
}

// explain says what err means for a transaction.
func (p *Producer) explain(err error) error {
	switch {
	case isFencing(err):
		return &fencedProducer{p.limits.Transaction, err}
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return hopeless("kafka: the user may not use the transactional id (%w); grant it with kafka-acls --add --operation All --transactional-id", err)
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return hopeless("kafka: the broker does not allow transactions as long as transaction.timeout.ms (%s): %w; shorten it, or raise the broker's transaction.max.timeout.ms", p.limits.Transaction, err)
	}
	return explain(err, p.limits.brokers())
}

// isFencing says whether the broker has refused a producer's epoch, or the end of a transaction
// that somebody else has ended.
func isFencing(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidTxnState)
}

// fencedProducer is ErrFenced with its cause. The broker says the same of a producer that was
// replaced and of one whose transaction it has aborted for its silence.
type fencedProducer struct {
	timeout time.Duration
	cause   error
}

func (e *fencedProducer) Error() string {
	return fmt.Sprintf("kafka: fenced: another process has claimed the transactional id, or this one was silent for longer than transaction.timeout.ms (%s): %s", e.timeout, e.cause)
}

func (e *fencedProducer) Is(target error) bool { return target == ErrFenced }
func (e *fencedProducer) Unwrap() error        { return e.cause }
