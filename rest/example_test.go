package rest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"connectd/rest"
)

// A server answers as soon as it listens; with Handle it gets the API of the worker.
func ExampleListen() {
	server, err := rest.Listen("http://127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error)
	go func() { served <- server.Serve(ctx) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(server.URL() + "/health")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(body), err)

	stop()
	fmt.Println(<-served)
	// Output:
	// 503 {"status":"starting","message":"Worker is still starting up."} <nil>
	// <nil>
}
