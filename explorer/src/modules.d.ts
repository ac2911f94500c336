declare module 'monaco-editor/esm/*';
declare module 'monaco-graphql/esm/graphql.worker.js?worker' {
  const GraphQLWorker: new () => Worker;
  export default GraphQLWorker;
}
