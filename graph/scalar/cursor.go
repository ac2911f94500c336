package scalar

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Cursor is a place in one list. Search is compared with names and the other texts that the backend indexes;
type Cursor struct {
	// List is the list's place in the schema, for example "Query.clients" or "Client.users".
	List string
	// Bound is everything else that affects the list's content: parent key, filters, order.
	Bound []string
	// Offset is the number of items up to and including the one that the cursor names; 0 where Token is used.
	Offset int
	// Token is the backend's own cursor of the page that the item is in, empty for the first page or where the
	// backend counts.
	Token string
}

// The reasons why a cursor is refused.
var (
	ErrCursor     = errors.New("is not a cursor of this API")
	ErrCursorList = errors.New("is a cursor of another list, or of this list with other arguments")
)

const (
	cursorVersion = 1
	sumSize       = 8
	maxOffset     = 1 << 31
	maxCursor     = 4096
)

// Encode writes the cursor as text: version, checksum, offset, list and the backend's token.
func (c Cursor) Encode() string {
	body := binary.AppendUvarint(nil, uint64(c.Offset))
	body = append(body, c.List...)
	body = append(body, 0)
	body = append(body, c.Token...)
	out := append([]byte{cursorVersion}, c.sum(body)...)
	return base64.RawURLEncoding.EncodeToString(append(out, body...))
}

// sum binds the body to values that are not written in it, and detects changes. It is no secret: a forged cursor reads
// nothing that its owner could not read anyway.
func (c Cursor) sum(body []byte) []byte {
	h := sha256.New()
	for _, b := range c.Bound {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write([]byte(b))
	}
	h.Write(body)
	return h.Sum(nil)[:sumSize]
}

// DecodeCursor reads text as a cursor of the given list and bounds.
func DecodeCursor(text, list string, bound ...string) (Cursor, error) {
	c, sum, body, err := parseCursor(text)
	if err != nil {
		return Cursor{}, err
	}
	c.Bound = bound
	if c.List != list || string(c.sum(body)) != string(sum) {
		return Cursor{}, ErrCursorList
	}
	return c, nil
}

// CheckCursor reports whether text is a cursor of the list at all; DecodeCursor checks its binding, once the parent is
// known.
func CheckCursor(text, list string) error {
	c, _, _, err := parseCursor(text)
	if err == nil && c.List != list {
		err = ErrCursorList
	}
	return err
}

func parseCursor(text string) (c Cursor, sum, body []byte, err error) {
	if len(text) > maxCursor {
		return c, nil, nil, ErrCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 1+sumSize || raw[0] != cursorVersion {
		return c, nil, nil, ErrCursor
	}
	sum, body = raw[1:1+sumSize], raw[1+sumSize:]
	offset, n := binary.Uvarint(body)
	if n <= 0 || offset > maxOffset {
		return c, nil, nil, ErrCursor
	}
	list, token, ok := strings.Cut(string(body[n:]), "\x00")
	if !ok {
		return c, nil, nil, ErrCursor
	}
	return Cursor{List: list, Offset: int(offset), Token: token}, sum, body, nil
}
