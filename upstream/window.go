package upstream

import (
	"context"
	"errors"
	"net/http"
)

// Chunk is one page of a backend's list, as the backend made it.
type Chunk[T any] struct {
	Items []T
	// Page (from 0) and Size are those of the answer: its first item is at position Page*Size.
	Page, Size int
	// Last is set if nothing follows.
	Last bool
	Meta Meta
}

// PagedList is a list that comes in pages.
type PagedList[T any] struct {
	// Client and Route are those of its calls. They name the backend in errors.
	Client *Client
	Route  string
	// MaxSize is the most items of a page.
	MaxSize int
	// Read reads a page, by its number from 0.
	Read func(ctx context.Context, page, size int, options ...Option) (Chunk[T], error)
}

// maxWindowCalls bounds the calls of one window where a backend makes smaller pages than asked for.
const maxWindowCalls = 16

// Window reads the items at positions [offset, offset+first), and reports whether more follow. Where a page covers them
// all, the smallest such page is read, else two; only a backend that makes other pages than asked for costs more.
// Options are those of the first call: the others read other parts.
//
//nolint:gocyclo // a case for each kind of page
func (l PagedList[T]) Window(ctx context.Context, offset, first int,
	options ...Option) (items []T, more bool, meta Meta, err error) {
	if first <= 0 {
		return nil, false, meta, nil
	}
	var metas []Meta
	pos, end := offset, offset+first
	page, size := cover(offset, first, l.MaxSize)
	for range maxWindowCalls {
		got, err := l.Read(ctx, page, size, options...)
		if err != nil {
			return nil, false, got.Meta, err
		}
		metas, options = append(metas, got.Meta), nil
		start := got.Page * got.Size
		stop := start + len(got.Items)
		if start <= pos && pos < stop {
			to := min(end, stop)
			items = append(items, got.Items[pos-start:to-start]...)
			pos = to
		}
		switch {
		case pos == end:
			return items, stop > end || !got.Last, MergeMeta(metas...), nil
		case got.Last || len(got.Items) == 0:
			return items, false, MergeMeta(metas...), nil
		case got.Size == size && got.Page != page:
			return nil, false, meta, l.failure(ContractError("the page is not the requested one"))
		}
		if pos >= start && got.Page == pos/got.Size {
			// The page is shorter than its size and yet not the last: its other positions are empty.
			pos = start + got.Size
			if pos >= end {
				return items, true, MergeMeta(metas...), nil
			}
		}
		if got.Size == size {
			page = pos / size
			continue
		}
		page, size = cover(pos, end-pos, min(l.MaxSize, got.Size))
	}
	tooSmall := &Error{
		Kind: LimitExceeded, Limit: &Limit{LimitPages, maxWindowCalls + 1, maxWindowCalls},
		Err: errors.New("the backend's pages are too small"),
	}
	return nil, false, meta, l.failure(tooSmall)
}

func (l PagedList[T]) failure(err error) error {
	return l.Client.failure(&Request{Method: http.MethodGet, Route: l.Route}, err)
}

// cover is the smallest page that holds [offset, offset+first), else the first of the pages that do: two of size first,
// more where the limit is less.
func cover(offset, first, limit int) (page, size int) {
	for size := first; size <= limit; size++ {
		if offset/size == (offset+first-1)/size {
			return offset / size, size
		}
	}
	size = min(first, limit)
	return offset / size, size
}
