package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"connectd/convert"
)

// asking makes requests out of templates.
type asking struct {
	method  string
	path    template // of the URL, up to the question mark
	query   []parameter
	headers []parameter
	body    template
	json    bool // the body is JSON
}

// parameter is a name and the template of its value.
type parameter struct {
	name  string
	value template
}

// newAsking compiles the templates of r; key is the setting that an error is about.
func newAsking(r *Request) (a *asking, key string, err error) {
	a = &asking{method: r.Method}
	address, query, _ := strings.Cut(r.URL, "?")
	if a.path, err = parseTemplate(address); err != nil {
		return nil, "http.request.url", err
	}
	if a.query, err = parseQuery(query); err != nil {
		return nil, "http.request.url", err
	}
	params, err := parseQuery(r.Params)
	if err != nil {
		return nil, "http.request.params", err
	}
	a.query = append(a.query, params...)
	if params, err = parsePairs(r.Param); err != nil {
		return nil, "http.request.params", err
	}
	a.query = append(a.query, params...)
	if a.headers, err = parsePairs(r.Headers); err != nil {
		return nil, "http.request.headers", err
	}
	if a.body, err = parseTemplate(r.Body); err != nil {
		return nil, "http.request.body", err
	}
	body := strings.TrimSpace(r.Body)
	a.json = strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[")
	if r.Body != "" && r.Method == http.MethodGet {
		return nil, "http.request.body", fmt.Errorf("is set and the method is GET, which has no body; write http.request.method: POST")
	}
	probe := values{}
	for _, name := range variables {
		probe[name] = "1"
	}
	u, err := url.Parse(a.path.text(probe, url.PathEscape))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "http.request.url", fmt.Errorf("is not a URL; write one such as https://api.example.com/v1/orders")
	}
	if u.User != nil {
		return nil, "http.request.url", fmt.Errorf("holds a user, which logs would show; write http.auth.type: basic, http.auth.user and http.auth.password")
	}
	return a, "", nil
}

// parseQuery reads name=value&name=value; values may be escaped as in a URL.
func parseQuery(text string) ([]parameter, error) {
	var all []parameter
	for pair := range strings.SplitSeq(strings.TrimPrefix(text, "?"), "&") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if name == "" {
			continue
		}
		t, err := parseTemplate(value)
		if err != nil {
			return nil, err
		}
		for i := range t {
			if plain, err := url.QueryUnescape(t[i].text); err == nil {
				t[i].text = plain
			}
		}
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		all = append(all, parameter{name, t})
	}
	return all, nil
}

func parsePairs(pairs map[string]string) ([]parameter, error) {
	var all []parameter
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		t, err := parseTemplate(pairs[name])
		if err != nil {
			return nil, err
		}
		all = append(all, parameter{name, t})
	}
	return all, nil
}

// uses says whether a request has the variable.
func (a *asking) uses(name string) bool {
	has := func(p parameter) bool { return p.value.uses(name) }
	return a.path.uses(name) || a.body.uses(name) || slices.ContainsFunc(a.query, has) || slices.ContainsFunc(a.headers, has)
}

// request builds a request. next is the URL of the page when the answer before gave it.
func (a *asking) request(ctx context.Context, v values, next string) (*http.Request, error) {
	address := next
	if address == "" {
		address = a.address(v)
	}
	r, err := http.NewRequestWithContext(ctx, a.method, address, strings.NewReader(a.content(v)))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", withoutURL(err))
	}
	if len(a.body) > 0 {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if a.json {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	r.Header.Set("Accept", "application/json, */*;q=0.5")
	for _, h := range a.headers {
		if h.value.complete(v) {
			r.Header.Set(h.name, strings.NewReplacer("\r", "", "\n", "").Replace(h.value.text(v, plain)))
		}
	}
	return r, nil
}

// address is the URL with its query. The parameters keep the order of the settings.
func (a *asking) address(v values) string {
	var s strings.Builder
	s.WriteString(a.path.text(v, url.PathEscape))
	separator := byte('?')
	for _, p := range a.query {
		if !p.value.complete(v) {
			continue
		}
		s.WriteByte(separator)
		s.WriteString(url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value.text(v, plain)))
		separator = '&'
	}
	return s.String()
}

// content is the body.
func (a *asking) content(v values) string {
	if !a.json {
		return a.body.text(v, url.QueryEscape)
	}
	var s strings.Builder
	for i := 0; i < len(a.body); i++ {
		p := a.body[i]
		if p.name == "" {
			s.WriteString(p.text)
			continue
		}
		value, ok := v[p.name]
		before, quoted := strings.CutSuffix(s.String(), `"`)
		if !ok && quoted && i+1 < len(a.body) && strings.HasPrefix(a.body[i+1].text, `"`) {
			s.Reset()
			s.WriteString(before + "null" + a.body[i+1].text[1:])
			i++
			continue
		}
		s.WriteString(jsonEscape(value))
	}
	return s.String()
}

// jsonEscape is text as it stands between the quotes of a JSON string.
func jsonEscape(text string) string {
	quoted := convert.AppendQuoted(nil, []byte(text))
	return string(quoted[1 : len(quoted)-1])
}
