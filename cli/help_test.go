package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/config"
)

func TestHelpExplainsEverySetting(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"-help"}, {"--help"}, {"help"}, {"help", "serve"}, {"serve", "-h"}} {
		var stdout, stderr bytes.Buffer
		if code := runCommand(args[0], args[1:], &stdout, &stderr); code != ExitOK || stderr.Len() > 0 {
			t.Fatalf("%q: got exit code %d: %s", args, code, &stderr)
		}
		if !strings.Contains(stdout.String(), "Exit codes:\n  0 ") {
			t.Errorf("%q: there are no exit codes", args)
		}
		for _, g := range config.Groups() {
			if !strings.Contains(stdout.String(), "\n"+g.Title+" (") {
				t.Errorf("%q: there is no %s", args, g.Title)
			}
		}
		for _, s := range config.Settings() {
			about := "  (" + s.Name
			if s.Secret {
				about += " or " + s.Name + "_FILE"
			}
			if s.Default == "" {
				about += ", no default)"
			} else {
				about += ", default " + s.Default + ")"
			}
			if !strings.Contains(stdout.String(), "\n  -"+config.FlagName(s.Name)) || !strings.Contains(stdout.String(), about+"\n        "+s.Usage+"\n") {
				t.Errorf("%q: help does not explain %s", args, s.Name)
			}
		}
	}
}

// Every flag has one dash or two, and its value in the same word or the next.
func TestFlagsAreReadInEachWayOfWritingThem(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-cache-ttl", "5s", "-explain"}, {"--cache-ttl", "5s", "--explain"}, {"-cache-ttl=5s", "-explain=true"}, {"--cache-ttl=5s", "--explain=true"},
	} {
		for _, all := range [][]string{append([]string{"config", "show", "-demo"}, args...), append(append([]string{"-demo"}, args...), "config", "show")} {
			var stdout, stderr bytes.Buffer
			if code := runCommand(all[0], all[1:], &stdout, &stderr); code != ExitOK || !strings.Contains(stdout.String(), `cache_ttl: "5s" # flag`) {
				t.Errorf("%q: got exit code %d: %s%s", all, code, &stdout, &stderr)
			}
		}
	}
	// A value may begin with a dash.
	var stdout, stderr bytes.Buffer
	if code := runCommand("config", []string{"show", "-demo", "-link-user-provider", "-x"}, &stdout, &stderr); code != ExitOK || !strings.Contains(stdout.String(), `link_user_provider: "-x" # flag`) {
		t.Errorf("got exit code %d: %s%s", code, &stdout, &stderr)
	}
}
