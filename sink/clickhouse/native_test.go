package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"connectd/connect"
	"connectd/record"
)

// peer is the server's side of the native protocol for one INSERT, as far as ch-go's own decoders
// speak it: no server of these days runs without Docker (the engine of the tests has HTTP only).
type peer struct {
	listener net.Listener
	got      chan received
	fail     *proto.Exception // answered instead of success
}

type received struct {
	hello    proto.ClientHello
	query    proto.Query
	rows     int
	columns  []string
	contents []string // of each column, as Go prints it
	err      error
}

func listen(t *testing.T, fail *proto.Exception) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{listener: l, got: make(chan received, 10), fail: fail}
	go func() { // ends when the test closes the listener or the client its connection
		conn, err := l.Accept()
		if err != nil {
			p.got <- received{err: err}
			return
		}
		defer conn.Close()
		r, w := proto.NewReader(conn), new(proto.Buffer)
		var got received
		for got.err = p.greet(conn, r, w, &got); got.err == nil; {
			p.serve(conn, r, w, &got)
			p.got <- got
		}
	}()
	t.Cleanup(func() { l.Close() })
	return p
}

// greet takes the client's hello.
func (p *peer) greet(conn net.Conn, r *proto.Reader, w *proto.Buffer, got *received) error {
	if _, err := r.UVarInt(); err != nil {
		return err
	}
	if err := got.hello.Decode(r); err != nil {
		return err
	}
	version := got.hello.ProtocolVersion
	(&proto.ServerHello{Name: "peer", Revision: version, Timezone: "UTC"}).EncodeAware(w, version)
	if _, err := conn.Write(w.Buf); err != nil {
		return err
	}
	w.Reset()
	_, err := r.Str() // the addendum: quota key
	return err
}

// serve takes one INSERT.
func (p *peer) serve(conn net.Conn, r *proto.Reader, w *proto.Buffer, got *received) {
	*got = received{hello: got.hello}
	send := func() error {
		_, err := conn.Write(w.Buf)
		w.Reset()
		return err
	}
	got.err = func() error {
		version := got.hello.ProtocolVersion
		if _, err := r.UVarInt(); err != nil {
			return err
		}
		if err := got.query.DecodeAware(r, version); err != nil {
			return err
		}
		compressed := got.query.Compression == proto.CompressionEnabled
		if _, _, err := readBlock(r, version, compressed); err != nil { // end of external data
			return err
		}
		if p.fail != nil {
			proto.ServerCodeException.Encode(w)
			p.fail.EncodeAware(w, version)
			return send()
		}
		// The header of the table: what the client waits for.
		proto.ServerCodeData.Encode(w)
		w.PutString("")
		if compressed {
			return errors.New("the peer sends no compressed header")
		}
		if err := (proto.Block{Columns: 1, Info: proto.BlockInfo{BucketNum: -1}}).EncodeBlock(w, version, []proto.InputColumn{{Name: "id", Data: new(proto.ColInt64)}}); err != nil {
			return err
		}
		if err := send(); err != nil {
			return err
		}
		b, columns, err := readBlock(r, version, compressed)
		if err != nil {
			return err
		}
		got.rows = b.Rows
		for _, c := range columns {
			got.columns = append(got.columns, c.Name+" "+string(c.Data.Type()))
			got.contents = append(got.contents, cellsOf(c.Data))
		}
		if _, _, err := readBlock(r, version, compressed); err != nil { // end of data
			return err
		}
		proto.ServerCodeEndOfStream.Encode(w)
		return send()
	}()
}

// readBlock reads one data packet.
func readBlock(r *proto.Reader, version int, compressed bool) (b proto.Block, columns proto.Results, err error) {
	if _, err = r.UVarInt(); err != nil {
		return b, nil, err
	}
	var data proto.ClientData
	if err = data.DecodeAware(r, version); err != nil {
		return b, nil, err
	}
	if compressed {
		r.EnableCompression()
		defer r.DisableCompression()
	}
	err = b.DecodeBlock(r, version, columns.Auto())
	return b, columns, err
}

