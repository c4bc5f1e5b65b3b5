package kafka

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"connectd/config"
)

// Security is how a client proves who it is, and checks who the broker is.
type Security struct {
	Protocol  string        `yaml:"security.protocol" values:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL" doc:"whether connections use TLS and SASL"`
	Mechanism string        `yaml:"sasl.mechanism" values:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" doc:"how SASL proves the user"`
	JAAS      config.Secret `yaml:"sasl.jaas.config" doc:"user and password, in the form of the Java clients: org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"p\";"`

	TruststoreType     string `yaml:"ssl.truststore.type" doc:"PEM; other stores must be converted"`
	TruststoreLocation string `yaml:"ssl.truststore.location" doc:"PEM file with the certificate authorities to trust; without it, those of the system"`
	TruststoreCerts    string `yaml:"ssl.truststore.certificates" doc:"PEM text of the certificate authorities to trust"`

	KeystoreType     string        `yaml:"ssl.keystore.type" doc:"PEM; other stores must be converted"`
	KeystoreLocation string        `yaml:"ssl.keystore.location" doc:"PEM file with this client's key and certificate chain"`
	KeystoreChain    string        `yaml:"ssl.keystore.certificate.chain" doc:"PEM text of this client's certificate chain"`
	KeystoreKey      config.Secret `yaml:"ssl.keystore.key" doc:"PEM text of this client's private key"`

	// Accepted because they are often set; they belong to stores and keys that are refused.
	TruststorePassword config.Secret `yaml:"ssl.truststore.password" doc:"not needed for PEM"`
	KeystorePassword   config.Secret `yaml:"ssl.keystore.password" doc:"not needed for PEM"`
	KeyPassword        config.Secret `yaml:"ssl.key.password" doc:"not supported: keys must not be encrypted"`

	CheckHost string `yaml:"ssl.endpoint.identification.algorithm" doc:"https checks that the broker's certificate names its host; empty does not"`
}

// validate reports what would stop a client from being built.
func (s *Security) validate(r *config.Report) {
	if s.CheckHost != "" && s.CheckHost != "https" {
		r.Errorf("ssl.endpoint.identification.algorithm", "%q is not known; write https, or nothing to accept any host name", s.CheckHost)
	}
	if s.usesTLS() {
		if _, err := s.roots(); err != nil {
			r.Errorf("ssl.truststore.location", "%s", err)
		}
		if _, err := s.certificates(); err != nil {
			r.Errorf("ssl.keystore.location", "%s", err)
		}
	}
	if s.usesSASL() {
		if _, err := s.mechanism(); err != nil {
			r.Errorf("sasl.jaas.config", "%s", err)
		}
	}
}

func (s *Security) usesTLS() bool  { return s.Protocol == "SSL" || s.Protocol == "SASL_SSL" }
func (s *Security) usesSASL() bool { return strings.HasPrefix(s.Protocol, "SASL_") }

// tlsConfig is nil without TLS.
func (s *Security) tlsConfig() (*tls.Config, error) {
	if !s.usesTLS() {
		return nil, nil
	}
	roots, err := s.roots()
	if err != nil {
		return nil, fmt.Errorf("ssl.truststore: %w", err)
	}
	certificates, err := s.certificates()
	if err != nil {
		return nil, fmt.Errorf("ssl.keystore: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: certificates}
	if s.CheckHost == "" {
		// Only the host name goes unchecked: the chain must still lead to a trusted authority.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, cert := range state.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := state.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return c, nil
}

// roots is nil for the authorities that the system trusts.
func (s *Security) roots() (*x509.CertPool, error) {
	text, err := s.readPEM("truststore", s.TruststoreType, s.TruststoreLocation, s.TruststoreCerts)
	if err != nil || text == nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no certificate; it must have at least one BEGIN CERTIFICATE block")
	}
	return pool, nil
}

// certificates is what this client shows: nothing, or one chain with its key.
func (s *Security) certificates() ([]tls.Certificate, error) {
	inline := s.KeystoreChain + "\n" + s.KeystoreKey.Reveal()
	if strings.TrimSpace(inline) == "" {
		inline = ""
	}
	text, err := s.readPEM("keystore", s.KeystoreType, s.KeystoreLocation, inline)
	if err != nil || text == nil {
		return nil, err
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the private key is encrypted; decrypt it with openssl pkey -in KEY.pem -out PLAIN.pem, and protect the file by its mode")
		}
	}
	cert, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("needs one private key and its certificate chain in PEM: %w", err)
	}
	return []tls.Certificate{cert}, nil
}

// readPEM is the PEM text of a store, nil when none is configured.
func (s *Security) readPEM(store, kind, location, inline string) ([]byte, error) {
	switch strings.ToLower(filepath.Ext(location)) {
	case ".jks":
		kind = "JKS"
	case ".p12", ".pfx", ".pkcs12":
		kind = "PKCS12"
	}
	if (location != "" || inline != "") && !strings.EqualFold(kind, "PEM") {
		return nil, conversion(store, strings.ToUpper(kind), location)
	}
	if inline != "" {
		// In properties files line ends are often written as \n.
		return []byte(strings.ReplaceAll(inline, `\n`, "\n")), nil
	}
	if location == "" {
		return nil, nil
	}
	text, err := os.ReadFile(location)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		return nil, conversion(store, "not PEM", location)
	}
	return text, nil
}

// conversion says how to get PEM from a Java store.
func conversion(store, kind, location string) error {
	if location == "" {
		location = "STORE"
	}
	what := "-nokeys"
	if store == "keystore" {
		what = "-nodes"
	}
	return fmt.Errorf("%s is %s, and only PEM is read; convert it with keytool -importkeystore -srckeystore %s -destkeystore store.p12 -deststoretype PKCS12 (not needed for PKCS12), then openssl pkcs12 -in store.p12 %s -out store.pem, and set ssl.%s.type: PEM and ssl.%s.location: store.pem",
		location, kind, location, what, store, store)
}

// mechanism is nil without SASL.
func (s *Security) mechanism() (sasl.Mechanism, error) {
	if !s.usesSASL() {
		return nil, nil
	}
	module, user, password, err := parseJAAS(s.JAAS.Reveal())
	if err != nil {
		return nil, err
	}
	want := "ScramLoginModule"
	if s.Mechanism == "PLAIN" {
		want = "PlainLoginModule"
	}
	if !strings.HasSuffix(module, "."+want) && module != want {
		return nil, fmt.Errorf("its login module %s does not fit sasl.mechanism %s; use one that ends in %s", module, s.Mechanism, want)
	}
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	default:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
}
