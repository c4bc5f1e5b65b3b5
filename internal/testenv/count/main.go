// Command count runs "go test -json", shows a line per package and the output of the tests
// that failed, and ends with a line "N passed, N failed, N skipped".
//
//	go run ./internal/testenv/count -- go test -json ./...
//
// It exits with the command's code, or 1 if a test failed. Where
// CONNECTD_TEST_REQUIRE_SERVERS=1 says that everything has to run, a skipped test is an
// error too.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	flag.Parse() // which takes the "--"
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: count -- go test -json [argument…]")
		os.Exit(2)
	}
	c := newCounter(os.Stdout, os.Getenv("CONNECTD_TEST_REQUIRE_SERVERS") == "1")
	code, err := run(flag.Args(), c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "count:", err)
	}
	if !c.done() {
		code = max(code, 1)
	}
	os.Exit(code)
}

// run feeds the command's output to c and returns the command's exit code.
func run(args []string, c *counter) (int, error) {
	// The command gets a terminal's interrupt as well; we stay to print what it said.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the command
		for {
			select {
			case sig := <-signals:
				cmd.Process.Signal(sig)
			case <-ended:
				return
			}
		}
	}()
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			c.line(line)
		}
		if err != nil {
			break // the command closed its output: Wait says why
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	} else if err != nil {
		return 1, err
	}
	return 0, nil
}
