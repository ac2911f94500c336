package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// page is a synthetic page of 25 clients and 2.6 MB, with the members, the nesting and the share of nulls that the
// backend's own content has, and the shapes that keep nearly all of it.
type page struct {
	text   []byte
	client *Shape
}

const (
	clientNames = "id name slug domain subdomain sku disabled createdAt updatedAt seats pricingModel defaultLanguage authTemplate " +
		"allowRegistration archived bundleSlug companyId contactEmail currencyCode description embedEnabled expirationDays hasAnalytics " +
		"headerHtml helpUrl homeSlug iconAsset learnerLimit locale logoutUrl metaTitle notifyManagers organizationId ownerId purchaseUrl " +
		"redirectUrl reportingEnabled ribbonSlug timeZone welcomeText"
	courseNames = "id title slug sku status kind courseGroupId courseStartDate courseEndDate enrollmentStartDate enrollmentEndDate " +
		"displayDate asset detailAsset language description metaDescription metaTitle priceInCents suggestedRetailPriceInCents " +
		"annualPriceInCents instructorAccessPriceInCents freeWithRegistration seatsLimit waitlistingEnabled waitlistCount " +
		"currentUserMayReschedule currentUserUnmetCoursePrerequisites currentUserUnmetLearningPathPrerequisites bulkPurchasingEnabled " +
		"externalDetailUrl externalPurchaseUrl isbn rating ratingsCount source relatedQuery relatedQuerySort hasChildren " +
		"contentTypeLabel contentTypeAssetAspectRatio videoAsset timeZone publishDate createdAt updatedAt authors layoutId sessionTitle " +
		"certificateId availabilityStatus gracePeriodDays ownedByActiveScope allowRescheduling"
	smallNames = "id label isFolder updatedAt description"
)

func leaves(names string) (members []Member) {
	for name := range strings.FieldsSeq(names) {
		members = append(members, Member{Name: name})
	}
	return members
}

func newPage() page {
	tag := &Shape{Name: "Tag", Members: leaves(smallNames)}
	course := &Shape{Name: "Course", Key: "id", Members: leaves(courseNames)}
	path := &Shape{Name: "LearningPath", Key: "id", Members: leaves(courseNames)}
	license := &Shape{Name: "License", Key: "id", Members: leaves("ancestorIds createdAt depth hierarchicalName id name parentLicenseId")}
	client := &Shape{Name: "Client", Members: leaves(clientNames)}
	course.Members = append(course.Members, Member{Name: "tags", Shape: tag}, Member{Name: "customFields", JSON: true}, Member{Name: "client", Shape: client})
	path.Members = append(path.Members, Member{Name: "tags", Shape: tag}, Member{Name: "prerequisiteCourses", Shape: course})
	client.Members = append(client.Members, Member{Name: "courses", Shape: course}, Member{Name: "learningPaths", Shape: path},
		Member{Name: "licenses", Shape: license}, Member{Name: "tags", Shape: tag})

	w := pageWriter{Rand: rand.New(rand.NewPCG(25, 2_600_000))}
	w.WriteString(`{"pageInfo":{"currentPage":1,"perPage":25,"total":25,"hasMore":false},"clients":[`)
	for i := range 25 {
		if i > 0 {
			w.WriteByte(',')
		}
		w.object(clientNames, func() {
			w.list("courses", 17, func() {
				w.object(courseNames, func() {
					w.list("tags", 3, func() { w.object(smallNames, nil) })
					w.WriteString(`,"customFields":{"region":["emea","apac"],"level":2},"client":{"id":"`)
					fmt.Fprintf(&w, `%032x","secretKey":"sk"}`, i)
				})
			})
			w.list("learningPaths", 8, func() {
				w.object(courseNames, func() { w.list("tags", 2, func() { w.object(smallNames, nil) }) })
			})
			w.list("licenses", 12, func() { w.object("ancestorIds createdAt depth hierarchicalName id name parentLicenseId", nil) })
			w.list("tags", 4, func() { w.object(smallNames, nil) })
			w.WriteString(`,"secretKey":"sk_0123456789abcdef","sso":{"samlIdpCertificate":"MIID","attributes":[{"keyName":"mail","extra":[1,2,3]}]}`)
		})
	}
	w.WriteString(`]}`)
	return page{w.Bytes(), client}
}

type pageWriter struct {
	bytes.Buffer
	*rand.Rand
}

func (w *pageWriter) object(names string, more func()) {
	w.WriteByte('{')
	first := true
	for name := range strings.FieldsSeq(names) {
		if !first {
			w.WriteByte(',')
		}
		first = false
		fmt.Fprintf(w, `"%s":`, name)
		w.leaf(name)
	}
	if more != nil {
		more()
	}
	w.WriteByte('}')
}

func (w *pageWriter) list(name string, n int, element func()) {
	fmt.Fprintf(w, `,"%s":[`, name)
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		element()
	}
	w.WriteByte(']')
}

