package config

import "fmt"

// Report collects the problems that a Validator finds, each at the place of its key.
type Report struct {
	section  *Section
	written  map[string]Entry // by documented key, also when an alias was written
	bad      map[string]bool  // documented keys with an error: what Validate says of them follows from it
	Problems Problems
}

// Errorf reports that the setting of key is wrong: say what, and what to write instead. key is
// the documented one, without the section's path; "" is the section as a whole. A key that could
// not be decoded is not reported again.
func (r *Report) Errorf(key, format string, args ...any) {
	if r.bad[key] {
		return
	}
	r.add(key, Problem{Text: fmt.Sprintf(format, args...)})
}

// Warnf reports something worth saying about key that does not stop the connector.
func (r *Report) Warnf(key, format string, args ...any) {
	if r.bad[key] {
		return
	}
	r.add(key, Problem{Text: fmt.Sprintf(format, args...), Warning: true})
}

// Set says whether key, or an alias of it, was written.
func (r *Report) Set(key string) bool {
	_, ok := r.written[key]
	return ok
}

// add places p at key as it was written, or at the section when it was not.
func (r *Report) add(key string, p Problem) {
	for i := range r.section.Entries {
		p.Text = r.section.Entries[i].cover(p.Text)
	}
	p.Pos, p.Path = r.section.Pos, join(r.section.Path, key)
	if e, ok := r.written[key]; ok {
		p.Pos, p.Path = e.Pos, join(r.section.Path, e.Key)
	}
	if !p.Warning {
		r.bad[key] = true
	}
	r.Problems = append(r.Problems, p)
}
