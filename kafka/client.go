package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// metadataMin is the shortest time between two metadata requests: how fast a client sees a topic
// that was just created, or a partition's new leader.
const metadataMin = 100 * time.Millisecond

// dialTimeout is for one broker, its TLS greeting included.
const dialTimeout = 5 * time.Second

// adminMetadataMin is the same for an Admin, whose answers should be those of now.
const adminMetadataMin = 10 * time.Millisecond

// newClient is a client for s. It does not connect: whether the cluster answers shows in the
// first call.
func newClient(s Settings, log *slog.Logger, opts ...kgo.Opt) (*kgo.Client, error) {
	if len(s.Brokers) == 0 {
		return nil, errNoBrokers
	}
	tls, err := s.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	mechanism, err := s.mechanism()
	if err != nil {
		return nil, fmt.Errorf("kafka: sasl.jaas.config %w", err)
	}
	all := []kgo.Opt{
		kgo.SeedBrokers(s.Brokers...),
		kgo.ClientID(s.ClientID),
		kgo.MetadataMaxAge(s.Metadata),
		kgo.MetadataMinAge(min(metadataMin, s.Metadata)),
		kgo.RetryTimeout(s.Request),
		kgo.DialTimeout(dialTimeout),
		kgo.DisableClientMetrics(), // its pushes are one more connection for figures that /metrics has
	}
	if s.Rack != "" {
		all = append(all, kgo.Rack(s.Rack))
	}
	if log != nil {
		all = append(all, kgo.WithLogger(clientLog{log}))
	}
	if tls != nil {
		all = append(all, kgo.DialTLSConfig(tls))
	}
	if mechanism != nil {
		all = append(all, kgo.SASL(mechanism))
	}
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return cl, nil
}

// clientLog passes the client's warnings on. What it calls Info is about its own inner steps, so
// it is Debug here.
type clientLog struct{ log *slog.Logger }

func (l clientLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l clientLog) Log(level kgo.LogLevel, msg string, fields ...any) {
	at := slog.LevelDebug
	if level == kgo.LogLevelError || level == kgo.LogLevelWarn {
		at = slog.LevelWarn
	}
	l.log.Log(context.Background(), at, "kafka client: "+msg, fields...)
}

// brokers is the list for messages.
func (s *Settings) brokers() string {
	list := strings.Join(s.Brokers, ", ")
	if s.usesTLS() {
		list += " (TLS)" // a plain listener just does not answer
	}
	return list
}
