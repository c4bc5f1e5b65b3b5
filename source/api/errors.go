package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"connectd/connect"
)

// LoopError says that the pages of an API go in a circle.
type LoopError struct {
	Page  int    // the page that leads back, from 1
	First int    // the page that led there before
	What  string // the token, shortened
}

// Error says what to look at.
func (e *LoopError) Error() string {
	if e.What == "" {
		return fmt.Sprintf("page %d has the very same records as page %d: the API does not heed ${page} or ${offset}; compare the parameter's name with the API's documentation", e.Page, e.First)
	}
	return fmt.Sprintf("page %d leads to %q, as page %d did: the pages go in a circle; check http.pagination.token.pointer, and that the request sends ${token}", e.Page, e.What, e.First)
}

// statusError is an answer that holds no records.
type statusError struct {
	code int
	at   string // of the request, without its query
	text string // begin of the answer
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.at, e.code, http.StatusText(e.code))
	if e.text != "" {
		text += fmt.Sprintf(": %q", e.text)
	}
	return text
}

// hint is what to do about a status that stays.
func (e *statusError) hint() string {
	switch e.code {
	case http.StatusUnauthorized:
		return "check http.auth.type and its credentials"
	case http.StatusForbidden:
		return "the credentials are good but may not read this; ask for the right, or check the scope"
	case http.StatusNotFound, http.StatusGone:
		return "check http.request.url"
	case http.StatusMethodNotAllowed:
		return "check http.request.method"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "check http.request.params, http.request.body and http.cursor.request.format"
	}
	return "if it is worth another try, add it to http.response.policy.codes.retry; if it means nothing new, to http.response.policy.codes.skip"
}

// refused is e as an error that does not heal by itself.
func (e *statusError) refused() error { return connect.Permanent(fmt.Errorf("%w; %s", e, e.hint())) }

// withoutURL is err without the URL that net/http puts into it: its query may hold a key.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// place is where a request goes, for people: without user and query, which may be secret.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// begin is the begin of an answer, for a message.
func begin(answer []byte) string {
	const most = 160
	text := strings.ToValidUTF8(string(answer[:min(len(answer), most)]), "")
	return strings.Join(strings.Fields(text), " ")
}
