package emulator

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"
)

// coassembleData are the embed clients and users, each in order of creation.
type coassembleData struct {
	clients []*embedClient
	users   []*embedUser
	client  map[string]*embedClient
	user    map[string]*embedUser
}

type metadata map[string]json.RawMessage

type embedClient struct {
	identifier       string
	metadata         metadata
	users            int
	created, updated string
	raw              []byte
}

type embedUser struct {
	identifier, client string
	metadata           metadata
	testMode           bool
	created, updated   string
	raw                []byte
}

func (m metadata) json() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// member is metadata's own value, of which name and avatar are the shorthand.
func (m metadata) member(name string) any {
	if v, ok := m[name]; ok {
		return []byte(v)
	}
	return nil
}

func (c *embedClient) encode() {
	c.raw = appendRecord(nil, record{
		"clientIdentifier", c.identifier, "userCount", c.users, "metadata", c.metadata.json(), "created", c.created,
		"updated", c.updated,
	})
}

func (u *embedUser) encode() {
	u.raw = appendRecord(nil, record{
		"identifier", u.identifier, "clientIdentifier", u.client, "metadata", u.metadata.json(), "name",
		u.metadata.member("name"), "avatar", u.metadata.member("avatar"), "testMode", u.testMode, "created", u.created,
		"updated", u.updated,
	})
}

// addClient and addUser take records into the data; the caller holds the lock.
func (d *coassembleData) addClient(c *embedClient) {
	c.encode()
	d.clients = append(d.clients, c)
	d.client[c.identifier] = c
}

func (d *coassembleData) addUser(u *embedUser) {
	u.encode()
	d.users = append(d.users, u)
	d.user[u.identifier] = u
	d.count(u.client, 1)
}

// count keeps a client's userCount.
func (d *coassembleData) count(client string, by int) {
	if c := d.client[client]; c != nil {
		c.users += by
		c.encode()
	}
}

func now() string { return time.Now().UTC().Format(timeLayout) }

// window is the part of a list that page and length ask for: pages count from 0.
func (x *exchange) window() (from, length int, err error) {
	const most = 1 << 30
	length, lengthErr := number(x, "length", 100, 1, most)
	page, pageErr := number(x, "page", 0, 0, most)
	length = min(length, x.emulator.options.MaxCount)
	return page * length, length, errors.Join(lengthErr, pageErr)
}

func (x *exchange) badRequest() answer {
	return x.route.failure(http.StatusBadRequest, "Invalid request")
}

// arrayAnswer is a page of Coassemble: an array at the root.
func arrayAnswer(elements [][]byte) answer {
	parts := make([][]byte, 0, 2*len(elements)+1)
	open := []byte("[")
	for _, element := range elements {
		parts = append(parts, open, element)
		open = comma
	}
	if len(elements) == 0 {
		parts = append(parts, open)
	}
	return jsonAnswer(http.StatusOK, append(parts, []byte("]"))...)
}

func (e *Emulator) element(identifier string, raw []byte) []byte {
	if e.options.StringLists {
		return appendString(nil, identifier)
	}
	return raw
}

func (e *Emulator) listEmbedClients(x *exchange) answer {
	from, length, err := x.window()
	if err != nil {
		return x.badRequest()
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	var elements [][]byte
	for _, c := range slice(e.co.clients, from, length) {
		elements = append(elements, e.element(c.identifier, c.raw))
	}
	return arrayAnswer(elements)
}

func (e *Emulator) listUsers(x *exchange) answer {
	from, length, err := x.window()
	if err != nil {
		return x.badRequest()
	}
	client := x.r.URL.Query().Get("clientIdentifier")
	e.mu.RLock()
	defer e.mu.RUnlock()
	users := e.co.users
	if client != "" {
		users = nil
		for _, u := range e.co.users {
			if u.client == client {
				users = append(users, u)
			}
		}
	}
	var elements [][]byte
	for _, u := range slice(users, from, length) {
		elements = append(elements, e.element(u.identifier, u.raw))
	}
	return arrayAnswer(elements)
}

func slice[T any](items []T, from, length int) []T {
	from = min(from, len(items))
	return items[from:min(from+length, len(items))]
}

func (e *Emulator) getEmbedClient(x *exchange) answer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c := e.co.client[x.route.id]
	if c == nil {
		return x.route.failure(http.StatusNotFound, "Client not found")
	}
	return jsonAnswer(http.StatusOK, c.raw)
}

