import { ok } from "node:assert/strict";

/** Copies of deno, the sources and the module cache that every user can read. */
export async function readableCopy(folder: string) {
  const root = new URL("../..", import.meta.url).pathname;
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout));
  const script =
    `cp '${Deno.execPath()}' deno && mkdir -p src cache && cp -r '${root}'/{main.ts,deno.json,deno.lock,src,ffi} src/ &&
    mkdir -p src/tests && cp '${root}'/tests/layers.ts src/tests/ && cp -r '${denoDir}'/npm cache/ && chmod -R a+rwX .`;
  const { success, stderr } = await new Deno.Command("bash", { args: ["-c", script], cwd: folder })
    .output();
  ok(success, new TextDecoder().decode(stderr));
  await Deno.chmod(folder, 0o755);
  return { deno: `${folder}/deno`, main: `${folder}/src/main.ts`, cache: `${folder}/cache` };
}
