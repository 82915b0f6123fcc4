export interface ToolOptions {
  readonly input?: Uint8Array<ArrayBuffer>;
  readonly env?: Record<string, string>;
}

/** Output of a program. @throws if it is missing or fails, with its own words */
export async function outputOf(
  command: string,
  args: string[],
  { input = new Uint8Array(), env = {} }: ToolOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  // A program that ends without reading tells the reason by its status.
  await new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
  const { success, stdout, stderr } = await output;
  if (success) return stdout;
  throw new Error(`${command} failed: ${new TextDecoder().decode(stderr).trim()}`);
}
