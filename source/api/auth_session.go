package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"connectd/connect"
	"connectd/convert"
)

// loginLimit bounds the answer to a login.
const loginLimit = 1 << 20

// newSession logs in for a token or a cookie.
func newSession(a *Auth, client *http.Client) *token {
	return newToken(
		func(ctx context.Context) (string, time.Time, error) {
			text, err := a.login(ctx, client)
			if err != nil {
				err = fmt.Errorf("log in at %s: %w", withoutQuery(a.LoginURL), err)
			}
			return text, time.Time{}, err
		},
		func(r *http.Request, text string) {
			if a.LoginPointer == "" {
				r.Header.Set("Cookie", text)
			} else {
				r.Header.Set(a.LoginHeader, a.LoginPrefix+text)
			}
		})
}

// login is the token, or the text of the Cookie header.
func (a *Auth) login(ctx context.Context, client *http.Client) (string, error) {
	body := strings.TrimSpace(a.LoginBody.Reveal())
	r, err := http.NewRequestWithContext(ctx, a.LoginMethod, a.LoginURL, strings.NewReader(body))
	if err != nil {
		return "", withoutURL(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := client.Do(r)
	if err != nil {
		return "", withoutURL(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, loginLimit))
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode >= 400 {
		return "", &loginError{&statusError{code: response.StatusCode, at: "it"}}
	}
	if a.LoginPointer == "" {
		return cookies(response)
	}
	pointer, err := convert.ParsePointer(a.LoginPointer)
	if err != nil {
		return "", connect.Permanent(err)
	}
	parts := make([][]byte, 1)
	if err := convert.Find(text, []convert.Pointer{pointer}, parts); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if t := tokenText(parts[0]); t != "" {
		return t, nil
	}
	return "", fmt.Errorf("the answer has no token at %s; check http.auth.session.token.pointer", a.LoginPointer)
}

func cookies(response *http.Response) (string, error) {
	var pairs []string
	for _, c := range response.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	if len(pairs) == 0 {
		return "", errors.New("the answer sets no cookie; set http.auth.session.token.pointer to where the token is")
	}
	return strings.Join(pairs, "; "), nil
}

// loginError is an error of a login or a token endpoint. The answer may repeat what was sent: the
// message keeps to the status.
type loginError struct{ err error }

func (e *loginError) Error() string {
	if code := e.code(); code != 0 {
		return fmt.Sprintf("the answer is %d %s; check the credentials of http.auth", code, http.StatusText(code))
	}
	return withoutURL(e.err).Error()
}

func (e *loginError) Unwrap() error { return withoutURL(e.err) }

// code is the status of the answer, 0 when there was none.
func (e *loginError) code() int {
	var refused *oauth2.RetrieveError
	var status *statusError
	switch {
	case errors.As(e.err, &refused) && refused.Response != nil:
		return refused.Response.StatusCode
	case errors.As(e.err, &status):
		return status.code
	}
	return 0
}

// refused says whether another attempt with the same credentials is of no use.
func (e *loginError) refused() bool {
	code := e.code()
	return code >= 400 && code < 500 && code != http.StatusTooManyRequests && code != http.StatusRequestTimeout
}

// withoutQuery is a URL for messages.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the configured URL"
	}
	return place(u)
}
