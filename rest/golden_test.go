package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// recording is a request and what Kafka Connect 4.3.1 answered.
type recording struct {
	Request struct {
		Method      string          `json:"method"`
		Path        string          `json:"path"`
		Body        json.RawMessage `json:"body"`
		Raw         string          `json:"raw"`
		ContentType string          `json:"content_type"`
	} `json:"request"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body"`
}

// The recordings are played in their order: some change the state that later ones show. Before
// each the connectors are awaited in the states that it was recorded in. Creating and changing
// connectors is not among them: files own the connectors, see TestFilesOwnTheirConnectors.
var recordings = []struct {
	file   string
	states map[string]string // connector → "STATE", or "STATE STATE" with that of its task
}{
	{file: "000_root"},
	{file: "001_health"},
	{file: "004_plugins"},
	{file: "005_plugins_all"},
	{file: "023_create_wrong_content_type"},
	{file: "038_status_stopped"},
	{file: "039_tasks_stopped"},
	{file: "041_status_paused"},
	{file: "046_get_space_name", states: map[string]string{"g space": "RUNNING RUNNING"}},
	{file: "048_list"},
	{file: "049_list_expand_status", states: map[string]string{
		"g-src": "RUNNING RUNNING", "g-sink": "RUNNING RUNNING", "g-num": "RUNNING RUNNING", "g-smt": "RUNNING RUNNING"}},
	{file: "050_list_expand_info"},
	{file: "051_list_expand_both"},
	{file: "052_list_expand_bogus"},
	{file: "053_get"},
	{file: "054_get_config"},
	{file: "055_get_status"},
	{file: "056_get_tasks"},
	{file: "057_get_tasks_config_removed"},
	{file: "058_get_task_status"},
	{file: "059_get_task_status_404"},
	{file: "060_get_task_status_nan"},
	{file: "061_get_sink"},
	{file: "062_get_sink_status"},
	{file: "067_unknown_get"},
	{file: "068_unknown_get_config"},
	{file: "069_unknown_get_status"},
	{file: "070_unknown_get_tasks"},
	{file: "073_unknown_get_tasks_0_status"},
	{file: "074_unknown_put_pause"},
	{file: "075_unknown_put_resume"},
	{file: "076_unknown_put_stop"},
	{file: "077_unknown_post_restart"},
	{file: "078_unknown_post_restart_includetasks_true"},
	{file: "079_unknown_post_tasks_0_restart"},
	{file: "080_unknown_delete"},
	{file: "084_unknown_patch_config"},
	{file: "085_unknown_path"},
	{file: "086_wrong_method"},
	{file: "087_wrong_method_restart"},
	{file: "098_restart"},
	{file: "099_restart_include_tasks", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "100_restart_only_failed", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "101_restart_onlyfailed_alone"},
	{file: "102_restart_bad_flag"},
	{file: "103_task_restart", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "104_task_restart_404", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "105_pause"},
	{file: "106_pause_again"},
	{file: "107_status_after_pause", states: map[string]string{"g-src": "PAUSED PAUSED"}},
	{file: "108_resume"},
	{file: "109_status_after_resume", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "118_stop"},
	{file: "119_status_after_stop", states: map[string]string{"g-src": "STOPPED"}},
	{file: "120_get_after_stop"},
	{file: "132_resume_after_stop"},
	{file: "153_delete_again", states: map[string]string{"g-src": "RUNNING RUNNING"}},
	{file: "155_head_connectors"},
	{file: "156_options_connectors"},
}

func TestAnswersAreKafkaConnects(t *testing.T) {
	url := run(t, "testdata/fleet.yaml")
	for _, r := range recordings {
		await(t, url, r.states)
		compareTo(t, url, r.file)
	}
}

func TestAnswersOfAFailedTaskAreKafkaConnects(t *testing.T) {
	url := run(t, "testdata/failing.yaml")
	failed := map[string]string{"g-fail": "RUNNING FAILED"}
	await(t, url, failed)
	compareTo(t, url, "111_status_failed_task")
	compareTo(t, url, "112_task_status_failed")
	compareTo(t, url, "113_restart_failed")
	await(t, url, failed) // it fails again
}

func TestNoConnectorsIsAnEmptyList(t *testing.T) {
	url := run(t, "testdata/empty.yaml")
	compareTo(t, url, "002_connectors_empty")
	compareTo(t, url, "003_connectors_empty_slash")
}

