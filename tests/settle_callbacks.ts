/** Has libffi open the executable, which it does for the first callback and keeps: no leak of a test. */
export function settleCallbacks(): void {
  new Deno.UnsafeCallback({ parameters: [], result: "void" }, () => {}).close();
}
