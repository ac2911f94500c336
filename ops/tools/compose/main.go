// Command compose checks a compose file by the loader that docker compose itself uses.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	ctx := context.Background()
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithConsistency(true), cli.WithResolvedPaths(true))
	if err == nil {
		project, loadErr := options.LoadProject(ctx)
		if err = loadErr; err == nil {
			fmt.Println(len(project.Services), "services are valid")
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