func (w *pageWriter) leaf(name string) {
	lower := strings.ToLower(name)
	switch {
	case name == "id" || strings.HasSuffix(name, "Id"):
		fmt.Fprintf(w, `"%08x-%04x-4%03x-8%03x-%012x"`, w.Uint32(), w.IntN(1<<16), w.IntN(1<<12), w.IntN(1<<12), w.Int64N(1<<48))
	case name == "authors" || name == "ancestorIds":
		w.WriteString(`["Ada Lovelace","Grace Hopper"]`)
	case name == "title" || name == "name" || name == "slug" || name == "label":
		fmt.Fprintf(w, `"Introduction to fieldwork %d"`, w.IntN(1000))
	case name == "status":
		w.WriteString(`"published"`)
	case strings.Contains(lower, "description") && len(name) == len("description"):
		w.WriteString(`"<p class=\"lead\">` + strings.Repeat("What you will learn in these lessons, and why it matters. ", 1+w.IntN(12)) + `Für alle.<\/p>\n"`)
	case w.IntN(3) == 0:
		w.WriteString("null")
	case strings.HasSuffix(name, "Date") || strings.HasSuffix(name, "At"):
		fmt.Fprintf(w, `"2026-%02d-%02dT09:30:00.000Z"`, 1+w.IntN(12), 1+w.IntN(28))
	case strings.HasSuffix(lower, "asset") || strings.HasSuffix(lower, "url"):
		fmt.Fprintf(w, `"https://cdn.example.com/assets/%016x/large.png"`, w.Uint64())
	case strings.HasSuffix(name, "Cents") || strings.HasSuffix(name, "Count") || name == "rating" || strings.HasSuffix(name, "Limit"):
		fmt.Fprint(w, w.IntN(100_000))
	case strings.HasSuffix(name, "Enabled") || strings.HasPrefix(name, "has") || strings.HasPrefix(name, "is") || strings.HasPrefix(name, "allow"):
		fmt.Fprint(w, w.IntN(2) == 0)
	default:
		fmt.Fprintf(w, `"%s of %d"`, name, w.IntN(1000))
	}
}

// documents reads the page as its backend's package does.
func (p page) documents(tb testing.TB) (documents []*Document) {
	r := NewReader(p.text)
	err := r.Members(func(name []byte) error {
		if string(name) != "clients" {
			return nil
		}
		return r.Elements(func(int) error {
			d, err := r.Document(p.client)
			documents = append(documents, d)
			return err
		})
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return documents
}

// heap returns the bytes in use, without what pools keep.
func heap() int {
	runtime.GC()
	runtime.GC() // a pool frees its content at the second collection
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

func TestAHeldClientIsSmall(t *testing.T) {
	p := newPage()
	p.documents(t) // so that the shapes' tables exist
	before := heap()
	documents := p.documents(t)
	held := heap() - before
	var pruned, index, size int
	for _, d := range documents {
		pruned += len(d.JSON())
		index += 4 * len(d.index)
		size += d.Size()
	}
	for what, n := range map[string]struct {
		bytes int
		most  float64
	}{"the index takes": {index, 0.2}, "Size says": {size, 1.3}, "the heap holds": {held, 1.3}} {
		if ratio := float64(n.bytes) / float64(pruned); ratio > n.most {
			t.Errorf("%s %.3f of the pruned JSON, want at most %.1f", what, ratio, n.most)
		}
	}
	runtime.KeepAlive(documents)
}

func BenchmarkPage(b *testing.B) {
	p := newPage()
	b.Run("documents", func(b *testing.B) {
		b.SetBytes(int64(len(p.text)))
		b.ReportAllocs()
		for b.Loop() {
			p.documents(b)
		}
		var pruned, index, size int
		for _, d := range p.documents(b) {
			pruned += len(d.text)
			index += 4 * len(d.index)
			size += d.Size()
		}
		b.ReportMetric(float64(index)/float64(pruned), "index/JSON")
		b.ReportMetric(float64(size)/float64(pruned), "held/JSON")
	})
	b.Run("only checked", func(b *testing.B) {
		b.SetBytes(int64(len(p.text)))
		for b.Loop() {
			if err := NewReader(p.text).Skip(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json into narrow structs", func(b *testing.B) {
		b.SetBytes(int64(len(p.text)))
		b.ReportAllocs()
		for b.Loop() {
			var narrow struct {
				Clients []struct {
					ID, Name, Slug string
					Courses        []struct {
						ID, Title, Status string
					}
				}
			}
			if err := json.Unmarshal(p.text, &narrow); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	documents := newPage().documents(b)
	courses := documents[0].Root().Member(len(strings.Fields(clientNames)))
	dst := make([]byte, 0, 1<<20)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		dst, n = dst[:0], 0
		for i := range courses.Len() {
			course, err := courses.At(i).Object()
			if err != nil {
				b.Fatal(err)
			}
			for k := range 10 {
				if v := course.Member(k); v.Kind() != KindNull {
					if dst, err = JSONLeaf.Append(dst, v); err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/leaf")
}
