"""Builds the schema with graphql-core from introspection and, where its parser knows the syntax, from text.

Run as: python3 readers.py INTROSPECTION.json SCHEMA.graphqls
"""

import json
import sys

import graphql

introspection = json.load(open(sys.argv[1]))
text = open(sys.argv[2]).read()
version = graphql.__version__
results = []


def check(name, run):
    try:
        problem = run()
    except Exception as e:  # whatever a reader throws is why it refuses
        problem = f"{type(e).__name__}: {e}"
    results.append({"name": f"graphql-core {version}: {name}", "problem": problem})


def from_introspection():
    schema = graphql.build_client_schema(introspection)
    types = schema.type_map if hasattr(schema, "type_map") else schema.get_type_map()
    missing = [t["name"] for t in introspection["__schema"]["types"] if t["name"] not in types and not t["name"].startswith("__")]
    return f"missing: {missing}" if missing else None


def from_both():
    announced = graphql.build_client_schema(introspection)
    served = graphql.build_schema(text)
    errors = graphql.validate_schema(announced) + graphql.validate_schema(served)
    if errors:
        return str(errors)
    a, b = (graphql.print_schema(graphql.lexicographic_sort_schema(s)).split("\n") for s in (announced, served))
    for n, (left, right) in enumerate(zip(a, b)):
        if left != right and "@oneOf" not in right and "@oneOf" not in left:
            return f"line {n}: {left} / {right}"
    return None


check("introspection", from_introspection)
if int(version.split(".")[0]) >= 3:  # 2 has no descriptions in block strings
    check("introspection and text", from_both)
json.dump(results, sys.stdout)
