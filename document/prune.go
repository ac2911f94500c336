package document

import (
	"slices"
	"sync"
)

// pruner turns the objects of a source into Documents. It builds in scratch that is used again, so that a Document's
// own buffers are made once and in the right size.
//
// What is kept stands mostly together in the source. So nothing is copied until something must be left out or replaced:
// text is what was copied, and the source from copied on follows it.
type pruner struct {
	source
	unknown func(*Shape, []byte)

	text    []byte
	copied  int
	index   []uint32
	slots   []slot // of the open objects, one per member; of the open arrays, one per element
	scratch []byte // for names with escapes
	start   int    // where the document begins in the source

	superseded map[uint32]bool // slot.at of the members that a later one of the same name replaces
}

// slot is what is known of a member or an element of an object or array that is still open.
type slot struct {
	ref uint32 // 0 for an absent or null member: no member's value stands at the start of the text
	at  uint32 // where the member's name stands, counted from the start of the document; 0 while it was not seen
}

var pruners = sync.Pool{New: func() any { return new(pruner) }}

// maxScratch is the most that a pruner in the pool holds, in bytes of text; one huge page must not stay for ever.
const maxScratch = 8 << 20

// prune reads the object at i, which opens depth-th, into a Document.
func prune(src *source, i, depth int, s *Shape, unknown func(*Shape, []byte)) (*Document, int, error) {
	p := pruners.Get().(*pruner)
	defer p.release()
	p.source, p.start, p.copied, p.unknown = *src, i, i, unknown
	ref, next, err := p.object(i, depth, s)
	if err == nil && p.superseded != nil {
		p.text, p.index, p.copied, p.unknown = p.text[:0], p.index[:0], i, nil
		ref, next, err = p.object(i, depth, s)
	}
	if err != nil {
		return nil, 0, err
	}
	p.replace(next, next, "")
	if len(p.text) > maxText || len(p.index) > maxText {
		return nil, 0, &Error{i, "document over 2 GiB"}
	}
	return &Document{text: slices.Clone(p.text), index: slices.Clone(p.index), shape: s, root: ref}, next, nil
}

func (p *pruner) release() {
	text, index, slots, scratch := p.text[:0], p.index[:0], p.slots[:0], p.scratch[:0]
	*p = pruner{text: text, index: index, slots: slots, scratch: scratch}
	if cap(text)+4*cap(index)+8*cap(slots)+cap(scratch) <= maxScratch {
		pruners.Put(p)
	}
}

// at returns where what stands at i in the source will stand in the text, if it is kept.
func (p *pruner) at(i int) int { return len(p.text) + i - p.copied }

// replace keeps the source up to from, and then the given text instead of what stands up to to.
func (p *pruner) replace(from, to int, text string) {
	p.text = append(append(p.text, p.data[p.copied:from]...), text...)
	p.copied = to
}

// join lets what begins at i follow what was kept last, up to end, behind the separator. The source has a comma there if
// there is one in the text; so where it has no more bytes than the separator, these are the right ones.
func (p *pruner) join(end, i int, separator string) {
	if i-end != len(separator) {
		p.replace(end, i, separator)
	}
}

// object keeps the declared members of the object at i and returns a reference to what it kept.
func (p *pruner) object(i, depth int, s *Shape) (uint32, int, error) {
	if err := p.enter(i, depth); err != nil {
		return 0, 0, err
	}
	s.ready()
	at, base := p.at(i), len(p.slots)
	p.slots = slices.Grow(p.slots, len(s.Members))[:base+len(s.Members)]
	clear(p.slots[base:])
	kept, separator, previous := i+1, "", -1
	i = p.space(kept)
	more := i >= len(p.data) || p.data[i] != '}'
	if !more {
		i++
	}
	for more {
		k, value, verbatim, err := p.member(i, s, previous)
		if err != nil {
			return 0, 0, err
		}
		if k < 0 || p.superseded != nil && p.superseded[uint32(i-p.start)] {
			i, err = p.skip(value, depth+1)
		} else {
			p.join(kept, i, separator)
			if !verbatim {
				p.replace(i, value, s.quoted[k])
			}
			i, err = p.keep(&s.Members[k], base+k, i, value, depth+1)
			kept, separator, previous = i, ",", k
		}
		if err != nil {
			return 0, 0, err
		}
		if i, more, err = p.next(i, '}'); err != nil {
			return 0, 0, err
		}
	}
	p.join(kept, i-1, "")
	return p.closeObject(at, base), i, nil
}

// keep reads the value of a declared member, whose name stands at i, into the slot numbered n.
func (p *pruner) keep(m *Member, n, i, value, depth int) (int, error) {
	if i-p.start > maxText {
		return 0, &Error{i, "document over 2 GiB"}
	}
	if previous := p.slots[n].at; previous != 0 {
		p.supersede(previous)
	}
	ref, next, err := p.value(m, value, depth)
	if err != nil {
		return 0, err
	}
	if p.data[value] == 'n' {
		ref = 0
	}
	p.slots[n] = slot{ref, uint32(i - p.start)}
	return next, nil
}

// supersede notes a member that a later one of the same name replaces. As its text is already written and other
// references count on their place, the document is read a second time without it; repeated names are a rarity.
func (p *pruner) supersede(at uint32) {
	if p.superseded == nil {
		p.superseded = map[uint32]bool{}
	}
	p.superseded[at] = true
}

