// Package footprint computes the heap size of values. The heap serves a request with a block of the next larger size
// class, and one beyond 32 KiB with whole pages; so a text of 49 bytes takes 64. Long-lived values are counted by
// blocks, because their bound is one on memory.
package footprint

import (
	"math/bits"
	"slices"
	"unsafe"
)

const (
	// largest is the size of the largest class, in bytes, and page the unit of larger blocks: maxSmallSize and pageSize of
	// the runtime.
	largest = 32 << 10
	page    = 8 << 10
	// header precedes an object that has pointers and more than headerless bytes, up to the largest class.
	header     = 8
	headerless = 512
)

// classes are the sizes of blocks up to largest in ascending order, as this runtime has them: a slice that grows from
// nothing gets the capacity that its block has.
var classes = func() (sizes []int) {
	for n := 0; n < largest; n = sizes[len(sizes)-1] {
		sizes = append(sizes, cap(append([]byte(nil), make([]byte, n+1)...)))
	}
	return sizes
}()

// Block returns the bytes of the block that holds n bytes without pointers.
func Block(n int) int {
	switch {
	case n <= 0:
		return 0
	case n > largest:
		return (n + page - 1) / page * page
	}
	i, _ := slices.BinarySearch(classes, n)
	return classes[i]
}

// pointers returns the bytes of the block that holds n bytes with pointers among them.
func pointers(n int) int {
	if n > headerless && n <= largest-header {
		n += header
	}
	return Block(n)
}

// Text returns the size of s besides its two words.
func Text(s string) int { return Block(len(s)) }

// Of returns the size of a T by itself, without the values that it refers to.
func Of[T any]() int {
	var t T
	return pointers(int(unsafe.Sizeof(t)))
}

// Slice returns the size of s besides its three words, without the values that its elements refer to.
func Slice[T any](s []T) int { return Array[T](cap(s)) }

// Array returns the size of n elements of a slice, without the values that they refer to.
func Array[T any](n int) int {
	var t T
	return pointers(n * int(unsafe.Sizeof(t)))
}

const (
	// mapHead is a map without its elements, in bytes, and mapTable one of the tables that larger ones are made of.
	mapHead, mapTable = 48, 40
	// mapGroup is the number of slots that share a word of control bytes, mapFill the part of them, in eighths, at which
	// more are made, and tableSlots how many a table has at most.
	mapGroup, mapFill, tableSlots = 8, 7, 1024
)

// Map returns the size of m, without the memory that its keys and values refer to: as many slots as m has grown to, if
// it never had more entries.
func Map[K comparable, V any](m map[K]V) int {
	var slot struct {
		k K
		v V
	}
	size := int(unsafe.Sizeof(slot))
	if len(m) <= mapGroup {
		return mapHead + pointers(mapGroup*(1+size))
	}
	slots := 1 << bits.Len(uint((len(m)*mapGroup-1)/mapFill))
	if slots <= tableSlots {
		return mapHead + mapTable + pointers(slots*(1+size))
	}
	return mapHead + slots/tableSlots*(mapTable+pointers(tableSlots*(1+size)))
}
