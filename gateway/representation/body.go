package representation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
)

// Body is the body of an answer with the values for its headers.
type Body struct {
	Pieces [][]byte
	Size   int // of all pieces, in bytes
	Coding string
	Length []string      // the value of Content-Length
	Digest func() string // of the bytes
	Plain  func() string // of the bytes before the coding
}

// digestSize is the length of a digest in an ETag, in bytes.
const digestSize = 12

// Digest returns a digest of the pieces for an ETag.
func Digest(pieces [][]byte) string {
	sum := sha256.New()
	for _, p := range pieces {
		sum.Write(p)
	}
	return hex.EncodeToString(sum.Sum(nil)[:digestSize])
}

// Matches reports whether an If-None-Match names the tag (RFC 9110, section 13.1.2, which compares weakly).
func Matches(header, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

// Buffers hold the bytes around the data.
var Buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxBuffer is the largest buffer that is kept.
const maxBuffer = 64 << 10

// Release returns a buffer to Buffers.
func Release(frame *bytes.Buffer) {
	if frame.Cap() <= maxBuffer {
		frame.Reset()
		Buffers.Put(frame)
	}
}
