declare module 'monaco-editor/esm/*';
declare module '*?worker' {
  const LanguageWorker: new (options: { name: string }) => Worker;
  export default LanguageWorker;
}
