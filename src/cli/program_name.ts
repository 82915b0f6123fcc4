import process from "node:process";

/**
 * The name that a compiled ttun was started by, without folders and `.exe`: a link's own name, as
 * the caller gave it (argv[0], which Deno tells without a permission). Null where Deno runs ttun's
 * sources: the name is Deno's then.
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
