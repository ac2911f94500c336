package upstream

import (
	"context"
	"errors"
	"net/http"

	"github.com/learngraph/learngraph/paging"
)

// PagedList is a list that comes in pages.
type PagedList[T any] struct {
	// Client and Route are those of its calls. They name the backend in errors.
	Client *Client
	Route  string
	// MaxSize is the most items of a page.
	MaxSize int
	// Read reads a page, by its number from 0, which the page has too.
	Read func(ctx context.Context, number, size int, options ...Option) (paging.Page[T], Meta, error)
}

// maxWindowCalls bounds the calls of one window where a backend makes smaller pages than asked for.
const maxWindowCalls = 16

// Window reads the items at positions [offset, offset+first), with the total and the extra data of the last page that
// is read for them. Where a page covers them all, the smallest such page is read, else two; only a backend that makes
// other pages than asked for costs more. Options are those of the first call: the others read other parts.
//
//nolint:gocyclo // a case for each kind of page
func (l PagedList[T]) Window(ctx context.Context, offset, first int,
	options ...Option) (window paging.Page[T], meta Meta, err error) {
	if first <= 0 {
		return window, meta, nil
	}
	var metas []Meta
	pos, end := offset, offset+first
	number, size := cover(offset, first, l.MaxSize)
	for range maxWindowCalls {
		got, meta, err := l.Read(ctx, number, size, options...)
		if err != nil {
			return paging.Page[T]{}, meta, err
		}
		metas, options = append(metas, meta), nil
		window.Total, window.Extra = got.Total, got.Extra
		start := got.Number * got.Size
		stop := start + len(got.Items)
		if start <= pos && pos < stop {
			to := min(end, stop)
			window.Items = append(window.Items, got.Items[pos-start:to-start]...)
			pos = to
		}
		switch {
		case pos == end:
			window.More = stop > end || got.More
			return window, MergeMeta(metas...), nil
		case !got.More || len(got.Items) == 0:
			return window, MergeMeta(metas...), nil
		case got.Size == size && got.Number != number:
			return paging.Page[T]{}, Meta{}, l.failure(ContractError("the page is not the requested one"))
		}
		if pos >= start && got.Number == pos/got.Size {
			// The page is shorter than its size and yet not the last: its other positions are empty.
			pos = start + got.Size
			if pos >= end {
				window.More = true
				return window, MergeMeta(metas...), nil
			}
		}
		if got.Size == size {
			number = pos / size
			continue
		}
		number, size = cover(pos, end-pos, min(l.MaxSize, got.Size))
	}
	tooSmall := &Error{
		Kind: LimitExceeded, Limit: &Limit{LimitPages, maxWindowCalls + 1, maxWindowCalls},
		Err: errors.New("the backend's pages are too small"),
	}
	return paging.Page[T]{}, Meta{}, l.failure(tooSmall)
}

func (l PagedList[T]) failure(err error) error {
	return l.Client.failure(&Request{Method: http.MethodGet, Route: l.Route}, err)
}

// cover is the smallest page that holds [offset, offset+first), else the first of the pages that do: two of size first,
// more where the limit is less.
func cover(offset, first, limit int) (number, size int) {
	for size := first; size <= limit; size++ {
		if offset/size == (offset+first-1)/size {
			return offset / size, size
		}
	}
	size = min(first, limit)
	return offset / size, size
}
