package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/oauth2"

	"connectd/convert"
	"connectd/internal/dial"
)

// ErrMissing is what is returned, wrapped, for a schema or a subject that the registry does not have.
var ErrMissing = errors.New("the registry does not have it")

// tokenError says that there was no OAuth2 token to ask with.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// explain says in one sentence what the registry has against doing, and what helps. An error that
// is no fault of a record is a convert.Blocked.
func (c *Client) explain(doing string, err error) error {
	var (
		token  *tokenError
		answer *sr.ResponseError
	)
	say := func(permanent bool, format string, args ...any) error {
		return &convert.Blocked{Permanent: permanent, Err: fmt.Errorf("schema registry %s: %s: %w", c.names, doing, fmt.Errorf(format, args...))}
	}
	switch {
	case errors.As(err, &token):
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 {
			return say(true, "%s gives no token (%s); check bearer.auth.client.id and bearer.auth.client.secret", c.config.IssuerURL, refused.Response.Status)
		}
		return say(false, "%s gives no token: %s", c.config.IssuerURL, dial.Cause(token.err))
	case !errors.As(err, &answer):
		return say(false, "%s", dial.Cause(err))
	}
	text := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(answer.Message), "."), "\n", "; ")
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized:
		return say(true, "it wants other credentials (401); check basic.auth.credentials.source with basic.auth.user.info, or bearer.auth.token")
	case status == http.StatusForbidden:
		return say(true, "the user may not do this (403); give it the right to the subject")
	case status == http.StatusNotFound && answer.ErrorCode < 40400, status == http.StatusMethodNotAllowed:
		return say(true, "there is no schema registry at this address (%d); check schema.registry.url", status)
	case status == http.StatusNotFound:
		return fmt.Errorf("schema registry %s: %s: %w (%s)", c.names, doing, ErrMissing, text)
	case status == http.StatusConflict:
		return say(true, "it is not compatible with the schemas that are there (409): %s; change the compatibility of the subject, or write to another topic", text)
	case status == http.StatusUnprocessableEntity:
		return say(true, "it is refused as invalid (422): %s", text)
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return say(false, "it can not answer (%d): %s", status, text)
	default:
		return say(true, "it answers with %d: %s", status, text)
	}
}
