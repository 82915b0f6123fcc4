/** Why a test that needs a program cannot run here, or null; it is printed, for nothing is silent. */
export function missing(program: string, what: string): string | null {
  const script = `command -v ${program}`;
  const { success } = new Deno.Command("sh", { args: ["-c", script], stdout: "null" }).outputSync();
  if (success) return null;
  const reason = `${what} is not tested: there is no ${program} here`;
  console.log(reason);
  return reason;
}
