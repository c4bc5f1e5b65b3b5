package registry

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/sr"
)

// maxReferences bounds how many schemas one may refer to.
const maxReferences = 1000

// ByID is the schema with this id.
func (c *Client) ByID(id int) (Schema, error) {
	c.mu.Lock()
	s, ok := c.byID[id]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	// Every partition of a topic meets a new id at the same moment.
	got, err, _ := c.once.Do(strconv.Itoa(id), func() (any, error) {
		doing := fmt.Sprintf("schema with id %d", id)
		var found sr.Schema
		if err := c.ask(doing, func(ctx context.Context) (err error) { found, err = c.asks.SchemaByID(ctx, id); return err }); err != nil {
			return Schema{}, err
		}
		return c.complete(doing, found)
	})
	if err != nil {
		return Schema{}, err
	}
	s = got.(Schema)
	c.mu.Lock()
	if len(c.byID) >= maxSchemas {
		clear(c.byID)
	}
	c.byID[id] = s
	c.mu.Unlock()
	return s, nil
}

// maxSchemas bounds what is remembered.
const maxSchemas = 10_000

// complete reads what s refers to.
func (c *Client) complete(doing string, s sr.Schema) (Schema, error) {
	made := Schema{Type: s.Type, Text: s.Schema}
	known := map[string]bool{}
	var add func([]sr.SchemaReference) error
	add = func(references []sr.SchemaReference) error {
		for _, r := range references {
			name := r.Subject + " " + strconv.Itoa(r.Version)
			if known[name] {
				continue
			}
			if len(known) == maxReferences {
				return fmt.Errorf("%s refers to more than %d others", doing, maxReferences)
			}
			known[name] = true
			var found sr.SubjectSchema
			reading := fmt.Sprintf("version %d of subject %q, which the %s refers to", r.Version, r.Subject, doing)
			if err := c.ask(reading, func(ctx context.Context) (err error) {
				found, err = c.asks.SchemaByVersion(ctx, r.Subject, r.Version)
				return err
			}); err != nil {
				return err
			}
			if err := add(found.References); err != nil {
				return err
			}
			made.References = append(made.References, found.Schema.Schema)
		}
		return nil
	}
	return made, add(s.References)
}

// Check asks the registry for something that every user may ask for.
func (c *Client) Check() error {
	return c.ask("list the subjects", func(ctx context.Context) error {
		_, err := c.asks.Subjects(sr.WithParams(ctx, sr.Limit(1)))
		return err
	})
}

// Register is the id of a schema under subject, where it is registered if it is not there yet.
func (c *Client) Register(subject, text string, kind sr.SchemaType, normalize bool) (id int, err error) {
	err = c.ask(fmt.Sprintf("register the schema of subject %q", subject), func(ctx context.Context) (err error) {
		if normalize {
			ctx = sr.WithParams(ctx, sr.Normalize)
		}
		id, err = c.asks.RegisterSchema(ctx, subject, sr.Schema{Schema: text, Type: kind}, -1, -1)
		return err
	})
	return id, err
}

// Find is the id of a schema that somebody else has registered under subject.
func (c *Client) Find(subject, text string, kind sr.SchemaType, normalize bool) (id int, err error) {
	err = c.ask(fmt.Sprintf("find the schema of subject %q", subject), func(ctx context.Context) error {
		if normalize {
			ctx = sr.WithParams(ctx, sr.Normalize)
		}
		found, err := c.asks.LookupSchema(ctx, subject, sr.Schema{Schema: text, Type: kind})
		id = found.ID
		return err
	})
	return id, err
}

// latestVersion is what the registry takes for the newest one.
const latestVersion = -1

// Latest is the newest schema of subject, with its id.
func (c *Client) Latest(subject string) (id int, s Schema, err error) {
	doing := fmt.Sprintf("latest version of subject %q", subject)
	var found sr.SubjectSchema
	if err := c.ask(doing, func(ctx context.Context) (err error) {
		found, err = c.asks.SchemaByVersion(ctx, subject, latestVersion)
		return err
	}); err != nil {
		return 0, s, err
	}
	s, err = c.complete(doing, found.Schema)
	return found.ID, s, err
}
