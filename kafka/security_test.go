package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/config"
	"connectd/internal/testenv"
)

// issued is a certificate with its key, in PEM.
type issued struct {
	cert, key string
	parsed    *x509.Certificate
	signer    *ecdsa.PrivateKey
}

// issue makes a certificate for the hosts, signed by ca, or by itself as an authority.
func issue(t *testing.T, ca *issued, hosts ...string) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	parent, signer := c, key
	if ca != nil {
		parent, signer = ca.parsed, ca.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{
		cert:   string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:    string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		parsed: parsed, signer: key,
	}
}

func (i *issued) server(t *testing.T, clients *issued) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(i.cert), []byte(i.key))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(clients.parsed)
	}
	return c
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// reach says what a client of s gets.
func reach(t *testing.T, s Settings) error {
	t.Helper()
	_, err := testAdmin(t, s).ClusterID(within(t, time.Minute))
	return err
}

func TestTLS(t *testing.T) {
	ca, other := issue(t, nil), issue(t, nil)
	_, good := fake(t, kfake.TLS(issue(t, ca, "127.0.0.1").server(t, nil)))
	_, elsewhere := fake(t, kfake.TLS(issue(t, ca, "elsewhere.example").server(t, nil)))
	_, mutual := fake(t, kfake.TLS(issue(t, ca, "127.0.0.1").server(t, ca)))
	_, plain := fake(t)
	client := issue(t, ca, "client")

	trust := func(s *Settings) { s.Protocol, s.TruststoreCerts = "SSL", ca.cert }
	cases := []struct {
		name, addr string
		set        func(*Settings)
		want       string // in the error; "" for none
	}{
		{"authority as text", good, trust, ""},
		{"authority as a file", good, func(s *Settings) {
			s.Protocol, s.TruststoreLocation = "SSL", write(t, "ca.pem", ca.cert)
		}, ""},
		{"authority with line ends as in a properties file", good, func(s *Settings) {
			s.Protocol, s.TruststoreCerts = "SSL", strings.ReplaceAll(ca.cert, "\n", `\n`)
		}, ""},
		{"another authority", good, func(s *Settings) { s.Protocol, s.TruststoreCerts = "SSL", other.cert }, "not signed by a trusted authority"},
		{"the system's authorities", good, func(s *Settings) { s.Protocol = "SSL" }, "not signed by a trusted authority"},
		{"another host", elsewhere, trust, "does not name that host"},
		{"another host, unchecked", elsewhere, func(s *Settings) { trust(s); s.CheckHost = "" }, ""},
		{"another authority, host unchecked", good, func(s *Settings) {
			s.Protocol, s.TruststoreCerts, s.CheckHost = "SSL", other.cert, ""
		}, "not signed by a trusted authority"},
		{"TLS to a plain listener", plain, trust, "(TLS)"},
		{"plain to a TLS listener", good, func(*Settings) {}, "does security.protocol fit its listener"},
		{"client certificate as text", mutual, func(s *Settings) {
			trust(s)
			s.KeystoreChain, s.KeystoreKey = client.cert, config.Secret(client.key)
		}, ""},
		{"client certificate as a file", mutual, func(s *Settings) {
			trust(s)
			s.KeystoreLocation = write(t, "client.pem", client.key+client.cert)
		}, ""},
		{"no client certificate", mutual, trust, "does it want a client certificate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := settingsOf(c.addr, c.set)
			s.Request = time.Second // no second try where nobody answers
			err := reach(t, s)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSASL(t *testing.T) {
	_, addr := fake(t, kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "plain", `se"cret`),
		kfake.Superuser("SCRAM-SHA-256", "scram256", "secret"),
		kfake.Superuser("SCRAM-SHA-512", "scram512", "secret"))
	cases := []struct{ mechanism, jaas, want string }{
		{"PLAIN", `org.apache.kafka.common.security.plain.PlainLoginModule required username="plain" password="se\"cret";`, ""},
		{"SCRAM-SHA-256", `org.apache.kafka.common.security.scram.ScramLoginModule required username="scram256" password="secret";`, ""},
		{"SCRAM-SHA-512", `org.apache.kafka.common.security.scram.ScramLoginModule required username=scram512 password='secret' ;`, ""},
		{"PLAIN", `org.apache.kafka.common.security.plain.PlainLoginModule required username="plain" password="wrong-one";`, "is the login right?"},
		{"SCRAM-SHA-512", `org.apache.kafka.common.security.scram.ScramLoginModule required username="scram512" password="wrong-one";`, "is the login right?"},
		{"SCRAM-SHA-512", `org.apache.kafka.common.security.scram.ScramLoginModule required username="nobody" password="wrong-one";`, "is the login right?"},
	}
	for _, c := range cases {
		s := settingsOf(addr, func(s *Settings) {
			s.Protocol, s.Mechanism, s.JAAS = "SASL_PLAINTEXT", c.mechanism, config.Secret(c.jaas)
		})
		err := reach(t, s)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: got %v", c.jaas, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", c.jaas, err, c.want)
		case err != nil && strings.Contains(err.Error(), "wrong-one"):
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if err := reach(t, settingsOf(addr)); err == nil || !strings.Contains(err.Error(), "does security.protocol fit its listener") {
		t.Errorf("without a login: got %v", err)
	}
}

// TestAuthorization: errors name what the user has no right to.
func TestAuthorization(t *testing.T) {
	_, addr := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "orders"),
		kfake.Superuser("PLAIN", "root", "p"),
		kfake.User("PLAIN", "reader", "p", kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: "orders", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true},
			kfake.ACL{Resource: kmsg.ACLResourceTypeCluster, Name: "kafka-cluster", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationIdempotentWrite, Allow: true}))
	s := settingsOf(addr, func(s *Settings) {
		s.Protocol = "SASL_PLAINTEXT"
		s.JAAS = `org.apache.kafka.common.security.plain.PlainLoginModule required username="reader" password="p";`
	})
	err := wait(t, makeProducer(t, s), numbered("orders", 0, 0, 1)...)
	if err == nil || !strings.Contains(err.Error(), `topic "orders"`) || !strings.Contains(err.Error(), "kafka-acls --add --topic") || !Permanent(err) {
		t.Errorf("produce: got %v", err)
	}
	err = testAdmin(t, s).EnsureTopic(t.Context(), "new", TopicSpec{})
	if err == nil || !strings.Contains(err.Error(), `topic "new"`) || !Permanent(err) {
		t.Errorf("create: got %v", err)
	}
	g, err := NewGroup(s, GroupOptions{ID: "sink", Topics: []string{"orders"}}, log())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(t.Context())
	for {
		_, err = g.Poll(within(t, time.Minute))
		if err != nil {
			break
		}
	}
	if !strings.Contains(err.Error(), `group "sink"`) || !strings.Contains(err.Error(), "--operation Read --group") || !Permanent(err) {
		t.Errorf("join: got %v", err)
	}
}

