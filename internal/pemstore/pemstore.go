// Package pemstore reads the trust stores and key stores that clients are configured with, in the
// terms of Kafka's Java clients; out flows a tls.Config. Only PEM is read: what is said of other
// stores is how to convert them.
package pemstore

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
)

// Stores are the settings of one client.
type Stores struct {
	Prefix string // of the keys, in messages: "ssl."

	TruststoreType, TruststoreLocation, TruststoreCerts string
	KeystoreType, KeystoreLocation, KeystoreChain       string
	KeystoreKey                                         string
}

// Config is what a client needs. Without checkHost the server's certificate may name another host.
func (s *Stores) Config(checkHost bool) (*tls.Config, error) {
	roots, err := s.Roots()
	if err != nil {
		return nil, fmt.Errorf("%struststore: %w", s.Prefix, err)
	}
	certificates, err := s.Certificates()
	if err != nil {
		return nil, fmt.Errorf("%skeystore: %w", s.Prefix, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: certificates}
	if !checkHost {
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

// Roots is nil for the authorities that the system trusts.
func (s *Stores) Roots() (*x509.CertPool, error) {
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

// Certificates is what this client shows: nothing, or one chain with its key.
func (s *Stores) Certificates() ([]tls.Certificate, error) {
	inline := s.KeystoreChain + "\n" + s.KeystoreKey
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
func (s *Stores) readPEM(store, kind, location, inline string) ([]byte, error) {
	switch strings.ToLower(filepath.Ext(location)) {
	case ".jks":
		kind = "JKS"
	case ".p12", ".pfx", ".pkcs12":
		kind = "PKCS12"
	}
	if (location != "" || inline != "") && !strings.EqualFold(kind, "PEM") {
		return nil, s.conversion(store, strings.ToUpper(kind), location)
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
		return nil, s.conversion(store, "not PEM", location)
	}
	return text, nil
}

// conversion says how to get PEM from a Java store.
func (s *Stores) conversion(store, kind, location string) error {
	if location == "" {
		location = "STORE"
	}
	what := "-nokeys"
	if store == "keystore" {
		what = "-nodes"
	}
	return fmt.Errorf("%s is %s, and only PEM is read; convert it with keytool -importkeystore -srckeystore %s -destkeystore store.p12 -deststoretype PKCS12 (not needed for PKCS12), then openssl pkcs12 -in store.p12 %s -out store.pem, and set %[5]s%[6]s.type: PEM and %[5]s%[6]s.location: store.pem",
		location, kind, location, what, s.Prefix, store)
}
