// Package paging has the type of a page of a backend's list, which the clients of the backends, the cache and its
// readers share.
package paging

import "encoding/json"

// Page is a part of a backend's list, as one value. It is shared and must not be changed.
type Page[T any] struct {
	Items []T
	// Next is the backend's cursor of the next page, empty where it has none.
	Next string `json:",omitempty"`
	// Total is nil where the backend does not count.
	Total *int `json:",omitempty"`
	// More reports whether items follow.
	More bool `json:",omitempty"`
	// Number and Size are the page's position as the backend reports it.
	Number, Size int `json:",omitempty"`
	// Extra is data of the page besides its items.
	Extra []json.RawMessage `json:",omitempty"`
	// Missing is the reason why some of the items are missing: a write made them unknown and they cannot be read, or the
	// backend sent errors for them.
	Missing error `json:"-"`
}
