package deadletter

import (
	"regexp"
	"time"
)

// Group is letters with the same cause.
type Group struct {
	Topic, Connector, Stage string
	Cause                   string // without what is different from record to record
	Letters, Replayed       int64
	First, Last             Place // letters
	Since, Until            time.Time
}

// Groups sorts letters by their causes, in the order in which they come up.
type Groups struct {
	List []*Group
	by   map[[4]string]*Group
}

// maxGroups bounds the list; further causes are counted together.
const maxGroups = 500

// Add counts l.
func (g *Groups) Add(l *Letter, replayed bool) {
	key := [4]string{l.Place.Topic, l.Connector, l.Stage, common(l.Cause)}
	if g.by == nil {
		g.by = map[[4]string]*Group{}
	}
	of := g.by[key]
	if of == nil {
		if len(g.List) >= maxGroups {
			key = [4]string{l.Place.Topic, "", "", "other causes"}
			of = g.by[key]
		}
		if of == nil {
			of = &Group{Topic: key[0], Connector: key[1], Stage: key[2], Cause: key[3], First: l.Place, Since: l.Written}
			g.by[key] = of
			g.List = append(g.List, of)
		}
	}
	of.Letters++
	if replayed {
		of.Replayed++
	}
	of.Last, of.Until = l.Place, l.Written
}

// particular is what tells one record's message from another's: quoted values and numbers. The name
// of a column and the like is in quotes too, and stays.
var particular = regexp.MustCompile(`(column |constraint |table |field |header |topic )?("(?:[^"\\]|\\.)*"|'[^']*'|\b\d[\d.]*\b)`)

// common is a cause without what is particular to one record.
func common(cause string) string {
	const most = 160
	text := particular.ReplaceAllStringFunc(cause, func(match string) string {
		if name := particular.FindStringSubmatch(match)[1]; name != "" {
			return match
		}
		return "…"
	})
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
