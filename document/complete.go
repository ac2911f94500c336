package document

import (
	"bytes"
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

// completer finds the objects of a document with the same key, and makes references to them lead to the members of all
// of them. A backend embeds an object whole in one place and in part in others; a normalizing client cache would lose
// members if one object had two contents.
type completer struct {
	objects []keyed  // in the order of their references
	links   []uint32 // places in the index that refer to objects, or to lists of objects, of shapes with a key
	last    map[uint64]int32
}

// keyed is an object whose shape has a key. The objects that are the same one are a ring.
type keyed struct {
	shape *Shape
	ref   uint32
	next  int32
	more  bool // of a ring with more objects, on the last of them
}

var seed = maphash.MakeSeed()

func (c *completer) reset() {
	c.objects, c.links = c.objects[:0], c.links[:0]
	clear(c.last)
}

// size returns the bytes that c holds.
func (c *completer) size() int { return 24*cap(c.objects) + 4*cap(c.links) + 16*len(c.last) }

// complete returns the index with the references changed.
func (c *completer) complete(text []byte, index []uint32) []uint32 {
	if !c.pair(text, index) {
		return index
	}
	whole := make(map[uint32]uint32, len(c.objects))
	for _, last := range c.objects {
		if last.more {
			index = c.join(index, int(last.next), whole)
		}
	}
	for _, at := range c.links {
		if ref, ok := whole[index[at]]; ok {
			index[at] = ref
		}
	}
	return index
}

// pair finds the objects that are the same one, and reports whether there are any.
func (c *completer) pair(text []byte, index []uint32) (found bool) {
	if c.last == nil {
		c.last = map[uint64]int32{}
	}
	for i := range c.objects {
		o := &c.objects[i]
		o.next = int32(i)
		key := c.key(text, index, o)
		if key == nil {
			continue
		}
		sum := maphash.Bytes(seed, key) ^ hash([]byte(o.shape.Name))
		if n, ok := c.last[sum]; ok {
			last := &c.objects[n]
			if last.shape != o.shape || string(c.key(text, index, last)) != string(key) {
				continue
			}
			o.next, last.next = last.next, int32(i)
			o.more, last.more = true, false
			found = true
		}
		c.last[sum] = int32(i)
	}
	return found
}

// key returns the text of the object's key, nil where it has none. A number and the string of its digits are one key.
func (c *completer) key(text []byte, index []uint32, o *keyed) []byte {
	ref, ok := memberRef(index, o.ref, len(o.shape.Members), o.shape.key)
	if !ok || ref&indexed != 0 {
		return nil
	}
	key := text[ref:ValueEnd(text, int(ref))]
	switch kindOf[key[0]] {
	case KindString:
		if bytes.IndexByte(key, '\\') >= 0 {
			return unescape(nil, key)
		}
		return key[1 : len(key)-1]
	case KindNumber:
		if digits, ok := appendIntegral(nil, key, maxIDDigits); ok {
			return digits
		}
	}
	return nil
}

// memberRef returns the reference in member k of n of the object.
func memberRef(index []uint32, ref uint32, n, k int) (uint32, bool) {
	bitmap := index[ref&^indexed+1:]
	word, bit := k/32, uint32(1)<<(k%32)
	if bitmap[word]&bit == 0 {
		return 0, false
	}
	rank := bits.OnesCount32(bitmap[word] & (bit - 1))
	for _, w := range bitmap[:word] {
		rank += bits.OnesCount32(w)
	}
	return bitmap[bitmapLength(n)+rank], true
}

// ring walks the objects that are the same one as object i, which is the first of them.
func (c *completer) ring(i int) iter.Seq[*keyed] {
	return func(yield func(*keyed) bool) {
		for n := i; yield(&c.objects[n]); {
			if n = int(c.objects[n].next); n == i {
				return
			}
		}
	}
}

// join makes one object of those that are the same as object i. Where several have a member it is the fullest one's.
func (c *completer) join(index []uint32, i int, whole map[uint32]uint32) []uint32 {
	shape := c.objects[i].shape
	words := bitmapLength(len(shape.Members))
	union, most, fullest := make([]uint32, words), 0, uint32(0)
	for o := range c.ring(i) {
		n := 0
		for w, word := range index[o.ref&^indexed+1:][:words] {
			union[w] |= word
			n += bits.OnesCount32(word)
		}
		if n > most {
			most, fullest = n, o.ref
		}
	}
	ref := fullest
	if !slices.Equal(union, index[fullest&^indexed+1:][:words]) {
		ref = indexed | uint32(len(index))
		index = append(append(index, index[fullest&^indexed]), union...)
		for k := range shape.Members {
			if union[k/32]&(1<<(k%32)) != 0 {
				index = append(index, c.member(index, i, fullest, k))
				if shape.linked[k/32]&(1<<(k%32)) != 0 {
					c.links = append(c.links, uint32(len(index)-1))
				}
			}
		}
	}
	for o := range c.ring(i) {
		whole[o.ref] = ref
	}
	return index
}

// member returns the reference in member k of the fullest object of the ring or, where it lacks that, of another.
func (c *completer) member(index []uint32, i int, fullest uint32, k int) uint32 {
	n := len(c.objects[i].shape.Members)
	if ref, ok := memberRef(index, fullest, n, k); ok {
		return ref
	}
	for o := range c.ring(i) {
		if ref, ok := memberRef(index, o.ref, n, k); ok {
			return ref
		}
	}
	return 0 // no bit of the union is without an object
}
