package main

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// contentRoots are the types whose objects arrive from Thought Industries as documents. Every object type that can be
// reached from them through embedded fields is content too.
var contentRoots = []string{"Client", "Aggregation"}

// The differences of the schema from the backend's body, all of them: a field that is named here, and a field that
// leads to a connection, which pages through the array of the same name.
var (
	// globalIDs show the member "id" as a global id of their type.
	globalIDs = map[string]bool{"Client.id": true}
	// sourceKey is the field of every type that shows the backend's own key, which the backend calls id: a field id is
	// global, and a Node's alone.
	sourceKey = "sourceId"
	// references lead to a client that is read like any other. Of objects that the backend embeds there the keys are kept.
	references = map[string]bool{"License.client": true, "LearningPath.client": true}
	// completed types are embedded whole in one place of a client and as a stub in others.
	completed = map[string]bool{"Course": true, "LearningPath": true, "License": true}
	// regrouped fields lead to a type that shows further members of the same object.
	regrouped = map[string]bool{"Client.features": true}
	// resolved fields lead to another backend; they have no member.
	resolved = map[string]bool{"Client.embed": true, "Client.users": true}
)

// fieldKind is how a field of a content type is read.
type fieldKind int

const (
	leafField fieldKind = iota
	objectField
	groupField
	connectionField
	resolvedField
	referenceField
)

// clientKeys is the shape of a client that other content names, and its members.
const clientKeys = "ClientKeys"

var clientKeyMembers = []contentMember{{Name: "id"}, {Name: "slug"}, {Name: "sku"}}

func isConnection(name string) bool { return strings.HasSuffix(name, "Connection") }

// nodeOf names the type that a connection lists.
func nodeOf(connection string) string { return strings.TrimSuffix(connection, "Connection") }

func kindOf(schema *ast.Schema, owner string, f *ast.FieldDefinition) fieldKind {
	place, target := owner+"."+f.Name, f.Type.Name()
	switch {
	case resolved[place]:
		return resolvedField
	case references[place]:
		return referenceField
	case regrouped[place]:
		return groupField
	case isConnection(target):
		return connectionField
	case schema.Types[target].Kind == ast.Object:
		return objectField
	}
	return leafField
}

// memberName is the name of the field's member in the backend's object.
func memberName(f *ast.FieldDefinition) string {
	if f.Name == sourceKey {
		return "id"
	}
	return f.Name
}

// contentTypes lists the content types in the order in which they are reached.
func contentTypes(schema *ast.Schema) []string {
	var names []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		names = append(names, name)
		for _, f := range schema.Types[name].Fields {
			switch kindOf(schema, name, f) {
			case objectField, groupField:
				visit(f.Type.Name())
			case connectionField:
				visit(nodeOf(f.Type.Name()))
			}
		}
	}
	for _, root := range contentRoots {
		visit(root)
	}
	return names
}

// shapeOwner names the type whose shape the objects of a type have: its own, or for a group that of the type that
// the group belongs to.
func shapeOwner(schema *ast.Schema) map[string]string {
	owner := map[string]string{}
	for _, name := range contentTypes(schema) {
		if owner[name] == "" {
			owner[name] = name
		}
		for _, f := range schema.Types[name].Fields {
			if kindOf(schema, name, f) == groupField {
				owner[f.Type.Name()] = owner[name]
			}
		}
	}
	return owner
}
