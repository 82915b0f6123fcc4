/**
 * Property tests. Packages that only tests use have their versions in this folder: deno.json names
 * these files, so that starting ttun from its sources needs the program's own packages alone.
 */
export * from "npm:fast-check@4.11.0";
export { default } from "npm:fast-check@4.11.0";