// compareTo sends the request of a recording and compares the answer.
func compareTo(t *testing.T, url, file string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/kafka-connect", file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var want recording
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	body := want.Request.Raw
	if body == "" && string(want.Request.Body) != "null" {
		body = string(want.Request.Body)
	}
	got := send(t, want.Request.Method, url+want.Request.Path, body, want.Request.ContentType)
	if got.status != want.Status {
		t.Errorf("%s: status %d, want %d: %v", file, got.status, want.Status, got.body)
		return
	}
	if ct := got.header.Get("Content-Type"); ct != want.Headers["content-type"] {
		t.Errorf("%s: Content-Type %q, want %q", file, ct, want.Headers["content-type"])
	}
	if _, located := want.Headers["location"]; located != (got.header.Get("Location") != "") {
		t.Errorf("%s: Location %q, want one: %v", file, got.header.Get("Location"), located)
	}
	if allow, ok := want.Headers["allow"]; ok {
		if got := sorted(got.header.Get("Allow")); !slices.Equal(got, sorted(allow)) {
			t.Errorf("%s: Allow %q, want %q", file, got, allow)
		}
	}
	for _, d := range differences("$", got.body, want.Body) {
		t.Errorf("%s: %s", file, d)
	}
}

func sorted(list string) []string { return slices.Sorted(strings.SplitSeq(list, ",")) }

// varies are the values that differ from server to server; the types do not. The order of
// lists does not count either.
var varies = []string{"version", "commit", "kafka_cluster_id", "worker_id", "trace", "task.class"}

// differences compares decoded JSON.
func differences(path string, got, want any) (found []string) {
	if reflect.TypeOf(got) != reflect.TypeOf(want) {
		return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			value, ok := got[key]
			switch {
			case !ok && key == "trace" && got["state"] != "FAILED": // Kafka Connect keeps an old trace
			case !ok:
				found = append(found, fmt.Sprintf("%s.%s is missing", path, key))
			case slices.Contains(varies, key):
				if s, ok := value.(string); !ok || s == "" {
					found = append(found, fmt.Sprintf("%s.%s is %v, want text", path, key, value))
				}
			default:
				found = append(found, differences(path+"."+key, value, want[key])...)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(got)) {
			if _, ok := want[key]; !ok {
				found = append(found, fmt.Sprintf("%s.%s is too much", path, key))
			}
		}
	case []any:
		got := got.([]any)
		if isPlugins(want) {
			return pluginDifferences(path, got, want)
		}
		inOrder(got)
		inOrder(want)
		if len(got) != len(want) {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
		for i := range want {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), got[i], want[i])...)
		}
	default:
		if got != want {
			return []string{fmt.Sprintf("%s is %v, want %v", path, got, want)}
		}
	}
	return found
}

func inOrder(list []any) {
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func isPlugins(list []any) bool {
	first, ok := list0(list).(map[string]any)
	return ok && first["class"] != nil
}

func list0(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// pluginDifferences compares what both lists of plugins have: each server has plugins of its own.
func pluginDifferences(path string, got, want []any) (found []string) {
	common := 0
	for _, g := range got {
		g := g.(map[string]any)
		for _, w := range want {
			if w := w.(map[string]any); w["class"] == g["class"] && w["type"] == g["type"] {
				common++
				found = append(found, differences(path+"."+w["class"].(string), g, w)...)
			}
		}
	}
	if common < 2 {
		found = append(found, fmt.Sprintf("%s has %d of Kafka Connect's classes, want the source and the sink: %v", path, common, got))
	}
	return found
}

// reply is an answer with its body decoded; nil when it is empty.
type reply struct {
	status int
	header http.Header
	body   any
	text   string
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func send(t *testing.T, method, url, body, contentType string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		if contentType == "" {
			contentType = "application/json"
		}
		req.Header.Set("Content-Type", contentType)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, text: string(data)}
	_ = json.Unmarshal(data, &r.body) // stays nil for what is not JSON
	return r
}

// await asks for the connectors' status until they are in those states.
func await(t *testing.T, url string, states map[string]string) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(20 * time.Second)
	for name, want := range states {
		for got := ""; got != want; {
			body := send(t, "GET", url+"/connectors/"+strings.ReplaceAll(name, " ", "%20")+"/status", "", "").text
			var s status
			if err := json.Unmarshal([]byte(body), &s); err != nil {
				t.Fatalf("status of %s: %v: %s", name, err, body)
			}
			got = string(s.Connector.State)
			for _, task := range s.Tasks {
				got += " " + string(task.State)
			}
			select {
			case <-again.C:
			case <-deadline:
				t.Fatalf("connector %q is %s, want %s: %s", name, got, want, body)
			}
		}
	}
}
