package emulator

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// timeLayout is how all three backends write a moment.
const timeLayout = "2006-01-02T15:04:05.000Z"

var (
	places = []string{
		"Northbridge", "Zürich", "Harbour View", "Málaga", "Kingsmead", "Ørsted", "Silver Lake", "Saint-Étienne",
		"Ashford", "Cedar Valley", "Lindqvist", "Marlowe & Pine", "Fairmont", "Kraków", "Greenwich", "Tamarind",
		"O'Hara", "Brightwater", "Eastgate", "Montréal", "Whitmore", "Copper Hill", "Takahashi", "Redwood",
	}
	institutions = []string{
		"University", "Health Trust", "Logistics", "Academy", "Energy", "Polytechnic", "Insurance Group", "Credit Union",
		"Manufacturing", "Airways", "Pharma", "Housing Association", `"Safety First" Institute`, "Retail", "Law School",
		"Software",
	}
	cities = []string{
		"Leeds", "Auckland", "Toronto", "Lisbon", "Nairobi", "Osaka", "Denver", "Gdańsk", "Adelaide", "Bristol",
		"Porto", "Calgary", "Malmö", "Boston", "Wellington", "Dublin", "Valencia", "Utrecht", "Perth", "Oslo",
		"Lyon", "Austin", "Graz", "Turku", "Bergen", "Halifax", "Cardiff",
	}
	subjects = []string{
		"Workplace Safety Essentials", "Data Protection in Practice", "Project Management Foundations",
		`"Speak Up": Raising Concerns at Work`, "Français des affaires – niveau B1", "Forklift Operator Refresher",
		"Negotiation <em>without</em> Tears", "First Aid for Remote Teams", "Cloud Security for Engineers",
		"Anti-Money Laundering Annual Review", "日本語 for Customer Support", "Coaching & Feedback Skills",
		"Infection Control on the Ward", "Writing Clear Reports", "Statistics for Decision Makers",
		"Food Hygiene Level 2", "Inclusive Hiring", "Working at Height", "Introduction to Spreadsheets",
		"Lean Process Improvement", "Managing Difficult Conversations", "Café Management: Año Uno", "Machine Guarding",
		"Contract Law for Buyers", "Time Management", "Medication Administration", "Incident Investigation",
	}
	journeys = []string{
		"New Manager Programme", "Compliance Year One", "Warehouse Onboarding", "Clinical Induction", "Sales Certification",
		"Leadership Pathway – Stufe 2", "Health & Safety Passport", "Digital Skills Bootcamp",
	}
	lessonTitles = []string{
		"Why it matters", "Your responsibilities", "A day on site", "Knowledge check", "Case study: what went wrong?",
		"Putting it into practice", "Summary and next steps", "Meet your instructor",
	}
	givenNames = []string{
		"Patrick John", "Amara", "Zoë", "Mateusz", "Hana", "Oluwaseun", "Ingrid", "José", "Priya", "Callum", "Mei-Ling",
		"Siân",
	}
	familyNames = []string{
		"Smith", "Okafor", "Lindström", "Nowak", "Suzuki", "O'Connor", "García", "Patel", "Fraser", "Chen", "Dubois", "Evans",
		"Haddad",
	}
	languages  = []string{"en", "fr", "es", "de", "pt-BR"}
	languageOf = map[string]string{"en": "English", "fr": "Français", "es": "Español", "de": "Deutsch",
		"pt-BR": "Português (Brasil)"}
	tagLabels = []string{"Compliance", "Leadership", "Health & Safety", "Onboarding", "Technical skills", "Sprachen",
		"Customer care"}
	kinds = []string{
		"microCourse", "webinarCourse", "inPersonEventCourse", "courseGroup", "video", "article", "shareableContentObject",
		"xApiObject",
	}
)

// generator makes the values of one part of the catalogue. The same seed and part give the same values, whatever the
// sizes of the other parts are.
type generator struct {
	rng     *rand.Rand
	secrets []string
}

func newGenerator(seed uint64, part string, index int) *generator {
	h := uint64(index) + 1
	for _, c := range part {
		h = h*1099511628211 ^ uint64(c)
	}
	return &generator{rng: rand.New(rand.NewPCG(seed, h))}
}

// uuid is a random (version 4) one.
func (g *generator) uuid() string {
	var random [16]byte
	binary.BigEndian.PutUint64(random[:8], g.rng.Uint64())
	binary.BigEndian.PutUint64(random[8:], g.rng.Uint64())
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	b := make([]byte, 0, 36)
	for i, part := range [][]byte{random[:4], random[4:6], random[6:8], random[8:10], random[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return string(b)
}

func (g *generator) pick(words []string) string { return words[g.rng.IntN(len(words))] }

func (g *generator) between(low, high int) int { return low + g.rng.IntN(high-low+1) }

func (g *generator) flag() bool { return g.rng.IntN(2) == 0 }

func (g *generator) person() string { return g.pick(givenNames) + " " + g.pick(familyNames) }

// cents is a price that ends in 00 or 50.
func (g *generator) cents() int { return g.between(10, 900) * 50 }

// epoch is the first day of the catalogue's dates.
var epoch = time.Date(2024, 1, 8, 9, 0, 0, 0, time.UTC)

// date is a moment on a day between low and high days after the epoch.
func (g *generator) date(low, high int) string {
	offset := time.Duration(g.between(low, high))*24*time.Hour + time.Duration(g.rng.IntN(8*60*60*1000))*time.Millisecond
	return epoch.Add(offset).Format(timeLayout)
}

// secret is a value that must never leave the facade: it names its kind, so that a leak is recognised at sight.
func (g *generator) secret(kind string) string {
	s := fmt.Sprintf("%s_%016x", kind, g.rng.Uint64())
	g.secrets = append(g.secrets, s)
	return s
}

// clientName is unique for the first ten thousand indexes, and numbered beyond.
func clientName(i int) string {
	round := i / len(places)
	name := places[i%len(places)] + " " + institutions[(i+round)%len(institutions)]
	if block := round / len(institutions); block > 0 {
		name += " " + cities[(block-1)%len(cities)]
		if block > len(cities) {
			name += fmt.Sprintf(" %d", block/len(cities)+1)
		}
	}
	return name
}

var folding = strings.NewReplacer("ü", "u", "á", "a", "ø", "o", "é", "e", "ó", "o", "ń", "n", "ö", "o", "ç", "c", "ñ",
	"n", "<em>", "", "</em>", "")

// slugOf is the ASCII form of a title, as a backend makes it for its addresses.
func slugOf(title string) string {
	var b strings.Builder
	gap := false
	for _, c := range folding.Replace(strings.ToLower(strings.ReplaceAll(title, "Ø", "ø"))) {
		if c < 'a' || c > 'z' {
			if c < '0' || c > '9' {
				gap = b.Len() > 0
				continue
			}
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(c)
	}
	return b.String()
}
