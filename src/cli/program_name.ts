/**
 * Returns the name of a compiled ttun without folders and `.exe`; for a link, the link's (argv[0],
 * which needs no permission). Null from sources, where the name is Deno's and node:process need not
 * be loaded.
 */
export function programName(
  argv0: string | null = null,
  o: { standalone: boolean; os: typeof Deno.build.os } = Deno.build,
): string | null {
  if (!o.standalone) return null;
  const path = argv0 ?? globalThis.process.argv0;
  if (o.os !== "windows") return path.slice(path.lastIndexOf("/") + 1);
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1).toLowerCase()
    .replace(/\.exe$/, "");
}
