package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// kafkaConnect is a running Kafka Connect, by its REST API.
type kafkaConnect struct {
	url  string
	name string // of the connector there
}

const (
	// stopWait is how long a connector of Kafka Connect may take to stop.
	stopWait = time.Minute
	stopPoll = 200 * time.Millisecond
)

func (k kafkaConnect) where() string {
	return fmt.Sprintf("connector %q of Kafka Connect at %s", k.name, k.url)
}

// state is the connector's, such as RUNNING.
func (k kafkaConnect) state(ctx context.Context) (string, error) {
	var answer struct {
		Connector struct {
			State string `json:"state"`
		} `json:"connector"`
		Tasks []struct{} `json:"tasks"`
	}
	if err := k.call(ctx, http.MethodGet, "status", nil, &answer); err != nil {
		return "", err
	}
	if answer.Connector.State == "STOPPED" && len(answer.Tasks) > 0 {
		return "STOPPING", nil
	}
	return answer.Connector.State, nil
}

// stop stops the connector's tasks and waits until they have ended; its offsets and its
// configuration stay.
func (k kafkaConnect) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	if err := k.call(ctx, http.MethodPut, "stop", nil, nil); err != nil {
		return err
	}
	for {
		state, err := k.state(ctx)
		if err != nil || state == "STOPPED" {
			return err
		}
		select {
		case <-time.After(stopPoll):
		case <-ctx.Done():
			return fmt.Errorf("%s is still %s after %s", k.where(), state, stopWait)
		}
	}
}

// connectOffsets is what the REST API calls the offsets of a source.
type connectOffsets struct {
	Offsets []connectOffset `json:"offsets"`
}

type connectOffset struct {
	Partition json.RawMessage `json:"partition"`
	Offset    json.RawMessage `json:"offset"`
}

// offset is the connector's offset of the partition, nil for none.
func (k kafkaConnect) offset(ctx context.Context, partition []byte) ([]byte, error) {
	var answer connectOffsets
	if err := k.call(ctx, http.MethodGet, "offsets", nil, &answer); err != nil {
		return nil, err
	}
	for _, o := range answer.Offsets {
		var compact bytes.Buffer
		if json.Compact(&compact, o.Partition) == nil && bytes.Equal(compact.Bytes(), partition) && string(o.Offset) != "null" {
			return o.Offset, nil
		}
	}
	return nil, nil
}

// setOffset changes the offset of a connector that is STOPPED.
func (k kafkaConnect) setOffset(ctx context.Context, partition, offset []byte) error {
	return k.call(ctx, http.MethodPatch, "offsets", connectOffsets{[]connectOffset{{partition, offset}}}, nil)
}

// call sends a request about the connector and decodes the answer, if there is one.
func (k kafkaConnect) call(ctx context.Context, method, path string, body, answer any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+"/connectors/"+url.PathEscape(k.name)+"/"+path, &content)
	if err != nil {
		return fmt.Errorf("--connect: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask Kafka Connect: %w", err)
	}
	defer response.Body.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	switch {
	case err != nil:
		return fmt.Errorf("ask Kafka Connect: %w", err)
	case response.StatusCode == http.StatusNotFound && path == "status":
		return fmt.Errorf("there is no %s; --name says what it is called there", k.where())
	case response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusMethodNotAllowed:
		return fmt.Errorf("ask Kafka Connect at %s: it does not know %s %s, which came with 3.6; use --offsets-topic", k.url, method, path)
	case response.StatusCode >= 300:
		return fmt.Errorf("ask Kafka Connect: %s %s is answered by %s: %s", method, path, response.Status, bytes.TrimSpace(text))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer of Kafka Connect: %w", err)
	}
	return nil
}
