import manifest from "../../deno.json" with { type: "json" };

export const VERSION: string = manifest.version;

export function versionLine(): string {
  return `ttun ${VERSION}\n`;
}
