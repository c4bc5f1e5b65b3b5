package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"connectd/config"
)

// authenticator puts credentials into requests. Requests of several endpoints may use it at once.
type authenticator interface {
	// apply may ask for a token first.
	apply(ctx context.Context, r *http.Request) error
	// refresh forgets the token that r was refused with; false when there is nothing to renew.
	refresh(r *http.Request) bool
}

// newAuthenticator makes the authenticator that a describes; client sends its requests.
func newAuthenticator(a *Auth, client *http.Client, log *slog.Logger) authenticator {
	switch a.Type {
	case "basic":
		return fixed(func(r *http.Request) { r.SetBasicAuth(a.User, a.Password.Reveal()) })
	case "bearer":
		return fixed(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+a.Bearer.Reveal()) })
	case "api_key":
		return fixed(a.applyKey)
	case "oauth2_client_credentials", "oauth2":
		return newToken(func(ctx context.Context) (string, time.Time, error) {
			t, err := a.oauth2(ctx, client, "")
			if err != nil {
				return "", time.Time{}, err
			}
			return t.Type() + " " + t.AccessToken, t.Expiry, nil
		}, authorize)
	case refreshType:
		t := &refreshToken{configured: a.Refresh.Reveal(), file: a.RefreshFile, log: log}
		t.ask = func(ctx context.Context, refresh string) (*oauth2.Token, error) {
			return a.oauth2(ctx, client, refresh)
		}
		return newToken(t.exchange, authorize)
	case "session":
		return newSession(a, client)
	}
	return fixed(func(*http.Request) {})
}

// fixed are credentials that do not change.
type fixed func(*http.Request)

func (f fixed) apply(_ context.Context, r *http.Request) error { f(r); return nil }
func (fixed) refresh(*http.Request) bool                       { return false }

func (a *Auth) applyKey(r *http.Request) {
	if a.APIPlace == "header" {
		r.Header.Set(a.APIName, a.APIKey.Reveal())
		return
	}
	q := r.URL.Query()
	q.Set(a.APIName, a.APIKey.Reveal())
	r.URL.RawQuery = q.Encode()
}

// refreshType is the http.auth.type whose refresh token may change: one task has it.
const refreshType = "oauth2_refresh_token"

func authorize(r *http.Request, token string) { r.Header.Set("Authorization", token) }

// oauth2 exchanges client credentials, or a refresh token unless it is empty, for a token.
func (a *Auth) oauth2(ctx context.Context, client *http.Client, refresh string) (*oauth2.Token, error) {
	c := clientcredentials.Config{
		ClientID: a.ID, ClientSecret: a.Secret.Reveal(), TokenURL: a.TokenURL,
		Scopes: strings.Fields(a.Scopes), AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: url.Values{},
	}
	if a.Mode != "header" || a.Secret == "" {
		c.AuthStyle = oauth2.AuthStyleInParams
	}
	for name, value := range a.Further {
		c.EndpointParams.Set(name, value)
	}
	if refresh != "" {
		c.EndpointParams.Set("grant_type", "refresh_token")
		c.EndpointParams.Set("refresh_token", refresh)
	}
	t, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return nil, a.tokenError(err)
	}
	return t, nil
}

// token keeps a credential that is asked for and ends some time.
type token struct {
	ask   func(context.Context) (text string, end time.Time, err error)
	place func(r *http.Request, text string)

	mu   sync.Mutex
	text string
	end  time.Time
	busy chan struct{} // closed when the one who asks has an answer; nil when nobody does
}

func newToken(ask func(context.Context) (string, time.Time, error), place func(*http.Request, string)) *token {
	return &token{ask: ask, place: place}
}

// early is how long before its end a token is renewed, so that it does not end on its way.
const early = 10 * time.Second

func (t *token) apply(ctx context.Context, r *http.Request) error {
	for {
		t.mu.Lock()
		if t.text != "" && (t.end.IsZero() || time.Until(t.end) > early) {
			t.place(r, t.text)
			t.mu.Unlock()
			return nil
		}
		busy := t.busy
		if busy == nil {
			t.busy = make(chan struct{})
		}
		t.mu.Unlock()
		if busy == nil {
			return t.renew(ctx, r)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// renew asks for a token while the others wait, and places it: also one that ends at once.
func (t *token) renew(ctx context.Context, r *http.Request) error {
	text, end, err := t.ask(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.busy)
	t.busy = nil
	if err != nil {
		return err
	}
	t.text, t.end = text, end
	t.place(r, text)
	return nil
}

func (t *token) refresh(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	probe := &http.Request{Header: http.Header{}}
	t.place(probe, t.text)
	for name := range probe.Header {
		if r.Header.Get(name) != probe.Header.Get(name) {
			return true // another request has renewed it already
		}
	}
	t.text = ""
	return true
}

// validate checks that what the type needs is there.
func (a *Auth) validate(r *config.Report) {
	need := func(key string, missing bool) {
		if missing {
			r.Errorf(key, "is missing; http.auth.type: %s needs it", a.Type)
		}
	}
	switch a.Type {
	case "basic":
		need("http.auth.user", a.User == "")
	case "bearer":
		need("http.auth.bearer.token", a.Bearer == "")
	case "api_key":
		need("http.auth.api.key", a.APIKey == "")
		need("http.auth.api.key.name", a.APIName == "")
	case "oauth2_client_credentials", "oauth2":
		need("http.auth.oauth2.token.url", a.TokenURL == "")
		need("http.auth.oauth2.client.id", a.ID == "")
		need("http.auth.oauth2.client.secret", a.Secret == "")
	case refreshType:
		need("http.auth.oauth2.token.url", a.TokenURL == "")
		need("http.auth.oauth2.client.id", a.ID == "")
		need("http.auth.oauth2.refresh.token", a.Refresh == "" && a.RefreshFile == "")
	case "session":
		need("http.auth.session.url", a.LoginURL == "")
		need("http.auth.session.body", a.LoginBody == "" && a.LoginMethod != http.MethodGet)
	case "none":
		for key, set := range map[string]bool{
			"http.auth.user": a.User != "", "http.auth.password": a.Password != "", "http.auth.bearer.token": a.Bearer != "",
			"http.auth.api.key": a.APIKey != "", "http.auth.oauth2.token.url": a.TokenURL != "", "http.auth.session.url": a.LoginURL != "",
		} {
			if set {
				r.Errorf(key, "is set and http.auth.type is none; set http.auth.type too")
			}
		}
	}
}

// secrets are the texts that no message may show.
func (a *Auth) secrets() []string {
	var all []string
	for _, s := range []config.Secret{a.Password, a.Bearer, a.APIKey, a.Secret, a.Refresh, a.LoginBody} {
		if len(s) >= 4 {
			all = append(all, s.Reveal(), "****")
		}
	}
	return all
}

// tokenError is an error of the token endpoint without what may be secret in it.
func (a *Auth) tokenError(err error) error {
	return fmt.Errorf("ask %s for a token: %w", withoutQuery(a.TokenURL), &loginError{err})
}
