// Composes the program's schema, in the flavors of each composition, with a second subgraph.
import { readFileSync } from 'node:fs'
import { buildASTSchema, parse } from 'graphql'
import { composeServices as apollo } from '@apollo/composition'
import { composeServices as guild } from '@theguild/federation-composition'
import { federateSubgraphs, LATEST_ROUTER_COMPATIBILITY_VERSION } from '@wundergraph/composition'

const [folder] = process.argv.slice(2)
const second = readFileSync(new URL('second.graphqls', import.meta.url), 'utf8')
// The roots that a supergraph has to have: reads, writes and what is kept open.
const roots = ['Query', 'Mutation', 'Subscription']
const missing = (schema) => roots.filter((name) => !schema?.getType?.(name)).map((name) => ({ message: `there is no ${name}` }))
const read = (text) => buildASTSchema(parse(text), { assumeValidSDL: true })
const composed = ({ errors, supergraphSdl }) => (errors?.length ? errors : missing(read(supergraphSdl)))
const ways = {
  '@apollo/composition': (list) => composed(apollo(list)),
  '@theguild/federation-composition': (list) => composed(guild(list)),
  '@wundergraph/composition': (list) => {
    const subgraphs = list.map(({ name, url, typeDefs }) => ({ name, url, definitions: typeDefs }))
    const result = federateSubgraphs({ subgraphs, version: LATEST_ROUTER_COMPATIBILITY_VERSION, options: {} })
    return result.success ? missing(result.federatedGraphSchema) : result.errors
  },
}
const findings = []
for (const [way, flavors] of [
  ['@apollo/composition', ['federation', 'federation-2.9', 'federation-open']],
  ['@theguild/federation-composition', ['federation-2.9', 'federation-open']],
  ['@wundergraph/composition', ['federation', 'federation-2.9', 'federation-open']],
]) {
  for (const flavor of flavors) {
    const errors = ways[way]([
      { name: 'learngraph', url: 'http://localhost/1', typeDefs: parse(readFileSync(`${folder}/${flavor}.graphqls`, 'utf8')) },
      { name: 'second', url: 'http://localhost/2', typeDefs: parse(second) },
    ])
    findings.push({ name: `${way}: ${flavor}`, problem: errors?.length ? errors.map((e) => e.message).join('\n') : null })
  }
}
console.log(JSON.stringify(findings))
