package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// refusal is a connector that can not work, and the one sentence that says so.
type refusal struct {
	name     string
	settings string // one a line; "" for a connector of mistakesFile
	state    string // FAILED: it stays so; RESTARTING: it is tried again from the start; RUNNING: in place
	want     string

	unchecked bool // seen only with a broker or a record, which `validate --connect` asks for none
}

// yaml is c in a file; of settings that are there twice the last one counts.
func (c *refusal) yaml() string {
	settings := map[string]string{}
	for line := range strings.Lines(c.settings) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			settings[key] = value
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, "  %s:\n", c.name)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&s, "    %s: %s\n", key, settings[key])
	}
	return s.String()
}

// TestRefusals runs many connectors that something is wrong with, and two good ones, in one
// daemon: each says what is wrong, and the good ones work.
func TestRefusals(t *testing.T) {
	r := newRefusals(t)
	r.refuse()
	r.replicaOnly()
	r.loginWanted()
	all := slices.Concat(sourceRefusals, targetRefusals, brokerRefusals, mistakes)
	var file strings.Builder
	file.WriteString(r.fill(goodOnes))
	for _, c := range all {
		if c.settings != "" {
			file.WriteString(r.fill(c.yaml()))
		}
	}
	d := newDaemon(t, file.String())
	second := filepath.Join(filepath.Dir(d.args[1]), "mistakes.yaml")
	if err := os.WriteFile(second, []byte(mistakesFile), 0o600); err != nil {
		t.Fatal(err)
	}
	d.args = append(d.args, second)
	r.places["FILE"] = second
	d.start()
	api := d.listening()

	for i := range all {
		all[i].want = r.fill(all[i].want)
	}
	awaitRefusals(t, api, all)
	r.goodGoOn()
	statuses(t, api, all)
	d.terminate()
	logged(t, d, all)
	r.validated(d, all)
}

// TestBrokerDown is a whole worker without its broker: nothing can run, and everything says why.
func TestBrokerDown(t *testing.T) {
	r := newRefusals(t)
	at := free(t)
	r.places["KAFKA"] = at
	d := newDaemon(t, r.fill(goodOnes))
	d.start()
	want := "kafka: no broker answers at " + at + " (connection refused); is it running, and is bootstrap.servers right?"
	awaitRefusals(t, d.listening(), []refusal{
		{name: "good-source", state: "RESTARTING", want: `open the offsets topic: look up topic "` + r.places["PREFIX"] + `-offsets": ` + want},
		{name: "good-sink", state: "RESTARTING", want: `open the schemas topic: look up topic "connectd-schemas": ` + want},
	})
}

// answered is a connector in the answer of GET /api/connectors.
type answered struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Cause string `json:"cause"`
}

// awaitRefusals waits until every connector has been in its state, with its sentence as the cause.
// One that is tried again is RUNNING between two tries.
func awaitRefusals(t *testing.T, api string, all []refusal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	missing, last := map[string]refusal{}, map[string]answered{}
	for _, c := range all {
		missing[c.name] = c
	}
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for len(missing) > 0 {
		var now []answered
		fetch(t, api+"/api/connectors", &now)
		for _, a := range now {
			a.Cause = pids.ReplaceAllString(a.Cause, "PID 1")
			if a.Cause != "" {
				last[a.Name] = a
			}
			if c, ok := missing[a.Name]; ok && a.State == c.state && a.Cause == c.want {
				delete(missing, a.Name)
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			for _, name := range slices.Sorted(maps.Keys(missing)) {
				t.Errorf("%s is\n%s: %s\nwant\n%s: %s", name, last[name].State, last[name].Cause, missing[name].state, missing[name].want)
			}
			return
		}
	}
}

var pids = regexp.MustCompile(`PID \d+`)

// statuses looks at what Kafka Connect's API says of the connectors that have failed for good.
func statuses(t *testing.T, api string, all []refusal) {
	t.Helper()
	for _, c := range all {
		if c.state != "FAILED" {
			continue
		}
		type state struct{ State, Trace string }
		var got struct {
			Connector state
			Tasks     []state
		}
		fetch(t, api+"/connectors/"+c.name+"/status", &got)
		s := got.Connector // a connector that was refused has no task
		if len(got.Tasks) > 0 {
			s = got.Tasks[0]
		}
		if s.State != c.state || s.Trace != c.want {
			t.Errorf("status of %s is %s: %s\nwant %s: %s", c.name, s.State, s.Trace, c.state, c.want)
		}
	}
}

// logged looks for each sentence in the log, and for what must not be there.
func logged(t *testing.T, d *daemon, all []refusal) {
	t.Helper()
	data, err := os.ReadFile(d.log)
	if err != nil {
		t.Fatal(err)
	}
	log := pids.ReplaceAllString(string(data), "PID 1")
	for _, c := range all {
		if !strings.Contains(log, c.want) && !strings.Contains(log, strconv.Quote(c.want)) {
			t.Errorf("the log does not say of %s: %s", c.name, c.want)
		}
	}
	if strings.Contains(log, secret) {
		t.Error("the log shows a secret")
	}
}

// validated runs `connectd validate --connect` on the same files.
func (r *refusals) validated(d *daemon, all []refusal) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), binary, slices.Concat([]string{"validate", "--connect"}, d.args[1:])...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		r.t.Errorf("validate ended with %v, want exit code 1", err)
	}
	text := pids.ReplaceAllString(string(out), "PID 1")
	for _, c := range all {
		if !c.unchecked && !strings.Contains(text, c.want+"\n") {
			r.t.Errorf("validate does not say of %s: %s", c.name, c.want)
		}
	}
	if strings.Contains(text, secret) {
		r.t.Error("validate shows a secret")
	}
	if r.t.Failed() {
		r.t.Logf("validate says:\n%s", text)
	}
}

// listening waits for the first line of the log and returns the URL of the API in it.
func (d *daemon) listening() string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		text, err := os.ReadFile(d.log)
		if err != nil {
			d.t.Fatal(err)
		}
		if _, after, ok := strings.Cut(string(text), "connectd listening on "); ok {
			if url, _, ok := strings.Cut(after, "\n"); ok {
				return url
			}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			d.t.Fatal("connectd does not say where it listens")
		}
	}
}

// fetch decodes the answer of a GET.
func fetch(t *testing.T, url string, into any) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatalf("GET %s: %s: %v", url, answer.Status, err)
	}
}
