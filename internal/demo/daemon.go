package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// daemon is the connectd that the demo runs, as a user would.
type daemon struct {
	cmd *exec.Cmd
	url string // of its REST API
	log string // path of its log
}

const binary = "bin/connectd" // made by make build

// startDaemon runs connectors.yaml against e and f and waits until the REST API answers.
func startDaemon(e *engines, f *feeds) (*daemon, error) {
	logPath := filepath.Join(os.TempDir(), "connectd-demo.log")
	logFile, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the child has its own handle
	d := &daemon{cmd: exec.Command(binary, "run", "connectors.yaml"), log: logPath}
	d.cmd.Env = append(os.Environ(), append(e.env(), "CONNECTD_LISTENERS=http://127.0.0.1:0",
		"RATES_URL="+f.url, "DELIVERIES="+f.dir)...)
	d.cmd.Stderr = logFile
	// Ctrl-C in the terminal is for the demo: the daemon is stopped after the comparison.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w; run make build", binary, err)
	}
	// The daemon's first line on standard output says where it listens.
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		d.stop()
		return nil, fmt.Errorf("connectd ended at once; its log is %s", logPath)
	}
	_, d.url, _ = strings.Cut(strings.TrimSpace(line), "listening on ")
	return d, nil
}

// stop ends the daemon as an operator would.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// connector is what the live table shows of one connector.
type connector struct {
	Name       string  `json:"name"`
	Type       string  `json:"type"`
	State      string  `json:"state"`
	Phase      string  `json:"phase"`
	Tasks      []task  `json:"tasks"`
	Cause      string  `json:"cause"`
	RecordsIn  int64   `json:"records_in"`
	RecordsOut int64   `json:"records_out"`
	Lag        int64   `json:"lag_records"`
	P95        float64 `json:"latency_p95_seconds"`
}

type task struct {
	Phase  string `json:"phase"`
	Detail string `json:"detail"`
}

var client = &http.Client{Timeout: 2 * time.Second}

// connectors asks the daemon for the state of all connectors.
func (d *daemon) connectors() ([]connector, error) {
	res, err := client.Get(d.url + "/api/connectors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var list []connector
	return list, json.NewDecoder(res.Body).Decode(&list)
}
