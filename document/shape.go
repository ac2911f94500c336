package document

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Shape is one object type: the members that are kept of it. Set it up before the first use and leave it alone
// afterwards; then it is safe for concurrent use. Shapes may refer to each other in cycles. The order of the members is
// the order of the index, not that of the text.
type Shape struct {
	Name    string
	Members []Member

	// Key is the member that identifies an object; "" where none does. Of the objects of one Document that have this Shape
	// and the same key each shows the members of all.
	Key string

	// Excerpt is set if the objects have more members at the backend than are kept: a Reader's Unknown is not called for
	// them.
	Excerpt bool

	linked []uint32 // a bit per member whose Shape has a Key

	once  sync.Once
	key   int      // the number of the Key, -1 for none
	names []name   // of the members from 1 on; the first is before them
	slots []uint16 // hash table of member numbers, counted from 1
	shift uint8    // of a hash, to a slot
}

// Member is one member of a Shape.
type Member struct {
	// Name is the member's name as the backend spells it.
	Name string

	// Shape is that of the object, or of the objects in the list, that the member holds; nil for leaves.
	Shape *Shape

	// JSON is set if the member is kept whole, whatever its content. Shape is nil then.
	JSON bool
}

// ready builds the look-up tables once. It panics on a shape that declares a name twice.
func (s *Shape) ready() { s.once.Do(s.compile) }

func (s *Shape) compile() {
	n := len(s.Members)
	width := max(bits.Len(uint(2*n)), 1)
	s.shift = uint8(64 - width)
	s.slots = make([]uint16, 1<<width)
	s.names = make([]name, n+1)
	s.names[0].set("")
	s.key = -1
	s.linked = make([]uint32, bitmapLength(n))
	for k, m := range s.Members {
		if s.find([]byte(m.Name)) >= 0 {
			panic("document: shape " + s.Name + " declares " + m.Name + " twice")
		}
		if m.Shape != nil && m.JSON {
			panic("document: member " + m.Name + " of shape " + s.Name + " has a shape and is JSON")
		}
		quoted, _ := json.Marshal(m.Name) // a string always marshals
		s.names[k+1].set(string(quoted) + ":")
		s.names[k+1].leaf = m.Shape == nil
		i := hash([]byte(m.Name)) >> s.shift
		for s.slots[i] != 0 {
			i = (i + 1) % uint64(len(s.slots))
		}
		s.slots[i] = uint16(k + 1)
		if m.Name == s.Key {
			s.key = k
		}
		if m.Shape != nil && m.Shape.Key != "" {
			s.linked[k/32] |= 1 << (k % 32)
		}
	}
}

// name is a member's name as it is in the text: "name":. It is in words, with masks for the bytes in use, so that it is
// compared without a loop or a branch on its length.
type name struct {
	quoted       string
	packed, mask [nameSize / 8]uint64
	leaf         bool // of the member, which has no Shape

	// after is the number of the name that followed this one in the object read last. A backend writes its objects in one
	// order, so this guess is nearly always right and spares a look-up.
	after atomic.Uint32
}

// nameSize is how long the names are that can be guessed, in bytes. Of five hundred one is longer.
const nameSize = 32

func (n *name) set(quoted string) {
	n.quoted = quoted
	if quoted == "" || len(quoted) > nameSize {
		n.mask[0] = math.MaxUint64 // no text begins with a zero
		return
	}
	var text, mask [nameSize]byte
	for i := range copy(text[:], quoted) {
		mask[i] = 0xff
	}
	for w := range n.packed {
		n.packed[w] = binary.LittleEndian.Uint64(text[8*w:])
		n.mask[w] = binary.LittleEndian.Uint64(mask[8*w:])
	}
}

// begins reports whether data begins with the name. It does not look at the last bytes of a text.
func (n *name) begins(data []byte) bool {
	return len(data) >= nameSize && (binary.LittleEndian.Uint64(data)^n.packed[0])&n.mask[0]|
		(binary.LittleEndian.Uint64(data[8:])^n.packed[1])&n.mask[1]|
		(binary.LittleEndian.Uint64(data[16:])^n.packed[2])&n.mask[2]|
		(binary.LittleEndian.Uint64(data[24:])^n.packed[3])&n.mask[3] == 0
}

// find returns the number of the member called name, -1 where there is none.
func (s *Shape) find(name []byte) int {
	mask := uint64(len(s.slots) - 1)
	for i := hash(name) >> s.shift; s.slots[i&mask] != 0; i++ {
		if k := int(s.slots[i&mask]) - 1; s.Members[k].Name == string(name) {
			return k
		}
	}
	return -1
}

// guess returns the number of the name that is expected behind previous.
func (s *Shape) guess(previous int) int { return int(s.names[previous].after.Load()) }

// hash mixes the length, the first and the last bytes of a name: member names differ there, and this costs the same for
// every length.
func hash(name []byte) uint64 {
	var head, tail uint64
	switch n := len(name); {
	case n >= 8:
		head, tail = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
	case n >= 4:
		head, tail = uint64(binary.LittleEndian.Uint32(name)), uint64(binary.LittleEndian.Uint32(name[n-4:]))
	case n > 0:
		head, tail = uint64(name[0]), uint64(name[n/2])<<8|uint64(name[n-1])
	}
	h := head*0x9e3779b97f4a7c15 ^ bits.RotateLeft64(tail, 29) ^ uint64(len(name))
	return h * 0xd6e8feb86659fd93
}
