import LanguageWorker from './worker?worker';

// The editor asks for its workers here. They are one file of this server: the policy of the page allows no others.
Object.assign(globalThis, {
  MonacoEnvironment: {
    getWorker: (_id: string, label: string): Worker => new LanguageWorker({ name: label }),
  },
});
