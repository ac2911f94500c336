// Package engine executes GraphQL operations level by level, in place of gqlgen's generated executor and under its
// handler, parser, validation and resolvers. It is generic: its knowledge of a schema is a table of bindings that a
// plugin generates next to the executable schema.
//
// gqlgen resolves depth first: a goroutine per list element, a marshaler per leaf, a batch of one behind edges { node
// }. That is right where resolvers are cheap. Here a resolver may be a call of a slow backend that should get many keys
// at once, and most selected values are in a document already.
//
// # Plan
//
// An operation is compiled once and kept as long as its parsed document: a tree of selections with fragments and
// repeated fields merged, response keys encoded, and arguments decoded where they hold no variables. There is one plan
// per assignment of the variables in @skip and @include. The alternative, conditions inside one plan, would have to
// sort merged fields anew in each execution, because which of them is selected first depends on the conditions.
//
// Each field is of one [Kind]: it projects a member of a document, reads a Go value, resolves many parents with one
// call, or is constant. For
//
//	{ clients { nodes { name users { nodes { name } } courses(first: 2) { nodes { title client { users { edges { cursor } } } } } } } }
//
// the plan has the calls clients on level 1, and users on level 2 at two places:
//
//	clients                        call, level 1
//	  nodes                        read
//	    name                       project
//	    users                      call, level 2
//	      nodes                    read
//	        name                   read
//	    courses                    page of a member
//	      nodes                    project
//	        title                  project
//	        client                 project
//	          users                call, level 2
//	            edges              read
//	              cursor           read
//
// # Level
//
// The level of a call is the number of calls above it, and itself. A call goes out as soon as all its parents are
// known: the results of the call above are walked, but only along the fields that lead to calls (nodes, courses and
// client here, never name and title), and the parents are put in a column per place. Calls on one level of one field
// with equal arguments are one call, so a call waits for another place where both lead to the same; parents that are
// the same are asked for once. In the example users is called once, with the clients of both places. Calls that are
// ready at the same time run at once, a goroutine each; a single one runs in the goroutine of the operation. A
// mutation's root fields run one after the other, each with all its levels.
//
// A resolver sees gqlgen's field context with the position in the plan (a path without indices), the arguments and the
// selections of all its positions together; Child and Index are not set. Field middleware surrounds each call (with the
// result where it is a root's), and is asked once per execution about every other field of the plan that is met: it may
// refuse the field, at all its places, but sees no values. Root field middleware does not run.
//
// # Input
//
// An argument whose value is null in a non-null position is an error of its field at each of its places, and the
// resolver is not called. A condition that is null leaves the selection at its position undefined: the root field above
// fails uncalled, at the root the operation, so that no call is made, and above all no write.
//
// # Parts
//
// With [Engine.Deliver] an operation is delivered in parts. Each @defer and each @stream with calls below it is a
// [Plan] of its own, which begins at the objects or elements that it delivers apart, and is executed in a goroutine of
// its own as soon as these are known. So the first part waits for no call of a later one; a record that both need is
// read once, because the loaders of the operation join equal keys. A call of a later part does not start before the
// calls of the first part that could start have. All parts are written by one goroutine, a part when its calls are back
// and the part around it is written.
//
// An element of a @stream that needs calls of its own is a part of its own, so that it is delivered when its values are
// there and those before it are delivered. Calls that elements make before a backend answers start together, so that
// they load one batch; task.Work makes the loaders below deliver each value as soon as it is there.
//
// Where all calls are back when the first part is ready, the parts are written into one answer in the order of the
// operation. Where a field is in several parts, the plan of the whole operation is executed instead, on the results of
// the calls that were made. Until then the engine waits for every part that
// no backend holds up: task.Waiting reports that one does.
//
// # Output
//
// When the last call is back the answer is written in one pass, depth first, into one buffer. This pass meets the
// parents of each place in the order in which the columns hold them, so a counter per place finds the results. Leaves
// of documents are copied with their escapes and checked on the way. A null in a non-null position truncates the output
// back to the nearest nullable ancestor (GraphQL specification, section 6.4.4), but the rest of that object is still
// visited: the errors in it count. The buffer becomes the response's Data as it is; with [WithBuffer] it is the
// caller's, who may bound it: past the bound writing ends and the answer is null with a [SizeError].
//
// An error has the path of its field in the answer, with the location of the field's first occurrence, and has its
// cause in its chain. One call that fails, panics or returns too few results is an error at each of its positions.
package engine
