// Command emulator serves the three backends on one address, for trying Learngraph without any of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until the context ends. It returns 0 then, 1 when it cannot serve, 2 when the arguments are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	listen, o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		fmt.Fprintln(stderr, "emulator:", err)
		return 1
	}
	printEnvironment(stdout, "http://"+listener.Addr().String())
	if err := serve(ctx, listener, emulator.New(o)); err != nil {
		fmt.Fprintln(stderr, "emulator:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (listen string, o emulator.Options, err error) {
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&listen, "listen", "127.0.0.1:9100", "`address` to serve on")
	flags.DurationVar(&o.Latency, "latency", 0, "`time` before every answer")
	flags.Uint64Var(&o.Seed, "seed", 0, "`number` that determines the catalogue")
	flags.BoolVar(&o.Linked, "linked", false, "give every client a Coassemble record and every user an identity")
	sizes := map[*int]*int{}
	size := func(field *int, name string, standard int, usage string) {
		sizes[field] = flags.Int(name, standard, usage)
	}
	size(&o.Clients, "clients", 25, "`number` of clients")
	size(&o.CoursesPerClient, "courses", 20, "`number` of courses of a client")
	size(&o.LearningPathsPerClient, "learning-paths", 4, "`number` of learning paths of a client")
	size(&o.UsersPerClient, "users", 4, "`number` of users of a client")
	size(&o.CredentialsPerUser, "credentials", 2, "`number` of credentials of a user")
	if err := flags.Parse(args); err != nil {
		return "", o, err
	}
	for field, value := range sizes {
		*field = *value
		if *value == 0 {
			*field = -1 // the options' zero is the default
		}
	}
	return listen, o, nil
}

// printEnvironment prints the settings that point Learngraph at the emulator, ready for a shell.
func printEnvironment(w io.Writer, base string) {
	settings := emulator.Settings(base)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(w, "export %s='%s'\n", name, settings[name])
	}
}

// shutdownTimeout is how long requests in flight may take to end.
const shutdownTimeout = 5 * time.Second

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(bound); err != nil {
		return server.Close()
	}
	return nil
}
