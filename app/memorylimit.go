package app

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/learngraph/learngraph/config"
)

// FitMemory keeps the process within the memory of its container. Unless GOMEMLIMIT is set, the runtime's limit is nine
// tenths of it: the rest is for memory outside the Go heap. The settings that bound memory and are not given take a
// part.
func FitMemory(cfg *config.Config, getenv func(string) string) {
	if getenv("GOMEMLIMIT") == "" {
		if limit := containerLimit(os.DirFS("/")); limit < math.MaxInt64 {
			debug.SetMemoryLimit(limit / 10 * 9)
		}
	}
	cfg.Fit(debug.SetMemoryLimit(-1))
}

// containerLimit returns the memory that the control groups of the process allow, in bytes; math.MaxInt64 is any. A
// group is bound by those above it, and a container may see its own as the root.
func containerLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		_, rest, _ := strings.Cut(lines.Text(), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case controllers == "":
			limit = min(limit, groupLimit(root, "sys/fs/cgroup", group, "memory.max"))
		case strings.Contains(","+controllers+",", ",memory,"):
			limit = min(limit, groupLimit(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
		}
	}
	return limit
}

// groupLimit returns the least limit of a control group and of those above it.
func groupLimit(root fs.FS, hierarchy, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		text, err := fs.ReadFile(root, path.Join(hierarchy, group, file))
		// A group without a limit has the value max, or in cgroup v1 a number larger than any machine's memory.
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 &&
			n < 1<<60 {
			limit = min(limit, n)
		}
		if group == "/" {
			return limit
		}
	}
}
