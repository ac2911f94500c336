package document

import (
	"math/bits"
	"slices"
	"sync"
)

// pruner turns the objects of a source into Documents. It builds in scratch that is used again, so that a Document's
// own buffers are made once and in the right size.
//
// The kept members are mostly contiguous in the source. So nothing is copied before the whole object is read: a member
// that must be left out or replaced is noted as an edit.
type pruner struct {
	source
	unknown *unknowns

	start    int // where the document begins in the source
	edits    []edit
	inserted []byte // the texts inserted by the edits, end to end
	shift    int    // the difference between an offset in the source after the edits and the same in the text

	index   []uint32
	levels  []*level // the open objects and arrays, by depth
	scratch []byte   // for names with escapes

	same completer

	superseded map[uint32]bool // slot.at of the members that a later one of the same name replaces
}

// edit replaces source[from:to], with offsets from the start of the document, by the next bytes of inserted, up to
// inserted.
type edit struct{ from, to, inserted uint32 }

// level is an object or an array that is still open.
type level struct {
	slots []slot   // of an object one per member, of an array one per element
	marks []uint32 // of an object: a bit per member that was seen, then one per member that is not null
}

// slot is a member or an element. That of a member is valid from when the member was seen.
type slot struct {
	ref uint32
	at  uint32 // the offset of the member's name, from the start of the document
}

// seen reports whether the object had the member before.
func (l *level) seen(k int) bool { return l.marks[k/32]&(1<<(k%32)) != 0 }

// put notes a member of an object.
func (l *level) put(k int, member slot, null bool) {
	word, bit := k/32, uint32(1)<<(k%32)
	l.marks[word] |= bit
	if !null {
		l.marks[len(l.marks)/2+word] |= bit
	}
	l.slots[k] = member
}

var pruners = sync.Pool{New: func() any { return new(pruner) }}

// maxScratch is the most that a pruner in the pool holds, in bytes of text; one huge page must not stay for ever.
const maxScratch = 8 << 20

// prune reads the object at i, which opens depth-th, into a Document.
func prune(src *source, i, depth int, s *Shape, unknown *unknowns) (*Document, int, error) {
	p := pruners.Get().(*pruner)
	defer p.release()
	p.source, p.start, p.shift, p.unknown = *src, i, -i, unknown
	ref, next, err := p.object(i, depth, s)
	if err == nil && p.superseded != nil {
		p.edits, p.inserted, p.index, p.shift = p.edits[:0], p.inserted[:0], p.index[:0], -i
		p.same.reset()
		ref, next, err = p.object(i, depth, s)
	}
	if err != nil {
		return nil, 0, err
	}
	if next-i > maxText || p.at(next) > maxText || len(p.index) > maxText {
		return nil, 0, &Error{i, "document over 2 GiB"}
	}
	text := p.text(next)
	p.index = p.same.complete(text, p.index)
	return &Document{text: text, index: slices.Clone(p.index), shape: s, root: ref}, next, nil
}

func (p *pruner) release() {
	p.same.reset()
	*p = pruner{edits: p.edits[:0], inserted: p.inserted[:0], index: p.index[:0], levels: p.levels,
		scratch: p.scratch[:0], same: p.same}
	size := 12*cap(p.edits) + cap(p.inserted) + 4*cap(p.index) + cap(p.scratch) + p.same.size()
	for _, l := range p.levels {
		size += 8*cap(l.slots) + 4*cap(l.marks)
	}
	if size <= maxScratch {
		pruners.Put(p)
	}
}

// at returns the offset in the text of offset i of the source, if that is kept.
func (p *pruner) at(i int) int { return i + p.shift }

// replace keeps the source up to from, and replaces the source up to to by the given text.
func (p *pruner) replace(from, to int, text string) {
	p.inserted = append(p.inserted, text...)
	p.edits = append(p.edits, edit{uint32(from - p.start), uint32(to - p.start), uint32(len(p.inserted))})
	p.shift += len(text) - (to - from)
}

