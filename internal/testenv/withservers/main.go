// Command withservers starts one server of each kind, runs a command that finds their
// addresses in CONNECTD_TEST_SERVERS, stops the servers and exits with the command's code.
//
//	go run ./internal/testenv/withservers -- go test ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"connectd/internal/testenv"
)

func main() {
	flag.Parse() // which takes the "--"
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: withservers -- command [argument…]")
		os.Exit(2)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(flag.Args(), signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withservers:", err)
	}
	os.Exit(code)
}

// run returns the exit code: the command's, 128 plus the signal that ended it, or 1.
func run(args []string, signals <-chan os.Signal) (int, error) {
	servers, err := start(signals)
	if err != nil {
		return 1, err
	}
	code, err := command(args, servers, signals)
	if cerr := servers.Close(); cerr != nil {
		return max(code, 1), errors.Join(err, cerr)
	}
	return code, err
}

// start starts the servers. A signal meanwhile ends the start.
func start(signals <-chan os.Signal) (*testenv.Servers, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	type result struct {
		servers *testenv.Servers
		err     error
	}
	began, started := time.Now(), make(chan result, 1)
	go func() { // ends with the start, which ends with ctx
		s, err := testenv.StartAll(ctx)
		started <- result{s, err}
	}()
	select {
	case r := <-started:
		if r.err != nil {
			return nil, r.err
		}
		fmt.Fprintf(os.Stderr, "servers started in %.1f s\n", time.Since(began).Seconds())
		return r.servers, nil
	case sig := <-signals:
		cancel(fmt.Errorf("%v", sig))
		if r := <-started; r.servers != nil {
			r.servers.Close()
		}
		return nil, fmt.Errorf("start servers: %v", sig)
	}
}

// command runs the command and passes every signal on to it.
func command(args []string, servers *testenv.Servers, signals <-chan os.Signal) (int, error) {
	env, err := servers.Env()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the command
	for {
		select {
		case sig := <-signals:
			cmd.Process.Signal(sig)
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0, nil
			case !errors.As(err, &exit):
				return 1, err
			case exit.ExitCode() >= 0:
				return exit.ExitCode(), nil
			}
			return 128 + int(exit.Sys().(syscall.WaitStatus).Signal()), nil
		}
	}
}
