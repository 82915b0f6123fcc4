/** TypeScript's compiler API, for the check with types of tests/floating_promises.ts. */
export { default } from "npm:typescript@6.0.3";
