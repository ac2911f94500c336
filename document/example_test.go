package document_test

import (
	"fmt"

	"github.com/learngraph/learngraph/document"
)

// A shape decides which members of an object remain. Its members are read by number, without decoding the rest.
func Example() {
	course := &document.Shape{Name: "Course", Members: []document.Member{{Name: "title"}, {Name: "price"}}}
	client := &document.Shape{Name: "Client", Members: []document.Member{{Name: "name"}, {Name: "courses", Shape: course}}}

	d, err := document.Parse([]byte(`{"name": "Acme", "secret": "s3cr3t", "courses": [{"title": "Go", "price": "free"}]}`), client)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(d.JSON()))

	first, _ := d.Root().Member(1).At(0).Object()
	title, _ := first.Member(0).Text()
	_, err = first.Member(1).Int()
	fmt.Println(title)
	fmt.Println(err)
	// Output:
	// {"name":"Acme","courses":[{"title":"Go","price":"free"}]}
	// Go
	// document: a value of kind string where Int is expected
}
