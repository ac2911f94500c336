package emulator

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// Enroll has one more seat of a client of Thought Industries used, as an enrolment in the vendor's own tools does. It
// reports whether there is the client.
func (e *Emulator) Enroll(clientID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.clients, func(c tiClient) bool { return c.id == clientID })
	if i < 0 {
		return false
	}
	raw, member := e.clients[i].raw, []byte(`"seatsUsedCount":`)
	at := bytes.LastIndex(raw, member) + len(member) // the client's own comes after those of its content
	end := at + bytes.IndexAny(raw[at:], ",}")
	used, _ := strconv.Atoi(string(raw[at:end]))
	e.clients[i].raw = slices.Concat(raw[:at], strconv.AppendInt(nil, int64(used+1), 10), raw[end:])
	return true
}

// Commence has a learner begin a course, by which the user comes to exist in Coassemble.
func (e *Emulator) Commence(client, identifier string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.co.user[identifier] != nil {
		return
	}
	g := newGenerator(e.options.Seed, "learner", len(e.co.users))
	e.co.addUser(&embedUser{identifier: identifier, client: client, metadata: metadata{}, created: g.date(0, 200),
		updated: g.date(201, 500)})
}

// Rename changes the name of a user of Coassemble.
func (e *Emulator) Rename(identifier, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if u := e.co.user[identifier]; u != nil {
		u.metadata = e.userMetadata(u.metadata, nil, &name, nil)
		u.encode()
	}
}

// Issue adds one more credential to an identity of MATTR.
func (e *Emulator) Issue(identityID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.mattr.credentials[identityID])
	e.mattr.credentials[identityID] = append(e.mattr.credentials[identityID],
		newCredential(newGenerator(e.options.Seed, fmt.Sprint("issued", identityID), n), n))
}
