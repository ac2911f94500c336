import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import type { Shared } from './share';

/** openVariables shows the editor of the variables. GraphiQL has no other way to it than its own button. */
function openVariables() {
  document.querySelector<HTMLButtonElement>('.graphiql-editor-tools [data-name="variables"]')?.click();
}

/** useOpen returns a function that opens an operation in a new tab, with its variables if it has any. */
export function useOpen(): (operation: Shared) => void {
  const { addTab, setOperationName } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(pick('queryEditor', 'variableEditor'));
  return (operation) => {
    addTab();
    queryEditor?.setValue(operation.query);
    variableEditor?.setValue(operation.variables ?? '');
    if (operation.operationName) setOperationName(operation.operationName);
    if (operation.variables?.trim()) openVariables();
    queryEditor?.focus();
  };
}
