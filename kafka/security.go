package kafka

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"connectd/config"
	"connectd/internal/pemstore"
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
		if _, err := s.stores().Roots(); err != nil {
			r.Errorf("ssl.truststore.location", "%s", err)
		}
		if _, err := s.stores().Certificates(); err != nil {
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

// stores are the PEM files and texts of the settings.
func (s *Security) stores() *pemstore.Stores {
	return &pemstore.Stores{
		Prefix:         "ssl.",
		TruststoreType: s.TruststoreType, TruststoreLocation: s.TruststoreLocation, TruststoreCerts: s.TruststoreCerts,
		KeystoreType: s.KeystoreType, KeystoreLocation: s.KeystoreLocation, KeystoreChain: s.KeystoreChain, KeystoreKey: s.KeystoreKey.Reveal(),
	}
}

// tlsConfig is nil without TLS.
func (s *Security) tlsConfig() (*tls.Config, error) {
	if !s.usesTLS() {
		return nil, nil
	}
	return s.stores().Config(s.CheckHost != "")
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
