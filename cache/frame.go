package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
)

const (
	frameVersion  = '1'
	frameHead     = 1 + seqDigits // the part that scripts read
	seqDigits     = 16
	frameFixed    = frameHead + 1 + 3*8
	compressFrom  = 4 << 10
	maxPayload    = 64 << 20
	maxFrameTags  = 2048
	frameChecksum = 8
)

// The flags of a frame.
const (
	flagCompressed = 1 << iota
	flagAbsent
	flagTombstone
	flagItems
)

var errFrame = errors.New("not a frame of this version")

// frame is a value as Redis holds it: the version, the sequence number of the fetch (or of the drop, in a tombstone) as
// 16 decimal digits because scripts compare it, flags, three instants in Unix milliseconds, the ETag, the tags, the
// digests of a page's items, the payload and a checksum over all of it and the key's digest.
type frame struct {
	seq       int64
	absent    bool
	tombstone bool
	created   time.Time
	fresh     time.Time
	stale     time.Time
	etag      string
	tags      []Tag
	items     []Item
	payload   []byte
}

func (f *frame) encode(d digest) []byte {
	var flags byte
	payload := f.payload
	if len(payload) >= compressFrom {
		if small := s2.Encode(nil, payload); len(small) < len(payload) {
			payload, flags = small, flagCompressed
		}
	}
	if f.absent {
		flags |= flagAbsent
	}
	if f.tombstone {
		flags |= flagTombstone
	}
	if len(f.items) > 0 {
		flags |= flagItems
	}
	b := make([]byte, 0, frameFixed+len(f.etag)+len(f.tags)*70+len(f.items)*len(digest{})+len(payload)+
		2*binary.MaxVarintLen64+frameChecksum)
	b = append(b, frameVersion)
	b = fmt.Appendf(b, "%0*d", seqDigits, f.seq)
	b = append(b, flags)
	for _, t := range []time.Time{f.created, f.fresh, f.stale} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
	}
	b = appendString(b, f.etag)
	b = binary.AppendUvarint(b, uint64(len(f.tags)))
	for _, t := range f.tags {
		b = appendString(b, string(t))
	}
	if len(f.items) > 0 {
		b = binary.AppendUvarint(b, uint64(len(f.items)))
	}
	for i := range f.items {
		b = append(b, f.items[i].digest[:]...)
	}
	b = append(b, payload...)
	return binary.BigEndian.AppendUint64(b, checksum(d, b))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func checksum(d digest, b []byte) uint64 {
	h := xxhash.New()
	h.Write(d[:])
	h.Write(b)
	return h.Sum64()
}

// decodeFrame reads the stored frame of a digest. Whatever was not written for it by encode is an error.
func decodeFrame(d digest, b []byte) (*frame, error) {
	if len(b) < frameFixed+frameChecksum || b[0] != frameVersion {
		return nil, errFrame
	}
	sum := binary.BigEndian.Uint64(b[len(b)-frameChecksum:])
	b = b[:len(b)-frameChecksum]
	if checksum(d, b) != sum {
		return nil, errFrame
	}
	seq, err := strconv.ParseInt(string(b[1:frameHead]), 10, 64)
	if err != nil || seq < 0 {
		return nil, errFrame
	}
	flags := b[frameHead]
	f := &frame{seq: seq, absent: flags&flagAbsent != 0, tombstone: flags&flagTombstone != 0}
	for i, t := range []*time.Time{&f.created, &f.fresh, &f.stale} {
		*t = time.UnixMilli(int64(binary.BigEndian.Uint64(b[frameHead+1+8*i:])))
	}
	if err := f.decodeRest(b[frameFixed:], flags); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *frame) decodeRest(b []byte, flags byte) error {
	var ok bool
	if f.etag, b, ok = cutString(b); !ok {
		return errFrame
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > maxFrameTags {
		return errFrame
	}
	b = b[size:]
	for range n {
		var t string
		if t, b, ok = cutString(b); !ok {
			return errFrame
		}
		f.tags = append(f.tags, Tag(t))
	}
	if flags&flagItems != 0 {
		if f.items, b, ok = cutItems(b); !ok {
			return errFrame
		}
	}
	f.payload = b
	if flags&flagCompressed == 0 {
		return nil
	}
	if n, err := s2.DecodedLen(b); err != nil || n > maxPayload {
		return errFrame
	}
	payload, err := s2.Decode(nil, b)
	f.payload = payload
	return err
}

func cutItems(b []byte) (items []Item, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > maxFrameTags || uint64(len(b)-size) < n*uint64(len(digest{})) {
		return nil, nil, false
	}
	b = b[size:]
	items = make([]Item, n)
	for i := range items {
		b = b[copy(items[i].digest[:], b):]
	}
	return items, b, true
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	text, rest, ok := cutBytes(b)
	return string(text), rest, ok
}

func cutBytes(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}

// age is the greater of the ages by our clock and by Redis's: clocks of replicas may differ, and a value must not seem
// younger than it is. Redis expires a value when it is no longer to be served, so left is the rest of its life.
func (f *frame) age(now time.Time, left time.Duration) time.Duration {
	return max(now.Sub(f.created), f.stale.Sub(f.created)-left, 0)
}
