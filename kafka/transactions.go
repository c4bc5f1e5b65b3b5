package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	id   string
	open bool
}

// NewTxProducer claims the transactional id. When it returns, the last transaction of the owner
// before is committed or aborted, whichever it had begun, and no other can follow from it: only
// now what that owner has committed can be read.
func NewTxProducer(ctx context.Context, s Settings, id string, log *slog.Logger) (*TxProducer, error) {
	s.Linger = 0 // a commit waits for its records: they form batches while earlier ones are on their way
	p, err := newProducer(s, log, kgo.TransactionalID(id), kgo.TransactionTimeout(s.Transaction))
	if err != nil {
		return nil, err
	}
	claiming, cancel := context.WithTimeout(ctx, s.Delivery)
	defer cancel()
	if _, _, err := p.client.ProducerID(claiming); err != nil {
		p.Close()
		return nil, fmt.Errorf("claim transactional.id %q: %w", id, p.explain(err))
	}
	return &TxProducer{Producer: p, id: id}, nil
}

// Begin begins a transaction. What is produced until Commit is part of it.
func (p *TxProducer) Begin() error {
	if err := p.Err(); err != nil {
		return err
	}
	if err := p.client.BeginTransaction(); err != nil {
		return p.ended(fmt.Errorf("begin a transaction of %q: %w", p.id, p.explain(err)))
	}
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
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return p.ended(fmt.Errorf("commit a transaction of %q: %w", p.id, p.explain(err)))
	}
	p.open = false
	return nil
}

func (p *TxProducer) ended(err error) error {
	p.fail(err)
	return p.Err()
}

// abortLimit is how long Close tries to abort. What it can not abort is aborted by the next claim
// of the id, or by the broker after transaction.timeout.ms.
const abortLimit = 2 * time.Second

// Close aborts what is not committed, so that readers need not wait for it, and closes the
// Producer.
func (p *TxProducer) Close() {
	if p.open && !errors.Is(p.Err(), ErrFenced) {
		p.fail(ErrClosed)
		ctx, cancel := context.WithTimeout(context.Background(), abortLimit)
		if p.client.AbortBufferedRecords(ctx) == nil {
			_ = p.client.EndTransaction(ctx, kgo.TryAbort)
		}
		cancel()
	}
	p.Producer.Close()
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
