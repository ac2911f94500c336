package document

import "bytes"

// maxUnknown bounds the undeclared members of one text that are reported.
const maxUnknown = 1000

// unknowns are the undeclared members of a text. Its objects repeat them in one order: so each is reported once, and
// then compared with the one that is expected, which costs less than a look-up.
type unknowns struct {
	report  func(*Shape, []byte)
	list    []unknown
	numbers map[unknownKey]int
	last    int // the number of the one that was met last
}

// unknown is an undeclared member.
type unknown struct {
	shape  *Shape
	quoted []byte // its name and colon as they are in the text
	after  int    // the number of the one that followed it last
}

type unknownKey struct {
	shape *Shape
	name  string
}

// expected returns the length of the name that data, a part of an object of shape s, begins with if it is that of the
// undeclared member that followed the last one before; else 0.
func (u *unknowns) expected(s *Shape, data []byte) int {
	if len(u.list) == 0 {
		return 0
	}
	n := u.list[u.last].after
	if next := &u.list[n]; next.shape != s || !bytes.HasPrefix(data, next.quoted) {
		return 0
	}
	u.last = n
	return len(u.list[n].quoted)
}

// add notes a member of an object of shape s, and reports it if it is new. Further ones than maxUnknown are not noted.
func (u *unknowns) add(s *Shape, name, quoted []byte) {
	n, ok := u.numbers[unknownKey{s, string(name)}]
	if !ok {
		if n = len(u.list); n == maxUnknown {
			return
		}
		if u.numbers == nil {
			u.numbers = map[unknownKey]int{}
		}
		u.numbers[unknownKey{s, string(name)}] = n
		u.list = append(u.list, unknown{shape: s, quoted: quoted})
		if u.report != nil && !s.Excerpt {
			u.report(s, name)
		}
	}
	u.list[u.last].after, u.last = n, n
}
