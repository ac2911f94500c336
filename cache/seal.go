package cache

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

const (
	keyBytes   = 32
	keyIDBytes = 4
)

// ParseKeys reads keys of 32 bytes, each in base64 or hexadecimal, with commas or white space between them. An error
// does not repeat the text.
func ParseKeys(text string) (keys [][]byte, err error) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		key, err := hex.DecodeString(word)
		if err != nil {
			key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "="))
		}
		if err != nil || len(key) != keyBytes {
			return nil, errors.New("must be keys of 32 bytes, each in base64 or hexadecimal, with commas between them")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && text != "" {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}

// sealer encrypts frames for Redis under the first of its keys and opens those of all. Without keys it changes nothing.
type sealer []sealKey

type sealKey struct {
	id   []byte // the beginning of a digest of the key, so that it needs no name in the configuration
	aead cipher.AEAD
}

func newSealer(keys [][]byte) (sealer, error) {
	var s sealer
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, errors.New("a key for Redis must have 32 bytes")
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		id := sha256.Sum256(append([]byte("learngraph redis key\x00"), key...))
		s = append(s, sealKey{id[:keyIDBytes], aead})
	}
	return s, nil
}

// seal leaves the head of a frame readable, which scripts compare, and binds the frame to it and to its key: a value
// that is moved to another key, or gets another head, does not open.
func (s sealer) seal(d digest, frame []byte) []byte {
	if len(s) == 0 {
		return frame
	}
	k := s[0]
	out := make([]byte, 0, len(frame)+keyIDBytes+k.aead.Overhead())
	out = append(append(out, frame[:frameHead]...), k.id...)
	return k.aead.Seal(out, nil, frame[frameHead:], bound(d, out))
}

// open returns the frame, or nothing where it was not sealed under one of the keys.
func (s sealer) open(d digest, sealed []byte) (frame []byte, ok bool) {
	if len(s) == 0 {
		return sealed, true
	}
	const start = frameHead + keyIDBytes
	if len(sealed) < start {
		return nil, false
	}
	for _, k := range s {
		if !bytes.Equal(k.id, sealed[frameHead:start]) {
			continue
		}
		frame, err := k.aead.Open(slices.Clone(sealed[:frameHead]), nil, sealed[start:], bound(d, sealed[:start]))
		if err == nil {
			return frame, true
		}
	}
	return nil, false
}

// bound is the additional data with which a sealed frame is authenticated.
func bound(d digest, head []byte) []byte { return append(slices.Clone(head), d[:]...) }
