package api

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"connectd/config"
)

// TestMistakes checks what is said about settings that can not work.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		changes []string // an empty value removes the key
		want    string
	}{
		"no URL":               {[]string{"http.request.url", ""}, "http.request.url: is missing"},
		"no topic":             {[]string{"kafka.topic", ""}, "kafka.topic: is missing"},
		"not a URL":            {[]string{"http.request.url", "api.example.com/x"}, "http.request.url: is not a URL"},
		"a user in the URL":    {[]string{"http.request.url", "https://a:b@example.com"}, "http.auth.type: basic"},
		"not a topic":          {[]string{"kafka.topic", "a b"}, `"a b" is not a topic's name`},
		"a variable":           {[]string{"http.request.params", "since=${curser}"}, "did you mean ${cursor}?"},
		"FreeMarker":           {[]string{"http.request.params", "since=${offset.timestamp?datetime}"}, "an expression of FreeMarker"},
		"an unknown variable":  {[]string{"http.request.headers", "A=${xyzzy}"}, "write one of ${cursor}"},
		"cursor without place": {[]string{"http.request.params", "since=${cursor}"}, "http.cursor.pointer: is missing"},
		"page without place":   {[]string{"http.pagination.type", "page"}, "page needs ${page} in the request"},
		"token without place":  {[]string{"http.pagination.type", "cursor", "http.request.params", "t=${token}"}, "http.pagination.token.pointer: is missing"},
		"page without paging":  {[]string{"http.request.params", "p=${page}"}, "uses ${page}, which http.pagination.type: none does not set"},
		"JSONPath":             {[]string{"http.response.list.pointer", "$.data.items"}, "write /data/items"},
		"jq":                   {[]string{"http.response.jq", ".a["}, "is not a jq program"},
		"key":                  {[]string{"http.response.record.key.pointer", "id"}, "write /id"},
		"cron":                 {[]string{"http.timer.cron", "every day"}, "is not a schedule"},
		"format":               {[]string{"http.cursor.format", "isoo"}, "is not a cursor format"},
		"initial":              {[]string{"http.cursor.pointer", "/at", "http.cursor.format", "iso", "http.cursor.initial", "yesterday"}, "is not a timestamp"},
		"lookback":             {[]string{"http.cursor.pointer", "/at", "http.cursor.lookback", "10 minutes"}, "write a duration such as 10m"},
		"codes":                {[]string{"http.response.policy.codes.skip", "4xx"}, "write 200..299,304"},
		"body with GET":        {[]string{"http.request.body", "{}"}, "write http.request.method: POST"},
		"token of basic":       {[]string{"http.auth.type", "basic"}, "http.auth.user: is missing"},
		"secret without type":  {[]string{"http.auth.bearer.token", "x"}, "set http.auth.type too"},
		"deletes without key":  {[]string{"http.refresh.mode", "deletes", "http.response.record.key.pointer", ""}, "needs http.response.record.key.pointer"},
		"deletes with cursor":  {[]string{"http.refresh.mode", "deletes", "http.cursor.pointer", "/at"}, "remove one of them"},
		"order without cursor": {[]string{"http.response.list.order.direction", "ASC"}, "needs http.cursor.pointer"},
		"counting for ever":    {[]string{"http.offset.mode", "SIMPLE_INCREMENTING", "http.request.params", "x=${offset}"}, "SIMPLE_INCREMENTING is not supported"},
		"Java class":           {[]string{"http.response.parser", "com.example.X"}, "is not supported; remove it"},
		"certificate":          {[]string{"http.tls.cert", "/none"}, "belong together"},
		"key store":            {[]string{"https.ssl.keystore.location", "/none"}, "PEM files"},
		"a dotted endpoint":    {[]string{"entity.names", "v1.orders"}, `"v1.orders" has a dot`},
		"an endpoint's key":    {[]string{"http.endpoints.a.http.request.ulr", "x"}, "http.endpoints.a.http.request.ulr: is not a known key; did you mean http.request.url?"},
		"an endpoint's value":  {[]string{"http.endpoints.a.http.pagination.type", "pages"}, `http.endpoints.a.http.pagination.type: "pages" is not`},
	} {
		t.Run(name, func(t *testing.T) {
			all := settings("https://api.example.com/x", c.changes...)
			maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
			problems := config.Decode(section(all), new(Config))
			found := slices.ContainsFunc(problems, func(p config.Problem) bool { return strings.Contains(p.String(), c.want) && !p.Warning })
			if !found {
				t.Errorf("got %v, want a problem with %q", problems, c.want)
			}
		})
	}
}

// TestIncumbents decodes settings as castorm's and Confluent's documentation has them.
func TestIncumbents(t *testing.T) {
	castorm := decode(t, map[string]string{
		"http.offset.initial": "timestamp=2020-05-08T07:55:44Z", "http.request.url": "https://jira.example.com/rest/api/2/search",
		"http.request.headers": "Accept: application/json", "http.request.params": "jql=updated>=\"${offset.timestamp}\"&maxResults=100",
		"http.auth.type": "Basic", "http.auth.user": "me", "http.auth.password": "secret",
		"http.response.list.pointer": "/issues", "http.response.record.offset.pointer": "key=/id, timestamp=/fields/updated",
		"http.timer.interval.millis": "30000", "http.timer.catchup.interval.millis": "1000", "kafka.topic": "topic",
	}).each[0].settings
	if castorm.Initial != "2020-05-08T07:55:44Z" || castorm.CursorPointer != "/fields/updated" || !slices.Equal(castorm.Key, []string{"/id"}) {
		t.Errorf("castorm's settings became %+v", castorm)
	}
	confluent := decode(t, map[string]string{
		"url": "https://api.example.com/v1", "topic.name.pattern": "topic", "http.offset.mode": "CHAINING", "http.request.parameters": "since=${offset}",
		"http.initial.offset": "0", "http.offset.json.pointer": "/id", "http.response.data.json.pointer": "/items", "request.interval.ms": "10000",
		"auth.type": "API_KEY", "api.key.name": "X-Key", "api.key.value": "k",
	}).each[0].settings
	if confluent.Initial != "0" || confluent.CursorPointer != "/id" || confluent.List != "/items" {
		t.Errorf("Confluent's settings became %+v", confluent)
	}
	entities := decode(t, map[string]string{"url": "https://api.example.com/${entityName}", "topic.name.pattern": "shop.${entityName}", "entity.names": "orders,people"})
	if len(entities.each) != 2 || entities.each[1].name != "people" {
		t.Errorf("Confluent's entities became %+v", entities.each)
	}
}