func TestParseJAAS(t *testing.T) {
	cases := []struct{ text, module, user, password string }{
		{`a.ScramLoginModule required username="u" password="p";`, "a.ScramLoginModule", "u", "p"},
		{"a.M required\n  password='p;=\"'\n  username = u ;", "a.M", "u", `p;="`},
		{`a.M required username="u" password="" tokenauth="true";`, "a.M", "u", ""},
		{`a.M required username="back\\slash" password="quo\"te";`, "a.M", `back\slash`, `quo"te`},
	}
	for _, c := range cases {
		module, user, password, err := parseJAAS(c.text)
		if err != nil || module != c.module || user != c.user || password != c.password {
			t.Errorf("%s: got %q, %q, %q, %v; want %q, %q, %q", c.text, module, user, password, err, c.module, c.user, c.password)
		}
	}
	for _, bad := range []string{"", "hunter2", `a.M required username="u" password="hunter2"`, `a.M required password="hunter2";`, `a.M required username="u" password="hunter2;`} {
		if _, _, _, err := parseJAAS(bad); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "ScramLoginModule required") {
			t.Errorf("%s: got %v, want how to write it", bad, err)
		}
	}
}

// TestRealSecurity is what the embedded broker does not do as Kafka does: it hangs up where Kafka
// says that the login is wrong.
func TestRealSecurity(t *testing.T) {
	testenv.SharedKafka(t) // skips where servers are not wanted
	ca := issue(t, nil)
	server := issue(t, ca, "127.0.0.1")
	plainAt, saslAt, tlsAt := nobody(t), nobody(t), nobody(t)
	_, port, err := net.SplitHostPort(plainAt)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	controller := nobody(t)
	testenv.OwnKafka(t, testenv.KafkaOptions{Port: number, Properties: map[string]string{
		"listeners":                                  fmt.Sprintf("PLAINTEXT://%s,LOGIN://%s,TLS://%s,CONTROLLER://%s", plainAt, saslAt, tlsAt, controller),
		"advertised.listeners":                       fmt.Sprintf("PLAINTEXT://%s,LOGIN://%s,TLS://%s", plainAt, saslAt, tlsAt),
		"controller.quorum.voters":                   "1@" + controller,
		"listener.security.protocol.map":             "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SSL",
		"sasl.enabled.mechanisms":                    "PLAIN",
		"listener.name.login.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required user_app="right-one";`,
		"listener.name.tls.ssl.keystore.type":        "PEM",
		"listener.name.tls.ssl.keystore.location":    write(t, "server.pem", server.key+server.cert+ca.cert),
		"listener.name.tls.ssl.truststore.type":      "PEM",
		"listener.name.tls.ssl.truststore.location":  write(t, "ca.pem", ca.cert),
		"listener.name.tls.ssl.client.auth":          "required",
	}})
	client := issue(t, ca, "client")
	login := func(password string) func(*Settings) {
		return func(s *Settings) {
			s.Protocol = "SASL_PLAINTEXT"
			s.JAAS = config.Secret(fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required username="app" password=%q;`, password))
		}
	}
	trust := func(s *Settings) { s.Protocol, s.TruststoreCerts = "SSL", ca.cert }
	cases := []struct {
		name, addr string
		set        func(*Settings)
		want       string
		permanent  bool
	}{
		{"login", saslAt, login("right-one"), "", false},
		{"wrong password", saslAt, login("wrong-one"), "refuses the login", true},
		{"no login", saslAt, func(*Settings) {}, "does security.protocol fit its listener", false},
		{"mutual TLS", tlsAt, func(s *Settings) {
			trust(s)
			s.KeystoreChain, s.KeystoreKey = client.cert, config.Secret(client.key)
		}, "", false},
		{"no client certificate", tlsAt, trust, "does it want a client certificate", true},
		{"TLS to a plain listener", plainAt, trust, "(TLS)", false},
		{"plain to a TLS listener", tlsAt, func(*Settings) {}, "a plaintext connection speaking to a tls endpoint", false},
	}
	for _, c := range cases {
		err := reach(t, settingsOf(c.addr, c.set))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: got %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || Permanent(err) != c.permanent):
			t.Errorf("%s: got %v (permanent: %v), want %q (permanent: %v)", c.name, err, Permanent(err), c.want, c.permanent)
		}
	}
}