// text applies the edits to the source up to end.
func (p *pruner) text(end int) []byte {
	source, inserted := p.data[p.start:end], p.inserted
	if len(p.edits) == 0 {
		return slices.Clone(source)
	}
	text := slices.Grow([]byte(nil), p.at(end)) // with the heap's size class as capacity, as Size counts it
	var last edit
	for _, e := range p.edits {
		text = append(text, source[last.to:e.from]...)
		text = append(text, inserted[last.inserted:e.inserted]...)
		last = e
	}
	return append(text, source[last.to:]...)
}

// join makes the text at i follow the kept text, up to end, after the separator. The source has a comma there if there
// is one in the text; so where it has no more bytes than the separator, these are the right ones.
func (p *pruner) join(end, i int, separator string) {
	switch {
	case i-end == len(separator):
	case separator == "," && p.data[end] == ',':
		p.replace(end+1, i, "")
	default:
		p.replace(end, i, separator)
	}
}

// open makes room for an object of n members, or for an array.
func (p *pruner) open(depth, n int) *level {
	for len(p.levels) <= depth {
		p.levels = append(p.levels, new(level))
	}
	l, words := p.levels[depth], 2*bitmapLength(n)
	l.slots = slices.Grow(l.slots[:0], n)[:n]
	l.marks = slices.Grow(l.marks[:0], words)[:words]
	clear(l.marks)
	return l
}

// object keeps the declared members of the object at i and returns a reference to the pruned object.
func (p *pruner) object(i, depth int, s *Shape) (uint32, int, error) {
	if err := p.enter(i, depth); err != nil {
		return 0, 0, err
	}
	s.ready()
	at, l := p.at(i), p.open(depth, len(s.Members))
	next, err := p.members(s, l, i, depth+1)
	if err != nil {
		return 0, 0, err
	}
	return p.closeObject(s, at, l), next, nil
}

// members keeps the declared members of the object at i, and returns its end. Most of the time of a page is spent here:
// so for an expected member with a plain value all but plainEnd is inlined.
func (p *pruner) members(s *Shape, l *level, i, depth int) (next int, err error) {
	kept, separator, previous := i+1, "", 0
	i, more := p.first(i, '}')
	for more {
		k, value, verbatim := s.guess(previous), i, true
		if n := &s.names[k]; n.begins(p.data[i:]) {
			value = p.space(i + len(n.quoted))
			verbatim = value == i+len(n.quoted)
		} else if k, value, verbatim, err = p.member(i, s, previous); err != nil {
			return 0, err
		}
		next = plainEnd(p.data, value)
		if k > 0 && !p.isSuperseded(i) {
			if i-kept != len(separator) {
				p.join(kept, i, separator)
			}
			if !verbatim {
				p.replace(i, value, s.names[k].quoted)
			}
			member := slot{uint32(p.at(value)), uint32(i - p.start)}
			if next == 0 || !s.names[k].leaf {
				member.ref, next, err = p.value(&s.Members[k-1], value, depth)
			}
			if l.seen(k - 1) {
				p.supersede(l.slots[k-1].at)
			}
			l.put(k-1, member, p.isNull(value))
			kept, separator, previous = next, ",", k
		} else if next == 0 {
			next, err = p.skip(value, depth)
		}
		if i = next + 1; err == nil && !p.comma(next) {
			i, more, err = p.next(next, '}')
		}
		if err != nil {
			return 0, err
		}
	}
	p.join(kept, i-1, "")
	return i, nil
}

// supersede notes a member that a later one of the same name replaces. As later offsets count on it, the document is
// read a second time without it; repeated names are a rarity.
func (p *pruner) supersede(at uint32) {
	if p.superseded == nil {
		p.superseded = map[uint32]bool{}
	}
	p.superseded[at] = true
}

func (p *pruner) isSuperseded(i int) bool {
	return p.superseded != nil && p.superseded[uint32(i-p.start)]
}

