import manifest from "../../deno.json" with { type: "json" };

/** ttun's version, as deno.json has it. */
export const VERSION: string = manifest.version;

/** What `ttun --version` prints. */
export function versionLine(): string {
  return `ttun ${VERSION}\n`;
}
