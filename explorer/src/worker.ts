import { start as edit } from './worker-editor';
import { start as json } from './worker-json';
import { start as graphql } from './worker-graphql';

// One file for the three workers, whose largest part is the same. Each of their modules takes the first message of the
// page when it is loaded, so each is loaded with a module that keeps its way to do so, and the worker's name chooses.
globalThis.onmessage = { json, graphql }[self.name] ?? edit;
