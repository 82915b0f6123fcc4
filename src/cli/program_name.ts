import process from "node:process";

/**
 * Returns the name by which a compiled ttun was started, without folders and `.exe`: for a link,
 * the link's name (argv[0], which needs no permission). Returns null if Deno runs ttun's sources,
 * since the name is then Deno's.
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