// closeObject moves the slots of the object that begins at at in the text into the index. An object that has nothing but
// nulls needs no entry.
func (p *pruner) closeObject(at, base int) uint32 {
	slots, entry := p.slots[base:], len(p.index)
	p.slots = p.slots[:base]
	bitmap := entry + 1
	p.index = append(p.index, uint32(at))
	for range bitmapWords(len(slots)) {
		p.index = append(p.index, 0)
	}
	first := len(p.index)
	for k, slot := range slots {
		if slot.ref != 0 {
			p.index[bitmap+k/32] |= 1 << (k % 32)
			p.index = append(p.index, slot.ref)
		}
	}
	if len(p.index) == first {
		p.index = p.index[:entry]
		return uint32(at)
	}
	return indexed | uint32(entry)
}

// array reads the array at i, whose elements are of the kind that m declares.
func (p *pruner) array(m *Member, i, depth int) (uint32, int, error) {
	if err := p.enter(i, depth); err != nil {
		return 0, 0, err
	}
	at, base := p.at(i), len(p.slots)
	kept, separator := i+1, ""
	i = p.space(kept)
	more := i >= len(p.data) || p.data[i] != ']'
	if !more {
		i++
	}
	for more {
		p.join(kept, i, separator)
		ref, next, err := p.value(m, i, depth+1)
		if err != nil {
			return 0, 0, err
		}
		p.slots = append(p.slots, slot{ref: ref})
		kept, separator = next, ","
		if i, more, err = p.next(next, ']'); err != nil {
			return 0, 0, err
		}
	}
	p.join(kept, i-1, "")
	return p.closeArray(at, base), i, nil
}

// closeArray moves the slots of the array that begins at at in the text into the index. One without elements needs no
// entry.
func (p *pruner) closeArray(at, base int) uint32 {
	slots, entry := p.slots[base:], len(p.index)
	p.slots = p.slots[:base]
	if len(slots) == 0 {
		return uint32(at)
	}
	p.index = append(p.index, uint32(at), uint32(len(slots)))
	for _, slot := range slots {
		p.index = append(p.index, slot.ref)
	}
	return indexed | uint32(entry)
}

// member reads the member name at i. It returns the number of the member, -1 for an undeclared one, where its value
// begins, and whether name and colon stand in the source as they shall in the text.
func (p *pruner) member(i int, s *Shape, previous int) (k, value int, verbatim bool, err error) {
	if k = s.guess(previous); k >= 0 && p.follows(i, s.quoted[k]) {
		end := i + len(s.quoted[k])
		value = p.space(end)
		return k, value, value == end, nil
	}
	if i >= len(p.data) || p.data[i] != '"' {
		return 0, 0, false, p.unexpected(i, "a member name")
	}
	name, end, err := p.name(i, &p.scratch)
	if err != nil {
		return 0, 0, false, err
	}
	if value, err = p.colon(end); err != nil {
		return 0, 0, false, err
	}
	if k = s.find(name); k >= 0 {
		s.learn(previous, k)
		verbatim = string(p.data[i:value]) == s.quoted[k]
	} else if p.unknown != nil {
		p.unknown(s, name)
	}
	return k, value, verbatim, nil
}

// follows reports whether text stands at i in the source.
func (p *pruner) follows(i int, text string) bool {
	end := i + len(text)
	return end <= len(p.data) && string(p.data[i:end]) == text
}

// value keeps of the value at i what m declares and returns a reference to it.
func (p *pruner) value(m *Member, i, depth int) (ref uint32, next int, err error) {
	if i >= len(p.data) {
		return 0, 0, p.unexpected(i, "a value")
	}
	at := uint32(p.at(i))
	kind := kindOf[p.data[i]]
	switch {
	case kind == KindArray:
		return p.array(m, i, depth)
	case m.Shape != nil:
		if kind == KindObject {
			return p.object(i, depth, m.Shape)
		}
		if next, err = p.skip(i, depth); err == nil && kind != KindNull {
			p.replace(i, next, emptied[kind])
		}
		return at, next, err
	case kind == KindString:
		next, err = p.string(i)
	case kind != KindObject:
		next, err = p.scalar(i)
	case m.JSON:
		next, err = p.whole(i, depth)
	default:
		if next, err = p.skip(i, depth); err == nil {
			p.replace(i, next, "{}")
		}
	}
	return at, next, err
}

// emptied is what stays of a scalar where an object is declared.
var emptied = [...]string{KindBoolean: "false", KindNumber: "0", KindString: `""`}

// string keeps the string at i, rewritten where something in it is no Unicode.
func (p *pruner) string(i int) (int, error) {
	next, clean, err := p.skipString(i)
	if err == nil && !clean {
		p.replace(i, next, "")
		p.text = p.appendString(p.text, i)
	}
	return next, err
}

// whole keeps everything of the value at i but the white space between its tokens.
func (p *pruner) whole(i, depth int) (int, error) {
	end, err := p.skip(i, depth)
	for i < end && err == nil {
		switch {
		case p.data[i] == '"':
			i, err = p.string(i)
		case isSpace(p.data[i]):
			p.replace(i, i+1, "")
			i++
		default:
			i++
		}
	}
	return end, err
}
