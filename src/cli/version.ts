import manifest from "../../deno.json" with { type: "json" };

/** Version of ttun from deno.json. */
export const VERSION: string = manifest.version;

/** Returns the line of `ttun --version`. */
export function versionLine(): string {
  return `ttun ${VERSION}\n`;
}