func (e *Emulator) getUser(x *exchange) answer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	u := e.co.user[x.route.id]
	if u == nil {
		return x.route.failure(http.StatusNotFound, "User not found")
	}
	return jsonAnswer(http.StatusOK, u.raw)
}

// written is the body that the options choose for a write.
func (e *Emulator) written(raw []byte) answer {
	switch e.options.WriteAnswer {
	case "empty":
		return answer{status: http.StatusOK}
	case "true":
		return jsonAnswer(http.StatusOK, []byte("true"))
	}
	return jsonAnswer(http.StatusOK, raw)
}

func (e *Emulator) putEmbedClient(x *exchange) answer {
	var body struct{ Metadata *metadata }
	if err := x.object(&body); err != nil {
		return x.badRequest()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.co.client[x.route.id]
	if c == nil {
		return x.route.failure(http.StatusNotFound, "Client not found")
	}
	if body.Metadata != nil {
		c.metadata = *body.Metadata
	}
	c.updated = now()
	c.encode()
	return e.written(c.raw)
}

// putUser moves the user if the body names a client, which comes to exist by being named, as clients do.
func (e *Emulator) putUser(x *exchange) answer {
	var body struct {
		ClientIdentifier, Name, Avatar *string
		Metadata                       *metadata
	}
	if err := x.object(&body); err != nil {
		return x.badRequest()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	u := e.co.user[x.route.id]
	if u == nil {
		return x.route.failure(http.StatusNotFound, "User not found")
	}
	if body.Metadata != nil || body.Name != nil || body.Avatar != nil {
		u.metadata = e.userMetadata(u.metadata, body.Metadata, body.Name, body.Avatar)
	}
	u.updated = now()
	if to := body.ClientIdentifier; to != nil && *to != u.client {
		if e.co.client[*to] == nil {
			e.co.addClient(&embedClient{identifier: *to, metadata: metadata{}, created: u.updated, updated: u.updated})
		}
		e.co.count(u.client, -1)
		u.client = *to
		e.co.count(u.client, 1)
	}
	u.encode()
	return e.written(u.raw)
}

// userMetadata is the metadata of a user after a PUT. name and avatar are metadata.name and metadata.avatar, so under
// replacement a PUT with only a name leaves nothing else.
func (e *Emulator) userMetadata(old metadata, given *metadata, name, avatar *string) metadata {
	next := metadata{}
	if e.options.MergeUserMetadata {
		maps.Copy(next, old)
	}
	if given != nil {
		maps.Copy(next, *given)
	}
	if name != nil {
		next["name"] = appendString(nil, *name)
	}
	if avatar != nil {
		next["avatar"] = appendString(nil, *avatar)
	}
	return next
}

// deleteEmbedClient takes everything that carries the identifier: the client and its users.
func (e *Emulator) deleteEmbedClient(x *exchange) answer {
	if e.options.CorePlan {
		return x.route.failure(http.StatusForbidden, "Your plan does not include this feature")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d, id := &e.co, x.route.id
	if d.client[id] == nil {
		return x.route.failure(http.StatusNotFound, "Client not found")
	}
	delete(d.client, id)
	d.clients = slices.DeleteFunc(d.clients, func(c *embedClient) bool { return c.identifier == id })
	d.users = slices.DeleteFunc(d.users, func(u *embedUser) bool {
		if u.client == id {
			delete(d.user, u.identifier)
		}
		return u.client == id
	})
	return e.written([]byte("true"))
}

// deleteUser checks the choice for the user's courses; courses themselves are not emulated.
func (e *Emulator) deleteUser(x *exchange) answer {
	if e.options.CorePlan {
		return x.route.failure(http.StatusForbidden, "Your plan does not include this feature")
	}
	q := x.r.URL.Query()
	action, to := q.Get("action"), q.Get("reallocateTo")
	if !slices.Contains([]string{"", "reallocate", "delete", "ignore"}, action) || action == "reallocate" && to == "" {
		return x.badRequest()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d, id := &e.co, x.route.id
	u := d.user[id]
	if u == nil || action == "reallocate" && d.user[to] == nil {
		return x.route.failure(http.StatusNotFound, "User not found")
	}
	delete(d.user, id)
	d.users = slices.DeleteFunc(d.users, func(other *embedUser) bool { return other == u })
	d.count(u.client, -1)
	return e.written([]byte("true"))
}
