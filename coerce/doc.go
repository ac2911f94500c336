// Package coerce coerces input to its types: the variables of a request, and the literals and variables of an operation
// at their positions (GraphQL specification, sections 3.5 to 3.12, 6.1.2 and 6.4.1). Numbers keep their digits: an Int
// is an int64, the number of a Float or of free JSON a json.Number as it was written, the whole number of an ID its
// text.
//
// An error names the place and the type required there, never the value: input holds personal data.
package coerce
