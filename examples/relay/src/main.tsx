import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RelayEnvironmentProvider } from 'react-relay';
import { App } from './App';
import { newEnvironment } from './environment';
import './style.css';

// A boundary shows what failed below it: the console need not raise an alarm as well.
const onCaughtError = (error: unknown) => console.info(error);

createRoot(document.getElementById('root')!, { onCaughtError }).render(
  <StrictMode>
    <RelayEnvironmentProvider environment={newEnvironment()}>
      <App />
    </RelayEnvironmentProvider>
  </StrictMode>,
);
