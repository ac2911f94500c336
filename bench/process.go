package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// process is a server in a process and on a core of its own.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
}

// startProcess starts a server that prints its address on its first line, between the two texts.
func startProcess(cmd *exec.Cmd, before, after string) (*process, error) {
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not start: %w", filepath.Base(cmd.Path), err), p.stop())
	}
	p.address = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), before), after)
	return p, nil
}

// stop ends the process; its exit code does not matter.
func (p *process) stop() error {
	err := errors.Join(p.stdin.Close(), p.cmd.Process.Signal(syscall.SIGTERM))
	_ = p.cmd.Wait()
	return err
}

// tick is the unit of CPU times in /proc on Linux, for programs on any machine.
const tick = 10 * time.Millisecond

// cpu is the CPU time that the process has used; 0 where there is no /proc.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// memory is the process's memory in MiB, now or at its peak; 0 where there is no /proc.
func (p *process) memory() (now, peak float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			now = kib / 1024
		case "VmHWM":
			peak = kib / 1024
		}
	}
	return now, peak
}

// program is the server as it is shipped, over the emulated backends.
type program struct {
	*process
	operator string // address of /metrics
	log      *os.File
}

// buildProgram builds the server into the folder.
func buildProgram(folder string) (string, error) {
	binary := filepath.Join(folder, "learngraph")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/learngraph/learngraph").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startProgram starts the server over the backends at an address, with the settings NAME=value besides. Its log goes to
// a file, as it would in service.
func startProgram(binary, backends string, settings ...string) (*program, error) {
	operator, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(filepath.Dir(binary), "log")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary)
	cmd.Stderr = log
	base := "http://" + backends
	cmd.Env = append([]string{"LISTEN=127.0.0.1:0", "METRICS_LISTEN=" + operator,
		"THOUGHTINDUSTRIES_URL=" + base, "THOUGHTINDUSTRIES_API_KEY=" + emulator.APIKey, "THOUGHTINDUSTRIES_RATE=0",
		"COASSEMBLE_URL=" + base + "/api", "COASSEMBLE_AUTHORIZATION=" + emulator.Authorization, "COASSEMBLE_RATE=0",
		"MATTR_URL=" + base, "MATTR_TOKEN_URL=" + base + "/oauth/token", "MATTR_CLIENT_ID=" + emulator.ClientID,
		"MATTR_CLIENT_SECRET=" + emulator.ClientSecret, "MATTR_AUDIENCE=" + emulator.Audience, "MATTR_RATE=0"}, settings...)
	p, err := startProcess(cmd, "GraphQL is at http://", "/graphql")
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return &program{p, operator, log}, nil
}

func (p *program) stop() error { return errors.Join(p.process.stop(), p.log.Close()) }

// freeAddress returns an address that is free at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// spent is the number of the program's calls to its backends so far, tokens left out.
type spent struct{ calls, bytes float64 }

func (p *program) spent() (s spent, err error) {
	resp, err := http.Get("http://" + p.operator + "/metrics")
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "} ")
		if strings.Contains(name, `class="token"`) {
			continue
		}
		n, _ := strconv.ParseFloat(value, 64)
		switch {
		case strings.HasPrefix(name, "learngraph_backend_calls_total{"):
			s.calls += n
		case strings.HasPrefix(name, "learngraph_backend_received_bytes_total{"):
			s.bytes += n
		}
	}
	return s, lines.Err()
}

// figure is one figure of the program's metrics; 0 where there is none of the name.
func (p *program) figure(name string) (v float64, err error) {
	resp, err := http.Get("http://" + p.operator + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err = strconv.ParseFloat(text, 64)
		}
	}
	return v, errors.Join(err, lines.Err())
}
