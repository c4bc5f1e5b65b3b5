package kafka

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Embedded is a Kafka broker inside this process, for the demo, tests and laptops. Its data is on
// disk and survives restarts and kill -9; after a kill -9 it may have forgotten which sends it
// has seen, so that a record can be there twice.
type Embedded struct {
	Addr string // host:port, the same after a restart

	cluster *kfake.Cluster
	lock    *os.File
}

// identity is what makes a restarted broker the same one to its clients.
type identity struct {
	Address   string `json:"address"`
	ClusterID string `json:"cluster_id"`
}

// StartEmbedded starts the broker with its data in dir, which is created when missing. addr is
// host:port; empty or with port 0 it is a free port of 127.0.0.1, chosen once and kept in dir.
// One process at a time may use dir.
func StartEmbedded(dir, addr string, log *slog.Logger) (*Embedded, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	e := &Embedded{lock: lock}
	if err := e.start(dir, addr, log); err != nil {
		lock.Close()
		return nil, err
	}
	return e, nil
}

func (e *Embedded) start(dir, addr string, log *slog.Logger) error {
	file := filepath.Join(dir, "embedded.json")
	id, err := readIdentity(file)
	if err != nil {
		return err
	}
	if addr != "" {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("embedded broker: address %q: %w; write host:port", addr, err)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			return fmt.Errorf("embedded broker: address %q names no host, and clients are told to connect to it; write one, such as 127.0.0.1:%s", addr, port)
		}
		if port != "0" || id.Address == "" {
			id.Address = net.JoinHostPort(host, port)
		}
	}
	ln, err := net.Listen("tcp", id.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("embedded broker: %s is in use; stop what listens there, or delete %s to have another port chosen: %w", id.Address, file, err)
	}
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	id.Address = ln.Addr().String()
	if err := writeIdentity(file, id); err != nil {
		ln.Close()
		return err
	}
	e.Addr = id.Address
	e.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
		kfake.DataDir(filepath.Join(dir, "data")),
		kfake.ClusterID(id.ClusterID),
		kfake.DefaultNumPartitions(1),
		kfake.WithLogger(brokerLog{log}),
	)
	if err != nil {
		ln.Close()
		return fmt.Errorf("embedded broker: open %s: %w", dir, err)
	}
	return nil
}

// Close writes everything to disk and stops the broker.
func (e *Embedded) Close() {
	e.cluster.Close()
	e.lock.Close()
}

// brokerLog passes the broker's warnings on.
type brokerLog struct{ log *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.log.Warn("embedded broker: " + fmt.Sprintf(format, args...))
	}
}

// lockDir keeps two processes from writing to one directory. The kernel frees the lock when the
// process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("embedded broker: %s is used by another process; stop it, or set embedded.broker.dir to another directory", dir)
	}
	return f, nil
}

func readIdentity(file string) (identity, error) {
	id := identity{Address: "127.0.0.1:0"}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		random := make([]byte, 16)
		rand.Read(random)
		id.ClusterID = hex.EncodeToString(random)
		return id, nil
	}
	if err != nil {
		return id, fmt.Errorf("embedded broker: %w", err)
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("embedded broker: read %s: %w", file, err)
	}
	return id, nil
}

// writeIdentity replaces the file in one step, so that a crash leaves the old one or the new one.
func writeIdentity(file string, id identity) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	return nil
}
