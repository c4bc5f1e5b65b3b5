package postgres

import (
	"context"

	"connectd/record"
)

// messagesVersion is the first version whose pgoutput sends logical messages.
const messagesVersion = 140000

// messages writes what pg_logical_emit_message emits.
type messages struct {
	topic   string
	in, out patterns // of prefixes
	content form
	value   *record.Schema
}

func newMessages(c *Config, f *forms) (*messages, error) {
	m := &messages{topic: topicName(c.Prefix + ".message"), content: f.octets(decodeTextOctets)}
	var err error
	if m.in, err = newPatterns(c.PrefixIn); err != nil {
		return nil, err
	}
	if m.out, err = newPatterns(c.PrefixOut); err != nil {
		return nil, err
	}
	content := m.content.schema
	content.Optional = true
	block := &record.Schema{Type: record.StructType, Name: "io.debezium.connector.postgresql.Message", Version: 1,
		Fields: []record.Field{{Name: "prefix", Schema: textOptional}, {Name: "content", Schema: &content}}}
	m.value = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.postgresql.MessageValue", Version: 1,
		Fields: []record.Field{
			{Name: "op", Schema: textRequired}, {Name: "ts_ms", Schema: int64Optional}, {Name: "source", Schema: sourceSchema},
			{Name: "transaction", Schema: transactionSchema}, {Name: "message", Schema: block},
		}}
	return m, nil
}

// captured says whether messages with the prefix are written.
func (m *messages) captured(prefix string) bool {
	return (len(m.in) == 0 || m.in.match(prefix)) && !m.out.match(prefix)
}

// messageTable is what Debezium's transaction topic calls messages.
const messageTable = "LOGICAL_DECODING_MESSAGE"

// logical handles a logical message at lsn. One that is part of a transaction comes with its
// changes; any other comes at once, and the position moves behind it.
func (st *stream) logical(ctx context.Context, lsn LSN, m message) error {
	inTransaction := m.byte()&1 != 0
	m.uint64() // its LSN again
	prefix := m.text()
	content := m.bytes(int(int32(m.uint32())))
	if m.bad {
		return errTruncated
	}
	if inTransaction && st.done(lsn) || !inTransaction && lsn <= st.pos.commit {
		return nil
	}
	if st.source.messages.captured(prefix) {
		if err := st.room(ctx); err != nil {
			return err
		}
		if err := st.addMessage(lsn, inTransaction, prefix, content); err != nil {
			return err
		}
	}
	if inTransaction {
		st.advance("MESSAGE")
	} else {
		st.pass(lsn)
	}
	return nil
}

// pass moves the position behind a message that is in no transaction: what has committed before
// it was sent before it. A message's LSN is its end, where the next record of the WAL may begin.
func (st *stream) pass(lsn LSN) {
	st.lastCommit = lsn
	if st.pos.txEnd < lsn {
		st.pos = position{lsn: lsn, tsMicros: st.tx.tsMicros, message: "MESSAGE"}
	}
	// Else the transaction in which we resume is still to come, and lsn says which of its changes
	// are done.
	st.pos.commit = lsn
}

// addMessage adds the record of a message.
func (st *stream) addMessage(lsn LSN, inTransaction bool, prefix string, content []byte) error {
	o, m, b := &st.out, st.source.messages, st.out.batch
	source := o.blocks.next()
	*source = st.block(lsn)
	source.origin = st.source.noTable
	var transaction record.Value
	switch {
	case !inTransaction:
		source.commit, source.txID = lsn, 0
	case o.transactions != nil:
		transaction = o.transactions.event(b, messageTable, lsn).Value
	}
	key, value, block := b.Cells(1), b.Cells(5), b.Cells(2)
	key[0] = record.OfText(prefix)
	block[0] = key[0]
	if err := m.content.decode(&block[1], b, b.Copy(content)); err != nil {
		return err
	}
	value[0], value[1] = messageOp, record.OfInt(o.now/1e6)
	value[2] = record.OfStruct(source.Append(b.Cells(len(sourceSchema.Fields))[:0]))
	value[3], value[4] = transaction, record.OfStruct(block)
	r := b.Add()
	r.Topic = m.topic
	r.Key = record.Datum{Schema: messageKey, Value: record.OfStruct(key)}
	r.Value = record.Datum{Schema: m.value, Value: record.OfStruct(value)}
	return nil
}

var (
	messageOp  = record.OfText(string(record.Message))
	messageKey = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.postgresql.MessageKey", Version: 1,
		Fields: []record.Field{{Name: "prefix", Schema: textOptional}}}
)
