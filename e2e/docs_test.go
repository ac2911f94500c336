package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/upstream/emulator"
)

// pages are the readme and every page of documentation.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{"README.md", "CONTRIBUTING.md"}
	err := fs.WalkDir(os.DirFS(".."), "docs", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".md" {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// shellBlock matches a block of shell with the comment before it, which decides how it is run, and the answer after it.
var shellBlock = regexp.MustCompile("(?s)(?:<!-- sh: ([^\n]*) -->\n)?```sh\n(.*?)```\n(?:\n```json\n(.*?)```)?")

// TestShellBlocksOfTheDocumentation runs every block of shell, in the order of its page, in a copy of the repository. A block
// whose comment is "sh: server" starts a server that stays; every other page has the demo. A comment "sh: skip, REASON" leaves
// out what needs a cluster or the network, or is a test itself. A block of JSON that follows is the output.
func TestShellBlocksOfTheDocumentation(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join("..", page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
		if strings.Count(string(text), "```sh\n") != len(blocks) {
			t.Errorf("%s has a block of shell that is not read", page)
		}
		if len(blocks) > 0 {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				playPage(t, blocks)
			})
		}
	}
}

// builtProgram returns the folder with the program, as it is installed.
var builtProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "learngraph")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "learngraph"), "..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func playPage(t *testing.T, blocks [][]string) {
	dir := likeTheRepository(t)
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	address := free(t)
	script := strings.NewReplacer("127.0.0.1:8080", address, "127.0.0.1:9090", free(t), "go run . ", "learngraph ")
	shell := func(text string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script.Replace(text))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "LISTEN="+address, "PATH="+program+":"+os.Getenv("PATH"), "CAPTURE_DIR="+t.TempDir())
		return cmd
	}
	serving := false
	for _, b := range blocks {
		how, text, want := b[1], b[2], b[3]
		if strings.HasPrefix(how, "skip, ") {
			continue
		}
		if how == "server" || !serving {
			serving = true
			serverText := "learngraph -demo"
			if how == "server" {
				serverText = text
			}
			stay(t, shell("exec "+strings.TrimPrefix(script.Replace(serverText), "exec ")))
			if how == "server" {
				continue
			}
		}
		cmd := shell(text)
		out, err := cmd.Output()
		if err != nil {
			var failed *exec.ExitError
			if ok := asExit(err, &failed); ok {
				out = append(out, failed.Stderr...)
			}
			t.Errorf("%v\n%s\n%s", err, text, out)
		}
		if want != "" && strings.TrimSpace(want) != strings.TrimSpace(string(out)) {
			t.Errorf("the output of\n%s(-want +got):\n%s", text, cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(string(out))))
		}
	}
}

func asExit(err error, target **exec.ExitError) bool {
	return errors.As(err, target)
}

// likeTheRepository returns a folder in which the repository's files are found, and new ones are thrown away.
func likeTheRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(root, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// free returns an address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// stay starts a server and returns when it serves; it ends with the test.
func stay(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "GraphQL is at") {
	}
	if !strings.HasPrefix(lines.Text(), "GraphQL is at") {
		t.Fatalf("%s does not serve", cmd)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

const screen = `query Screen {
  clients(first: 1) {
    nodes {
      name
      ... @defer(label: "users") { users(first: 1) { nodes { name } } }
    }
  }
}
`

// transcriptBlock matches a transcript with the Accept that it answers.
var transcriptBlock = regexp.MustCompile("(?s)<!-- transcript: ([^\n]*) -->\n```text\n(.*?)```\n")

// TestTranscriptsOfAnswersInParts holds the page against what the program sends, byte for byte; -update writes it.
func TestTranscriptsOfAnswersInParts(t *testing.T) {
	t.Parallel()
	const page = "../docs/how-to/incremental.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), screen) {
		t.Error("the page lacks the query of the transcripts")
	}
	seen := 0
	got := transcriptBlock.ReplaceAllStringFunc(string(text), func(block string) string {
		seen++
		accept := transcriptBlock.FindStringSubmatch(block)[1]
		return fmt.Sprintf("<!-- transcript: %s -->\n```text\n%s```\n", accept, transcriptOf(t, accept))
	})
	if seen != 5 {
		t.Errorf("the page has %d transcripts, want 5", seen)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("go test ./e2e -run Transcripts -update writes the page (-want +got):\n%s", diff)
	}
}

// transcriptOf returns the header Content-Type and the body of an answer whose deferred part comes after the first payload.
func transcriptOf(t *testing.T, accept string) string {
	t.Helper()
	hold := holdCoassemble()
	p := start(t, setup{Emulator: emulator.Options{ProviderInList: true}, Wrap: hold.wrap})
	server := httptest.NewServer(p.Handler)
	defer server.Close()
	if accept == "application/json" {
		close(hold.release)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/graphql", strings.NewReader(jsonOf(t, map[string]string{"query": screen})))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	if accept != "application/json" {
		close(hold.release)
	}
	rest, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := string(first) + string(rest)
	if strings.HasPrefix(accept, "multipart") && strings.Count(body, "\n") != strings.Count(body, "\r\n") {
		t.Error("a line does not end in CRLF")
	}
	return "Content-Type: " + resp.Header.Get("Content-Type") + "\n\n" + strings.TrimRight(strings.ReplaceAll(body, "\r\n", "\n"), "\n") + "\n"
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
