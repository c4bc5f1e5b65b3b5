package api

import (
	"maps"
	"slices"
	"strings"

	"connectd/config"
)

// namedEndpoint is one endpoint with all its settings.
type namedEndpoint struct {
	name     string
	settings Endpoint
}

// alone is the name of the endpoint of a connector that does not name any.
const alone = "default"

// Validate checks ranges and combinations, and makes the endpoints out of the shared settings and
// those of each.
func (c *Config) Validate(r *config.Report) {
	c.Auth.validate(r)
	c.Client.validate(r)
	c.Unsupported.validate(r)
	if len(c.Endpoints) == 0 && len(c.Names) == 0 {
		c.Endpoint.complete(r.Set)
		c.each = []namedEndpoint{{alone, c.Endpoint}}
		check(alone, &c.Endpoint, r.Errorf)
		return
	}
	c.each = nil
	for _, name := range c.names(r) {
		c.named(r, name)
	}
	if len(c.each) > 1 && !strings.Contains(c.Topic, "${endpoint}") {
		c.sameTopic(r)
	}
}

// names are the endpoints' names, in order.
func (c *Config) names(r *config.Report) []string {
	all := map[string]bool{}
	for _, name := range c.Names {
		if strings.Contains(name, ".") {
			r.Errorf("http.endpoint.names", "%q has a dot, which http.endpoints.<name>.<key> could not tell apart; write a name without, and the path as http.endpoints.<name>.http.request.url", name)
		}
		all[name] = true
	}
	for key := range c.Endpoints {
		name, setting, ok := strings.Cut(key, ".")
		if !ok || name == "" || setting == "" {
			r.Errorf("http.endpoints."+key, "is not a setting of an endpoint; write http.endpoints.%s.http.request.url, for example", key)
			continue
		}
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// named makes one endpoint: the shared settings, and over them its own.
func (c *Config) named(r *config.Report, name string) {
	own := &config.Section{}
	for _, key := range slices.Sorted(maps.Keys(c.Endpoints)) {
		if setting, ok := strings.CutPrefix(key, name+"."); ok {
			own.Entries = append(own.Entries, config.Entry{Key: setting, Raw: c.Endpoints[key], Value: c.Endpoints[key]})
		}
	}
	over := &override{shared: &c.Endpoint}
	for _, problem := range config.Decode(own, over) {
		if !problem.Warning {
			r.Errorf("http.endpoints."+name+"."+problem.Path, "%s", problem.Text)
		}
	}
	set := func(key string) bool {
		_, own := own.Get(key)
		return own || r.Set(key)
	}
	over.Endpoint.complete(set)
	check(name, &over.Endpoint, func(key, format string, args ...any) {
		if _, ok := own.Get(key); ok {
			key = "http.endpoints." + name + "." + key
		}
		r.Errorf(key, "endpoint "+name+": "+format, args...)
	})
	c.each = append(c.each, namedEndpoint{name, over.Endpoint})
}

// override are the settings of one endpoint; the shared ones are their defaults.
type override struct {
	Endpoint
	shared *Endpoint
}

func (o *override) Defaults() {
	o.Endpoint = *o.shared
	o.Headers, o.Param, o.Offset = maps.Clone(o.Headers), maps.Clone(o.Param), maps.Clone(o.Offset)
}

// sameTopic warns of endpoints that write to one topic.
func (c *Config) sameTopic(r *config.Report) {
	topics := map[string]string{}
	for _, e := range c.each {
		if other, ok := topics[e.settings.Topic]; ok {
			r.Warnf("kafka.topic", "is the same for the endpoints %s and %s; if their keys are not distinct, write ${endpoint} into it", other, e.name)
			return
		}
		topics[e.settings.Topic] = e.name
	}
}

// complete fills in what other settings say: the incumbents' ways to write the same.
func (e *Endpoint) complete(set func(key string) bool) {
	if key, ok := e.Offset["key"]; ok && len(e.Key) == 0 {
		e.Key = []string{key}
	}
	if at, ok := e.Offset["timestamp"]; ok && e.CursorPointer == "" {
		e.CursorPointer = at
	}
	e.Initial = strings.TrimPrefix(e.Initial, "timestamp=") // castorm's http.offset.initial is a map
	if e.Mode == "CURSOR_PAGINATION" && !set("http.pagination.type") {
		e.Paging = "cursor"
	}
	if e.Paging == "page" && !set("http.pagination.first") {
		e.First = 1
	}
	if !set("http.timer.catchup.interval.millis") {
		e.CatchUp = min(e.CatchUp, e.Interval)
	}
}

type errorf func(key, format string, args ...any)

// check checks the settings of one endpoint.
func check(name string, e *Endpoint, errorf errorf) {
	if e.URL == "" {
		errorf("http.request.url", "is missing; set it (the URL to ask)")
		return
	}
	if e.Topic == "" {
		errorf("kafka.topic", "is missing; set it (the topic of the records)")
	}
	p, key, err := newPoller(name, e)
	if err != nil {
		errorf(key, "%v", err)
		return
	}
	if !validTopic(p.topic) && e.Topic != "" {
		errorf("kafka.topic", "%q is not a topic's name; write letters, digits, dots, hyphens and underscores", p.topic)
	}
	e.checkRanges(errorf)
	e.checkPaging(p, errorf)
	e.checkCursor(p, errorf)
	for part := range e.Offset {
		if part != "key" && part != "timestamp" {
			errorf("http.response.record.offset.pointer", "%q is not supported; write key=… and timestamp=…", part)
		}
	}
	if e.KeyForm == "value" && len(e.Key) > 1 {
		errorf("http.response.record.key.form", "value needs a single http.response.record.key.pointer, there are %d; write struct", len(e.Key))
	}
	if e.JQ != "" && e.Format != "json" && e.Format != "xml" {
		errorf("http.response.jq", "works on JSON and XML answers only; remove it, or http.response.format")
	}
	if e.JQ != "" && e.List != "/" {
		errorf("http.response.jq", "and http.response.list.pointer both say where the records are; remove one of them")
	}
}

func (e *Endpoint) checkRanges(errorf errorf) {
	for _, n := range []struct {
		key          string
		value, least int
	}{
		{"http.pagination.page.size", e.Size, 0}, {"http.pagination.first", e.First, 0},
		{"http.refresh.max.keys", e.MaxKeys, 1}, {"http.seen.max", e.SeenMax, 1}, {"http.response.max.bytes", int(e.MaxBytes), 1},
	} {
		if n.value < n.least {
			errorf(n.key, "is %d; write %d or more", n.value, n.least)
		}
	}
	const most = 50_000 // 8 octets each: the state has to fit into one record of the offsets topic
	if e.SeenMax > most {
		errorf("http.seen.max", "is %d; the stored offset holds %d at most", e.SeenMax, most)
	}
	if e.Interval <= 0 {
		errorf("http.timer.interval.millis", "is not an interval; write 1 or more")
	}
	if e.CatchUp <= 0 {
		errorf("http.timer.catchup.interval.millis", "is not an interval; write 1 or more")
	}
}

// checkPaging checks that requests say which page they want.
func (e *Endpoint) checkPaging(p *poller, errorf errorf) {
	needs := map[string]string{"page": "page", "offset": "offset", "cursor": "token"}[e.Paging]
	if e.Mode == "CURSOR_PAGINATION" {
		needs = ""
	}
	if needs != "" && !p.asking.uses(needs) {
		errorf("http.pagination.type", "%s needs ${%s} in the request; write it into http.request.params, for example", e.Paging, needs)
	}
	for _, v := range []string{"page", "token", "offset"} {
		if v == "offset" && e.Mode != "" || v == needs || !p.asking.uses(v) {
			continue
		}
		errorf("http.request.params", "uses ${%s}, which http.pagination.type: %s does not set", v, e.Paging)
	}
	switch hasToken := e.TokenPointer != "" || e.TokenHeader != ""; {
	case (e.Paging == "cursor" || e.Paging == "next_url") && !hasToken:
		errorf("http.pagination.token.pointer", "is missing; %s needs it or http.pagination.token.header", e.Paging)
	case e.TokenPointer != "" && e.TokenHeader != "":
		errorf("http.pagination.token.header", "is set together with http.pagination.token.pointer; remove one of them")
	case e.TokenPointer != "" && e.Format != "json" && e.Format != "xml":
		errorf("http.pagination.token.pointer", "works on JSON and XML answers only; write http.pagination.token.header")
	}
	if e.Paging == "offset" && e.JQ != "" {
		errorf("http.response.jq", "may leave records out, and http.pagination.type: offset counts them; write http.response.list.pointer, or another type")
	}
	if p.asking.uses("size") && e.Size == 0 {
		errorf("http.pagination.page.size", "is missing; the request uses ${size}")
	}
	if e.Mode == "SIMPLE_INCREMENTING" {
		errorf("http.offset.mode", "SIMPLE_INCREMENTING is not supported: it asks for a number that grows without end; write http.pagination.type: page or offset, or a cursor")
	}
}

// checkCursor checks that what requests ask for can be known.
func (e *Endpoint) checkCursor(p *poller, errorf errorf) {
	asks := p.asking.uses("cursor") || e.Mode == "CHAINING" && p.asking.uses("offset")
	if asks && e.CursorPointer == "" {
		errorf("http.cursor.pointer", "is missing; the request uses the cursor, and it is where records have it")
	}
	if e.CursorPointer == "" {
		for key, set := range map[string]bool{"http.cursor.initial": e.Initial != "" && !asks, "http.cursor.lookback": e.Lookback != ""} {
			if set {
				errorf(key, "needs http.cursor.pointer: where records have their cursor")
			}
		}
	} else if e.Initial != "" {
		if _, err := p.parseInitial(); err != nil {
			errorf("http.cursor.initial", "%v", err)
		}
	}
	if e.Direction != "IMPLICIT" && e.CursorPointer == "" && len(e.Offset) == 0 {
		errorf("http.response.list.order.direction", "needs http.cursor.pointer: by what the records are in order")
	}
	switch {
	case e.Compare == "all":
	case len(e.Key) == 0:
		errorf("http.refresh.mode", "%s needs http.response.record.key.pointer: what tells records apart", e.Compare)
	case e.CursorPointer != "":
		errorf("http.refresh.mode", "%s compares whole lists, and http.cursor.pointer reads only what is new; remove one of them", e.Compare)
	}
}

func (c *Client) validate(r *config.Report) {
	for key, d := range map[string]int64{
		"http.client.connection.timeout.millis": int64(c.ConnectTimeout), "http.client.read.timeout.millis": int64(c.ReadTimeout),
		"http.retry.backoff.ms": int64(c.Backoff), "http.retry.backoff.max.ms": int64(c.BackoffMax), "http.retry.after.max.ms": int64(c.AfterMax),
	} {
		if d <= 0 {
			r.Errorf(key, "is not a time; write 1 or more")
		}
	}
	if c.Attempts < 0 {
		r.Errorf("http.retry.attempts", "is %d; write 0 or more", c.Attempts)
	}
	if c.Rate < 0 {
		r.Errorf("http.rate.limit", "is %v; write requests in a second, or 0 for no limit", c.Rate)
	}
	if c.Burst < 1 {
		r.Errorf("http.rate.burst", "is %d; write 1 or more", c.Burst)
	}
	if (c.Cert == "") != (c.CertKey == "") {
		r.Errorf("http.tls.cert", "and http.tls.key belong together; set both")
	} else if _, key, err := c.transport(); err != nil {
		r.Errorf(key, "%v", err)
	}
}

func (u *Unsupported) validate(r *config.Report) {
	for _, one := range []struct {
		key, instead string
		set          bool
	}{
		{"http.response.parser", "remove it; http.response.list.pointer and http.response.jq say how answers are read", u.Parser != ""},
		{"http.record.mapper", "remove it; http.response.record.value and the converters say how records are written", u.Mapper != ""},
		{"http.record.filter.factory", "remove it; what was sent is known by http.cursor.pointer and the key", u.Filter != ""},
		{"http.record.sorter", "remove it, and write http.response.list.order.direction", u.Sorter != ""},
		{"http.response.record.timestamp.parser.zone", "write the zone into the layout of http.cursor.format; without one it is UTC", u.Zone != "" && u.Zone != "UTC"},
		{"http.response.record.timestamp.parser", "write http.cursor.format", u.TimeParser != ""},
		{"http.response.record.timestamp.parser.pattern", "write http.cursor.format as a Go layout", u.Pattern != ""},
		{"https.ssl.*", "write http.tls.ca, http.tls.cert and http.tls.key with PEM files", len(u.KeyStore) > 0},
		{"http.client.proxy.host", "write http.proxy.url", u.ProxyHost != ""},
		{"reporter.*", "remove it", len(u.Reporter) > 0},
	} {
		if one.set {
			r.Errorf(one.key, "is not supported; %s", one.instead)
		}
	}
}

func validTopic(name string) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 249
}
