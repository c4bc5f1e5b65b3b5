package rest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestFilesOwnTheirConnectors(t *testing.T) {
	url := run(t, "testdata/fleet.yaml")
	const (
		owned = `connector "g-src" is defined in testdata/fleet.yaml:3; change it there and restart connectd`
		other = `connector "new" can not be created over REST: this worker takes its connectors from files; write it into one of them and restart connectd`
	)
	for _, c := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"POST", "/connectors", `{"name": "g-src", "config": {"connector.class": "x"}}`, 403, owned},
		{"POST", "/connectors", `{"config": {"name": "g-src"}}`, 403, owned},
		{"POST", "/connectors", `{"name": "new", "config": {"connector.class": "x", "tasks.max": 1}}`, 403, other},
		{"PUT", "/connectors/g-src/config", `{"connector.class": "x"}`, 403, owned},
		{"PUT", "/connectors/new/config", `{"connector.class": "x"}`, 403, other},
		{"PATCH", "/connectors/g-src/config", `{"a": null}`, 403, owned},
		{"DELETE", "/connectors/g-src", "", 403, owned},
		{"DELETE", "/connectors/g-src", "null", 403, owned},
		{"POST", "/connectors", "", 400, "the body is empty; send the connector as a JSON object"},
		{"POST", "/connectors", "{\n  not json", 400, "the body is not a connector in JSON: line 2, column 3: invalid character 'n' looking for beginning of object key string"},
		{"POST", "/connectors", "[]", 400, "the body is not a connector in JSON: line 1, column 1: json: cannot unmarshal array into Go value"},
		{"POST", "/connectors", `{"name": "` + strings.Repeat("x", bodyLimit) + `"}`, 413, "the body is larger than 1048576 bytes"},
	} {
		got := send(t, c.method, url+c.path, c.body, "")
		checkProblem(t, c.method+" "+c.path, got, c.status, c.message)
	}
	if got := send(t, "GET", url+"/connectors/g-src", "", ""); got.status != 200 {
		t.Errorf("after all refusals GET /connectors/g-src is %d, want 200", got.status)
	}
}

// checkProblem compares an error answer; message is how it begins.
func checkProblem(t *testing.T, what string, got reply, status int, message string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(got.text), &p); err != nil {
		t.Errorf("%s: answer %q is not JSON: %v", what, got.text, err)
		return
	}
	if got.status != status || p.Code != status || !strings.HasPrefix(p.Message, message) {
		t.Errorf("%s: %d %+v, want %d %q", what, got.status, p, status, message)
	}
}

func TestRequestsAsClientsSendThem(t *testing.T) {
	url := run(t, "testdata/fleet.yaml")
	await(t, url, map[string]string{"g-src": "RUNNING RUNNING", "g-stopped": "STOPPED"})
	for _, c := range []struct {
		method, path, body, contentType string
		status                          int
	}{
		{"GET", "/connectors/", "", "", 200},
		{"GET", "/connector-plugins/", "", "", 200},
		{"GET", "/connectors/g-src/status/", "", "", 200},
		{"GET", "/connectors/?expand=info&expand=status", "", "", 200},
		{"GET", "//connectors", "", "", 404},
		{"GET", "/connectors/../metrics", "", "", 404},
		{"GET", "/connectors/a%2Fb", "", "", 404},
		{"PUT", "/connectors/g-src/pause", "null", "application/json", 202},
		{"PUT", "/connectors/g-src/resume", "null", "application/json; charset=UTF-8", 202},
		{"PUT", "/connectors/g-src/resume/", "", "", 202},
		{"PUT", "/connectors/g-src/resume", "a=b", "application/x-www-form-urlencoded", 415},
		{"POST", "/connectors/g-src/restart?includeTasks=True&onlyFailed=False", "null", "", 202},
		{"POST", "/connectors/g-src/restart?includeTasks=FALSE", "null", "", 204},
		{"POST", "/connectors/g-stopped/restart?includeTasks=true", "", "", 202},
		{"POST", "/connectors/g-stopped/tasks/0/restart", "", "", 404},
		{"POST", "/connectors/g-src/tasks/first/restart", "", "", 404},
		{"GET", "/connectors/g-src/offsets", "", "", 404},
		{"PUT", "/metrics", "", "", 405},
	} {
		got := send(t, c.method, url+c.path, c.body, c.contentType)
		if got.status != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, got.status, c.status, got.text)
		}
		if got.status >= 400 && got.body == nil {
			t.Errorf("%s %s: the body of %d is not JSON: %q", c.method, c.path, got.status, got.text)
		}
	}
}

func TestARefusedConnectorIsFailedWithItsCause(t *testing.T) {
	url := run(t, "testdata/failing.yaml")
	var s status
	decodeFrom(t, url+"/connectors/g-refused/status", &s)
	if s.Type != "source" || s.Connector.State != "FAILED" || len(s.Tasks) != 0 {
		t.Errorf("status is %+v, want a FAILED source without tasks", s)
	}
	if want := "testdata/failing.yaml:11:5: connectors.g-refused.tpoic: "; !strings.Contains(s.Connector.Trace, want) {
		t.Errorf("trace is %q, want it to name %q", s.Connector.Trace, want)
	}
}