func cellsOf(c proto.ColResult) string {
	if auto, ok := c.(*proto.ColAuto); ok {
		c = auto.Data.(proto.ColResult)
	}
	switch c := c.(type) {
	case *proto.ColStr:
		var s []string
		for i := range c.Rows() {
			s = append(s, c.Row(i))
		}
		return strings.Join(s, ",")
	case *proto.ColNullable[int32]:
		var s []string
		for i := range c.Rows() {
			s = append(s, fmt.Sprint(c.Row(i)))
		}
		return strings.Join(s, ",")
	}
	return fmt.Sprint(c)
}

// nativeWriter is a writer with one waiting block, which speaks to p.
func nativeWriter(t *testing.T, p *peer) (*Writer, *table) {
	t.Helper()
	w, table := offlineWriter("id Int64, name LowCardinality(String), n Nullable(Int32)")
	t.Cleanup(w.idle.close)
	w.cfg.Host, w.cfg.Protocol, w.cfg.Compress, w.cfg.Retries = p.listener.Addr().String(), "native", "none", 0
	w.cfg.Password = "secret"
	var err error
	if w.at, err = w.cfg.address(); err != nil {
		t.Fatal(err)
	}
	w.server.has = map[string]bool{"insert_deduplication_token": true, "async_insert": true}
	s := structOf("id", int64s, "name", strings_, "n", anything)
	b := batchOf(0, rec(s, record.OfInt(1), text("a"), record.Value{}), rec(s, record.OfInt(2), text("b"), record.OfInt(7)))
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return w, table
}

func TestNativeInsert(t *testing.T) {
	p := listen(t, nil)
	w, _ := nativeWriter(t, p)
	if err := w.Flush(t.Context(), record.Range{ID: id(1), End: 2}); err != nil {
		t.Fatal(err)
	}
	got := <-p.got
	if got.err != nil {
		t.Fatal(got.err)
	}
	if want := "INSERT INTO `orders` (`id`, `name`, `n`) VALUES"; got.query.Body != want {
		t.Errorf("query: got %s, want %s", got.query.Body, want)
	}
	settings := make(map[string]string)
	for _, s := range got.query.Settings {
		settings[s.Key] = s.Value
	}
	if want := map[string]string{"async_insert": "0", "insert_deduplication_token": id(1) + "/orders/0-0-2"}; fmt.Sprint(settings) != fmt.Sprint(want) {
		t.Errorf("settings: got %v, want %v", settings, want)
	}
	if got.rows != 2 || strings.Join(got.columns, "; ") != "id Int64; name String; n Nullable(Int32)" {
		t.Errorf("block: got %d rows of %v", got.rows, got.columns)
	}
	if got.contents[1] != "a,b" {
		t.Errorf("name: got %s, want a,b", got.contents[1])
	}
	if got.hello.Password != "secret" {
		t.Errorf("password: got %q", got.hello.Password)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestNativeConnectionsGoRound has two partitions flush one after the other: a connection holds much
// memory, and both use the same one.
func TestNativeConnectionsGoRound(t *testing.T) {
	p := listen(t, nil) // accepts one connection
	a, _ := nativeWriter(t, p)
	b, _ := nativeWriter(t, p)
	b.idle = a.idle // of one sink
	for n, w := range []*Writer{a, b} {
		if err := w.Flush(t.Context(), record.Range{ID: id(n), End: 2}); err != nil {
			t.Fatal(err)
		}
		if got := <-p.got; got.err != nil || got.rows != 2 {
			t.Errorf("insert %d: got %d rows, %v", n, got.rows, got.err)
		}
		if w.native != nil {
			t.Errorf("writer %d keeps the connection", n)
		}
	}
	a.idle.close()
	if a.idle.take() != nil {
		t.Error("a connection is left")
	}
}

func TestNativeRefusal(t *testing.T) {
	p := listen(t, &proto.Exception{Code: codeReadonly, Name: "DB::Exception", Message: "no"})
	w, _ := nativeWriter(t, p)
	err := w.Flush(t.Context(), record.Range{ID: id(1), End: 2})
	if !connect.IsPermanent(err) || codeOf(err) != codeReadonly {
		t.Errorf("got %v, want a permanent error of code %d", err, codeReadonly)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
