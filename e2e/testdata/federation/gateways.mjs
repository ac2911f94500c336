// Runs gateways in front of the program and a second subgraph, with queries that cross both ways.
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { buildSchema, graphql, parse } from 'graphql'
import { composeServices } from '@apollo/composition'

const [which, url, open, user, client] = process.argv.slice(2)
const text = readFileSync(new URL('second.graphqls', import.meta.url), 'utf8')

const executable = buildSchema(`
  directive @key(fields: String!, resolvable: Boolean) repeatable on OBJECT
  directive @shareable on OBJECT
  directive @external on FIELD_DEFINITION
  directive @requires(fields: String!) on FIELD_DEFINITION
  directive @override(from: String!) on FIELD_DEFINITION
  scalar _Any
  union _Entity = Ticket | User | Client
  type _Service { sdl: String! }
  extend type Query { _entities(representations: [_Any!]!): [_Entity]!  _service: _Service! }
` + text.replace(/^extend schema.*$/m, ''))
executable.getType('_Entity').resolveType = (v) => v.__typename
const ticket = { __typename: 'Ticket', number: '1', requester: { __typename: 'User', sourceId: user }, client: { __typename: 'Client', sourceId: client } }
const root = {
  tickets: [ticket],
  _service: { sdl: text },
  _entities: ({ representations }) => representations.map((r) => ({ ...r, tickets: [ticket], avatar: 'a picture of the second', greeting: `Hello ${r.name}` })),
}
const second = createServer((request, response) => {
  let body = ''
  request.on('data', (part) => (body += part))
  request.on('end', async () => {
    const { query, variables } = JSON.parse(body)
    const result = await graphql({ schema: executable, source: query, variableValues: variables, rootValue: root })
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(result))
  })
})
await new Promise((done) => second.listen(0, '127.0.0.1', done))
const secondURL = `http://127.0.0.1:${second.address().port}/graphql`

async function apolloGateway() {
  const { ApolloGateway, IntrospectAndCompose } = await import('@apollo/gateway')
  const quiet = { debug() {}, info() {}, warn() {}, error() {} }
  const gateway = new ApolloGateway({
    logger: quiet,
    supergraphSdl: new IntrospectAndCompose({ subgraphs: [{ name: 'learngraph', url }, { name: 'second', url: secondURL }] }),
  })
  const { schema, executor } = await gateway.load()
  return {
    stop: () => gateway.stop(),
    run: (query) => {
      const document = parse(query)
      return executor({
        document, schema, logger: quiet, metrics: {}, context: {}, cache: new Map(), queryHash: query, source: query,
        operation: document.definitions[0], operationName: null, request: { query, variables: {} }, overallCachePolicy: {},
      })
    },
  }
}

async function hiveGateway() {
  const { createGatewayRuntime } = await import('@graphql-hive/gateway')
  const composed = composeServices([
    { name: 'learngraph', url, typeDefs: parse(readFileSync(open, 'utf8')) },
    { name: 'second', url: secondURL, typeDefs: parse(text) },
  ])
  const gateway = createGatewayRuntime({ supergraph: composed.supergraphSdl, logging: false, maskedErrors: false })
  const ask = (query, accept) => gateway.fetch('http://localhost/graphql', {
    method: 'POST', headers: { 'Content-Type': 'application/json', Accept: accept }, body: JSON.stringify({ query }),
  })
  return {
    stop: () => gateway.dispose?.(),
    run: async (query) => (await ask(query, 'application/json')).json(),
    // The first event of a subscription, which the gateway opens with the subgraph.
    event: async (query) => {
      let text = ''
      for await (const part of (await ask(query, 'text/event-stream')).body) {
        text += Buffer.from(part)
        const event = /^data: (\{.*\})$/m.exec(text)
        if (event) return JSON.parse(event[1])
      }
      return text
    },
  }
}

const gateway = await (which === 'apollo' ? apolloGateway() : hiveGateway())
const findings = []
function check(name, answer, want) {
  let ok = false
  try { ok = !answer.errors?.length && want(answer.data) } catch {}
  findings.push({ name: `${which}: ${name}`, problem: ok ? null : JSON.stringify(answer) })
}
for (const [name, query, want] of [
  ['from the second to the first', '{ tickets { number requester { sourceId name } client { name } } }', (d) => d.tickets[0].requester.name && d.tickets[0].client.name],
  ['from the first to the second', `{ user(by: {sourceId: ${JSON.stringify(user)}}) { name tickets { number } } }`, (d) => d.user.name && d.user.tickets[0].number === '1'],
  ['@requires', `{ user(by: {sourceId: ${JSON.stringify(user)}}) { greeting } }`, (d) => /^Hello (?!undefined|null)./.test(d.user.greeting)],
  ['@override', `{ user(by: {sourceId: ${JSON.stringify(user)}}) { name avatar } }`, (d) => d.user.name && d.user.avatar === 'a picture of the second'],
  ['and back', `{ user(by: {sourceId: ${JSON.stringify(user)}}) { tickets { requester { name } } } }`, (d) => d.user.tickets[0].requester.name],
]) {
  check(name, await gateway.run(query), want)
}
if (gateway.event) {
  const event = await gateway.event(`subscription { user(by: {sourceId: ${JSON.stringify(user)}}) { name tickets { number } } }`)
  check('a subscription', event, (d) => d.user.name && d.user.tickets[0].number === '1')
}
console.log(JSON.stringify(findings))
await gateway.stop()
second.close()
process.exit(0)
