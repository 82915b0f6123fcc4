import { onAbort } from "../../../base/scope.ts";

/** A signal that aborts with either, for a call that is shorter than both. */
export function eitherSignal(
  a: AbortSignal,
  b: AbortSignal,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const first = onAbort(a, (reason) => controller.abort(reason));
  const second = onAbort(b, (reason) => controller.abort(reason));
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      first[Symbol.dispose]();
      second[Symbol.dispose]();
    },
  };
}