func TestPluginsGoByAllTheirNames(t *testing.T) {
	url := run(t, "testdata/empty.yaml")
	types := map[string]string{}
	var list []plugin
	decodeFrom(t, url+"/connector-plugins?connectorsOnly=false", &list)
	for _, p := range list {
		types[p.Class] = p.Type
	}
	for class, want := range map[string]string{
		"lines-source": "source",
		"org.apache.kafka.connect.file.FileStreamSourceConnector": "source",
		"lines-sink": "sink",
		"org.apache.kafka.connect.file.FileStreamSinkConnector": "sink",
		"regex-router": "transformation",
		"org.apache.kafka.connect.json.JsonConverter": "converter",
	} {
		if types[class] != want {
			t.Errorf("%s is listed as %q, want %q", class, types[class], want)
		}
	}
	list = nil
	decodeFrom(t, url+"/connector-plugins", &list)
	if len(list) != 4 {
		t.Errorf("connectors are %v, want 2 by 2 names", list)
	}
}

func TestLiveTable(t *testing.T) {
	url := run(t, "testdata/failing.yaml")
	await(t, url, map[string]string{"g-fail": "RUNNING FAILED"})
	var list []liveConnector
	decodeFrom(t, url+"/api/connectors", &list)
	if len(list) != 2 {
		t.Fatalf("live table is %+v, want 2 connectors", list)
	}
	failed := list[0]
	if failed.Name != "g-fail" || failed.Type != "sink" || failed.State != "FAILED" || failed.LagRecords != -1 ||
		!strings.Contains(failed.Cause, "/nonexistent-dir") || len(failed.Tasks) != 1 || failed.Tasks[0].Cause != failed.Cause {
		t.Errorf("failed connector is %+v", failed)
	}

	url = run(t, "testdata/fleet.yaml")
	await(t, url, map[string]string{"g-src": "RUNNING RUNNING"})
	var rows []map[string]any
	decodeFrom(t, url+"/api/connectors", &rows)
	for _, key := range []string{"name", "type", "state", "phase", "cause", "records_in", "records_out", "lag_records", "latency_p95_seconds", "tasks"} {
		if _, ok := rows[0][key]; !ok {
			t.Errorf("a row has no %s: %v", key, rows[0])
		}
	}
}

func TestMetrics(t *testing.T) {
	url := run(t, "testdata/fleet.yaml")
	await(t, url, map[string]string{"g-src": "RUNNING RUNNING"})
	got := send(t, "GET", url+"/metrics", "", "")
	for _, want := range []string{
		"\ngo_goroutines ", "\nprocess_cpu_seconds_total ",
		"\n" + `connectd_task_state{connector="g-src",state="RUNNING",task="0"} 1` + "\n",
	} {
		if !strings.Contains(got.text, want) {
			t.Errorf("metrics have no %q:\n%s", want, got.text)
		}
	}
	if ct := got.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type is %q", ct)
	}
}

func TestReferencesStayUnresolvedAndNothingIsLogged(t *testing.T) {
	const secret = "the-real-password"
	t.Setenv("REST_TEST_PASSWORD", secret)
	var logged bytes.Buffer
	h, _ := still(t, "testdata/secret.yaml", slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, path := range []string{
		"/connectors/s", "/connectors/s/config", "/connectors/s/status", "/connectors/s/tasks",
		"/connectors?expand=info&expand=status", "/api/connectors", "/metrics",
	} {
		got := ask(h, "GET", path, "")
		if strings.Contains(got, secret) {
			t.Errorf("GET %s shows the secret: %s", path, got)
		}
	}
	if got := ask(h, "GET", "/connectors/s/config", ""); !strings.Contains(got, `"file":"${env:REST_TEST_PASSWORD}"`) ||
		!strings.Contains(got, `"topic":"literal-password"`) {
		t.Errorf("config is %s, want it as written", got)
	}
	for _, method := range []string{"PUT", "PATCH"} {
		if got := ask(h, method, "/connectors/s/config", `{"file": "literal-password"}`); strings.Contains(got, "literal-password") {
			t.Errorf("%s answers with what was sent: %s", method, got)
		}
	}
	ask(h, "PUT", "/connectors/s/pause", "")
	if s := logged.String(); !strings.Contains(s, "pause") || strings.Contains(s, secret) || strings.Contains(s, "literal-password") {
		t.Errorf("log is %q, want the pause and no setting", s)
	}
}

// decodeFrom decodes the answer to a GET.
func decodeFrom(t *testing.T, url string, into any) {
	t.Helper()
	got := send(t, http.MethodGet, url, "", "")
	if got.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", url, got.status, got.text)
	}
	if err := json.Unmarshal([]byte(got.text), into); err != nil {
		t.Fatalf("GET %s: %v: %s", url, err, got.text)
	}
}