// closeObject moves the slots of the object that begins at at in the text into the index. An object that has nothing
// but nulls needs no entry.
func (p *pruner) closeObject(s *Shape, at int, l *level) uint32 {
	slots, set, entry := l.slots, l.marks[len(l.marks)/2:], len(p.index)
	p.index = append(append(p.index, uint32(at)), set...)
	first := len(p.index)
	for w, word := range set {
		for linked := s.linked[w]; word != 0; word &= word - 1 {
			if linked&word&-word != 0 {
				p.same.links = append(p.same.links, uint32(len(p.index)))
			}
			p.index = append(p.index, slots[32*w+bits.TrailingZeros32(word)].ref)
		}
	}
	if len(p.index) == first {
		p.index = p.index[:entry]
		return uint32(at)
	}
	if s.key >= 0 {
		p.same.objects = append(p.same.objects, keyed{shape: s, ref: indexed | uint32(entry)})
	}
	return indexed | uint32(entry)
}

// array reads the array at i, whose elements are of the kind that m declares.
func (p *pruner) array(m *Member, i, depth int) (uint32, int, error) {
	if err := p.enter(i, depth); err != nil {
		return 0, 0, err
	}
	l, at, kept, separator := p.open(depth, 0), p.at(i), i+1, ""
	i, more := p.first(i, ']')
	for more {
		p.join(kept, i, separator)
		ref, next, err := p.value(m, i, depth+1)
		if err != nil {
			return 0, 0, err
		}
		l.slots = append(l.slots, slot{ref: ref})
		kept, separator = next, ","
		if i, more, err = p.next(next, ']'); err != nil {
			return 0, 0, err
		}
	}
	p.join(kept, i-1, "")
	return p.closeArray(m, at, l.slots), i, nil
}

// closeArray moves the slots of the array that begins at at in the text into the index. One without elements needs no
// entry.
func (p *pruner) closeArray(m *Member, at int, slots []slot) uint32 {
	entry := len(p.index)
	if len(slots) == 0 {
		return uint32(at)
	}
	p.index = append(p.index, uint32(at), uint32(len(slots)))
	linked := m.Shape != nil && m.Shape.Key != ""
	for _, slot := range slots {
		if linked {
			p.same.links = append(p.same.links, uint32(len(p.index)))
		}
		p.index = append(p.index, slot.ref)
	}
	return indexed | uint32(entry)
}

// member reads the member name at i, which is not the expected one. It returns the number of the name, 0 for an
// undeclared one, the offset of its value, and whether name and colon have their final form in the source.
func (p *pruner) member(i int, s *Shape, previous int) (k, value int, verbatim bool, err error) {
	if n := p.unknown.expected(s, p.data[i:]); n > 0 {
		return 0, p.space(i + n), false, nil
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
	if k = s.find(name) + 1; k == 0 {
		p.unknown.add(s, name, p.data[i:value])
		return 0, value, false, nil
	}
	s.names[previous].after.Store(uint32(k))
	return k, value, string(p.data[i:value]) == s.names[k].quoted, nil
}

// value keeps the part of the value at i that m declares, and returns a reference to it.
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
		next, err = p.compact(i, depth)
	default:
		if next, err = p.skip(i, depth); err == nil {
			p.replace(i, next, "{}")
		}
	}
	return at, next, err
}

// emptied replaces a scalar where an object is declared.
var emptied = [...]string{KindBoolean: "false", KindNumber: "0", KindString: `""`}

// string keeps the string at i, rewritten where something in it is no Unicode.
func (p *pruner) string(i int) (int, error) {
	next, clean, err := p.skipString(i)
	if err == nil && !clean {
		p.scratch = p.appendString(p.scratch[:0], i)
		p.replace(i, next, string(p.scratch))
	}
	return next, err
}

// compact keeps everything of the value at i but the white space between its tokens.
func (p *pruner) compact(i, depth int) (int, error) {
	end, err := p.skip(i, depth)
	for i < end && err == nil {
		switch {
		case p.data[i] == '"':
			i, err = p.string(i)
		case isSpace(p.data[i]):
			token := p.space(i)
			p.replace(i, token, "")
			i = token
		default:
			i++
		}
	}
	return end, err
}
