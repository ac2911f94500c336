package live

import "sync"

// Frames are the forms of a body, one for each protocol. The zero value has none.
type Frames struct {
	mu   sync.Mutex
	list map[int][]byte
}

// Get returns the form of a protocol, which make makes the first time.
func (f *Frames) Get(protocol int, make func() []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.list == nil {
		f.list = map[int][]byte{}
	}
	if f.list[protocol] == nil {
		f.list[protocol] = make()
	}
	return f.list[protocol]
}
