package upstream

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/learngraph/learngraph/document"
)

// BenchmarkUnknownMembers reads a page of 1,000 objects of 40 members, of which none or a fifth are not declared.
func BenchmarkUnknownMembers(b *testing.B) {
	for _, undeclared := range []int{0, 8} {
		b.Run(fmt.Sprint(undeclared), func(b *testing.B) {
			shape := &document.Shape{Name: "Course"}
			for i := range 40 - undeclared {
				shape.Members = append(shape.Members, document.Member{Name: fmt.Sprint("member", i)})
			}
			var page bytes.Buffer
			page.WriteByte('[')
			for i := range 1000 {
				if i > 0 {
					page.WriteByte(',')
				}
				page.WriteByte('{')
				for j := range 40 {
					if j > 0 {
						page.WriteByte(',')
					}
					fmt.Fprintf(&page, `"member%d":"value %d of a member"`, (j*7)%40, i)
				}
				page.WriteByte('}')
			}
			page.WriteByte(']')
			w := NewSchemaDrift(SchemaDriftOptions{})
			b.SetBytes(int64(page.Len()))
			for b.Loop() {
				r, err := (&Response{Body: page.Bytes(), unknown: w.unknown(Coassemble)}).Document()
				if err == nil {
					err = r.Elements(func(int) error {
						_, err := r.Document(shape)
						return err
					})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
