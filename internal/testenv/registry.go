package testenv

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// RegistryOptions say how a registry differs from the usual one.
type RegistryOptions struct {
	Port           int // 0: a free one
	User, Password string
	TLS            *tls.Config // nil: plain HTTP
}

// Registry is a Schema Registry. No real one can be installed without Docker, so it is the one
// that franz-go is tested with, in the program that starts it, with what that one leaves out:
// schemas that are no Avro, or not compatible, are refused, and so is a wrong user.
type Registry struct {
	URL string // such as http://127.0.0.1:8081

	fake     *srfake.Registry // nil: started by another process
	options  RegistryOptions
	server   *http.Server // nil while it is stopped
	requests atomic.Int64
}

// StartRegistry starts a registry.
func StartRegistry(ctx context.Context, o RegistryOptions) (*Registry, error) {
	port, err := freePort(o.Port)
	if err != nil {
		return nil, err
	}
	o.Port = port
	r := &Registry{URL: "http://" + address(port), fake: srfake.NewRegistry(), options: o}
	if o.TLS != nil {
		r.URL = "https://" + address(port)
	}
	r.fake.Intercept(r.check)
	return r, r.Start()
}

// Start starts a registry that was stopped, on the same port and with its schemas.
func (r *Registry) Start() error {
	if r.fake == nil {
		return errShared("registry")
	}
	l, err := net.Listen("tcp", address(r.options.Port))
	if err != nil {
		return fmt.Errorf("start registry: %w", err)
	}
	if r.options.TLS != nil {
		l = tls.NewListener(l, r.options.TLS)
	}
	r.server = &http.Server{Handler: r.fake.Handler()}
	go r.server.Serve(l) // ends with Stop
	return nil
}

// Stop ends the registry and what it is answering; its schemas stay.
func (r *Registry) Stop() error {
	if r.fake == nil {
		return errShared("registry")
	}
	if r.server == nil {
		return nil
	}
	err := r.server.Close()
	r.server = nil
	return err
}

// Close ends the registry.
func (r *Registry) Close() error { return r.Stop() }

// Intercept lets f answer requests in the registry's place; see srfake.
func (r *Registry) Intercept(f func(w http.ResponseWriter, request *http.Request) (handled bool)) {
	r.fake.Intercept(f)
}

// Requests is how many the registry has had.
func (r *Registry) Requests() int64 { return r.requests.Load() }

// Client is a client with the registry's user.
func (r *Registry) Client() (*sr.Client, error) {
	options := []sr.ClientOpt{sr.URLs(r.URL)}
	if r.options.User != "" {
		options = append(options, sr.BasicAuth(r.options.User, r.options.Password))
	}
	return sr.NewClient(options...)
}

// check refuses what a real registry does.
func (r *Registry) check(w http.ResponseWriter, request *http.Request) (handled bool) {
	r.requests.Add(1)
	if user, password, _ := request.BasicAuth(); r.options.User != "" && (user != r.options.User || password != r.options.Password) {
		refuse(w, http.StatusUnauthorized, http.StatusUnauthorized, "Unauthorized")
		return true
	}
	subject, ok := strings.CutPrefix(request.URL.Path, "/subjects/")
	subject, versions := strings.CutSuffix(subject, "/versions")
	if !ok || !versions || request.Method != http.MethodPost {
		return false
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, sr.ErrInvalidSchema.Code, err.Error())
		return true
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	var s sr.Schema
	if json.Unmarshal(body, &s) != nil || s.Type != sr.TypeAvro || len(s.References) > 0 {
		return false
	}
	schema, err := avro.Parse(s.Schema)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, sr.ErrInvalidSchema.Code, "Invalid schema: "+err.Error())
		return true
	}
	if err := r.compatible(subject, schema); err != nil {
		refuse(w, http.StatusConflict, http.StatusConflict, "Schema being registered is incompatible with an earlier schema for subject \""+subject+"\", details: "+err.Error())
		return true
	}
	return false
}

// compatible compares schema with the newest one of the subject, as the subject wants it.
func (r *Registry) compatible(subject string, schema *avro.Schema) error {
	var newest string
	for v := 1; ; v++ {
		s, ok := r.fake.GetSchema(subject, v)
		if !ok {
			break
		}
		newest = s.Schema.Schema
	}
	before, err := avro.Parse(newest)
	if err != nil {
		return nil // there is none
	}
	level := r.level(subject)
	if strings.HasPrefix(level, "BACKWARD") || strings.HasPrefix(level, "FULL") {
		err = avro.CheckCompatibility(before, schema)
	}
	if strings.HasPrefix(level, "FORWARD") || strings.HasPrefix(level, "FULL") {
		err = errors.Join(err, avro.CheckCompatibility(schema, before))
	}
	return err
}

// level is the compatibility that the subject is set to.
func (r *Registry) level(subject string) string {
	client, err := r.Client()
	if err != nil {
		return ""
	}
	for _, result := range client.Compatibility(context.Background(), subject) {
		if result.Err == nil {
			return result.Level.String()
		}
	}
	return sr.CompatBackward.String()
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error_code": code, "message": message}) // the client is gone
}
