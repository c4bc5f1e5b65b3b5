package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"connectd/connect"
)

// refreshToken exchanges a refresh token for access tokens. Many servers answer with another
// refresh token, after which the one before is worth nothing (RFC 6749, section 6). It is a secret
// that only we know then, so it is kept in a file of the operator's choice, and not in the offsets
// topic, whose readers are more than those who may know it.
type refreshToken struct {
	ask        func(ctx context.Context, refresh string) (*oauth2.Token, error)
	configured string // by http.auth.oauth2.refresh.token
	file       string // "" for none
	log        *slog.Logger
	current    string // the newest one; "" before the first exchange
	unsaved    bool   // current is not in the file
}

// exchange asks for an access token. It is called by one goroutine at a time.
func (t *refreshToken) exchange(ctx context.Context) (text string, end time.Time, err error) {
	if err := t.open(); err != nil {
		return "", time.Time{}, err
	}
	used := t.current
	got, err := t.ask(ctx, used)
	var refused *loginError
	if errors.As(err, &refused) && refused.refused() && t.configured != "" && used != t.configured {
		// Somebody has signed in anew, and written the token into the settings.
		used = t.configured
		got, err = t.ask(ctx, used)
	}
	if err != nil {
		return "", time.Time{}, err
	}
	t.keep(used, got.RefreshToken)
	return got.Type() + " " + got.AccessToken, got.Expiry, nil
}

// open finds the newest token. A file that can not be written is an error now, and not once it has
// to take a token that nobody else knows.
func (t *refreshToken) open() error {
	if t.current != "" {
		return nil
	}
	t.current = t.configured
	if t.file == "" {
		return nil
	}
	text, err := os.ReadFile(t.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return connect.Permanent(fmt.Errorf("read http.auth.oauth2.refresh.token.file: %w", err))
	}
	if saved := strings.TrimSpace(string(text)); saved != "" {
		t.current = saved
	}
	if t.current == "" {
		return connect.Permanent(fmt.Errorf("http.auth.oauth2.refresh.token.file: %q holds no token; write it into the file, or into http.auth.oauth2.refresh.token", t.file))
	}
	if err := t.save(); err != nil {
		return connect.Permanent(fmt.Errorf("write http.auth.oauth2.refresh.token.file, which has to take each new token: %w", err))
	}
	return nil
}

// keep notes the refresh token for the next exchange, after one with used.
func (t *refreshToken) keep(used, next string) {
	rotated := next != used
	if t.current != next {
		t.current, t.unsaved = next, true
	}
	switch {
	case t.file == "" && rotated:
		t.log.Warn("the server has replaced the refresh token, and only this task knows the new one: after a restart the configured one may be refused; set http.auth.oauth2.refresh.token.file")
	case t.file != "" && t.unsaved:
		if err := t.save(); err != nil {
			// Going on is better than forgetting the only token that is good: the next exchange
			// tries again.
			t.log.Error("the new refresh token can not be kept; it is lost with this task", "file", t.file, "err", err)
		}
	}
}

// save replaces the file as a whole, so that a crash leaves the one token or the other.
func (t *refreshToken) save() error {
	next, err := os.CreateTemp(filepath.Dir(t.file), ".refresh-token-") // readable by the owner only
	if err != nil {
		return err
	}
	_, err = next.WriteString(t.current + "\n")
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), t.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	t.unsaved = false
	return nil
}
