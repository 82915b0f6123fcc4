import process from "node:process";

/**
 * Returns the name of a compiled ttun without folders and `.exe`; for a link, the link's (argv[0],
 * which needs no permission). Null from sources, where the name is Deno's.
 */
export function programName(
  argv0: string = process.argv0,
  o: { standalone: boolean; os: typeof Deno.build.os } = Deno.build,
): string | null {
  if (!o.standalone) return null;
  if (o.os !== "windows") return argv0.slice(argv0.lastIndexOf("/") + 1);
  return argv0.slice(Math.max(argv0.lastIndexOf("/"), argv0.lastIndexOf("\\")) + 1).toLowerCase()
    .replace(/\.exe$/, "");
}
