package e2e

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"connectd/internal/testenv"
)

// secret is every wrong password; it must be seen nowhere.
const secret = "not-the-right-one"

// refusals is the servers that refuse, and the places in settings and sentences that stand for
// them.
type refusals struct {
	t      *testing.T
	places map[string]string
	source *testenv.Postgres
	db     string
	target string // a database
}

// newRefusals starts what is needed beside the shared servers.
func newRefusals(t *testing.T) *refusals {
	t.Helper()
	r := &refusals{t: t}
	r.source, r.db = testenv.Database(t)
	_, r.target = testenv.Database(t)
	clickhouse, database := testenv.ClickHouseDatabase(t)
	s3, bucket := testenv.Bucket(t)
	r.places = map[string]string{
		"KAFKA": testenv.SharedKafka(t).Brokers, "PREFIX": strings.ToLower(r.db), "SECRET": secret,
		"PG_HOST": r.source.Host, "PG_PORT": strconv.Itoa(r.source.Port), "PG_DB": r.db, "TARGET_DB": r.target,
		"CH_HOST": clickhouse.Host, "CH_PORT": strconv.Itoa(clickhouse.Port), "CH_USER": clickhouse.User, "CH_PASSWORD": clickhouse.Password, "CH_DB": database,
		"S3_URL": s3.Endpoint, "S3_BUCKET": bucket, "S3_KEY": s3.AccessKey, "S3_SECRET": s3.SecretKey,
		"NOBODY": free(t),
	}
	r.places["CLASSES"] = classes(t)
	_, r.places["NOBODY_PORT"], _ = net.SplitHostPort(r.places["NOBODY"])
	r.exec(r.source, r.db,
		"CREATE TABLE orders (id int PRIMARY KEY, item text)", "INSERT INTO orders VALUES (1, 'tea'), (2, 'coffee')",
		"CREATE TABLE customers (id int PRIMARY KEY)",
		"CREATE PUBLICATION "+r.places["PREFIX"]+"_all FOR TABLE orders, customers",
	)
	return r
}

// refuse makes the shared PostgreSQL refuse what sourceRefusals and targetRefusals ask for.
func (r *refusals) refuse() {
	r.t.Helper()
	prefix := r.places["PREFIX"]
	roles := []string{prefix + "_copier", prefix + "_stranger", prefix + "_loader"}
	r.t.Cleanup(func() {
		for _, role := range roles {
			r.exec(r.source, r.db, "DROP OWNED BY "+role)
			r.exec(r.source, r.target, "DROP OWNED BY "+role)
			r.exec(r.source, "postgres", "DROP ROLE "+role)
		}
	})
	r.exec(r.source, r.db,
		"SELECT pg_create_logical_replication_slot('"+prefix+"_busy', 'pgoutput')",
		"CREATE ROLE "+roles[0]+" LOGIN PASSWORD 'x'", "GRANT SELECT ON orders TO "+roles[0],
		"CREATE ROLE "+roles[1]+" LOGIN REPLICATION PASSWORD 'x'",
		"CREATE ROLE "+roles[2]+" LOGIN PASSWORD 'x'",
	)
	r.exec(r.source, r.target, "CREATE TABLE closed (id int PRIMARY KEY, item text)",
		"CREATE TABLE single (id int, item text, CONSTRAINT one EXCLUDE USING btree ((item <> '') WITH =) DEFERRABLE INITIALLY DEFERRED)")
	r.occupy(prefix+"_busy", prefix+"_all")
}

// replicaOnly starts a PostgreSQL that is not set up for logical replication.
func (r *refusals) replicaOnly() {
	r.t.Helper()
	replica := testenv.OwnPostgres(r.t, testenv.PostgresOptions{Settings: map[string]string{"wal_level": "replica"}})
	if err := replica.CreateDatabase(r.t.Context(), "shop"); err != nil {
		r.t.Fatal(err)
	}
	r.places["REPLICA_PORT"] = strconv.Itoa(replica.Port)
}

// loginWanted starts a broker that one has to log in to.
func (r *refusals) loginWanted() {
	r.t.Helper()
	plain, login, controller := free(r.t), free(r.t), free(r.t)
	_, port, err := net.SplitHostPort(plain)
	if err != nil {
		r.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		r.t.Fatal(err)
	}
	testenv.OwnKafka(r.t, testenv.KafkaOptions{Port: number, Properties: map[string]string{
		"listeners":                                  fmt.Sprintf("PLAINTEXT://%s,LOGIN://%s,CONTROLLER://%s", plain, login, controller),
		"advertised.listeners":                       fmt.Sprintf("PLAINTEXT://%s,LOGIN://%s", plain, login),
		"controller.quorum.voters":                   "1@" + controller,
		"listener.security.protocol.map":             "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
		"sasl.enabled.mechanisms":                    "PLAIN",
		"listener.name.login.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_app="right-one";`,
	}})
	r.places["LOGIN_KAFKA"] = login
}

// goodGoOn waits until a row that is written now has arrived in the target of the good sink.
func (r *refusals) goodGoOn() {
	r.t.Helper()
	r.exec(r.source, r.db, "INSERT INTO orders VALUES (3, 'cocoa')")
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.source.DSN(r.target))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		var item string
		err := conn.QueryRow(ctx, "SELECT item FROM orders WHERE id = 3").Scan(&item)
		if err == nil && item == "cocoa" {
			return
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			r.t.Fatalf("the row of the good connectors does not arrive: %v", err)
		}
	}
}

// fill puts the servers of this run into a text.
func (r *refusals) fill(text string) string {
	for place, value := range r.places {
		text = strings.ReplaceAll(text, "{"+place+"}", value)
	}
	return text
}

// classes are those of the connectors that there are, as messages list them.
func classes(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 1 && (words[0] == "source" || words[0] == "sink") {
			all = append(all, words[1])
		}
	}
	return strings.Join(all, ", ")
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// exec runs statements as superuser.
func (r *refusals) exec(p *testenv.Postgres, database string, statements ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also at the end of the test
	defer cancel()
	conn, err := pgconn.Connect(ctx, p.DSN(database))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
			r.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// occupy reads a slot until the end of the test.
func (r *refusals) occupy(slot, publication string) {
	r.t.Helper()
	conn, err := pgconn.Connect(r.t.Context(), r.source.DSN(r.db)+"&replication=database")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	frontend := conn.Frontend()
	frontend.SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '%s')", slot, publication)})
	if err := frontend.Flush(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := conn.ReceiveMessage(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}
