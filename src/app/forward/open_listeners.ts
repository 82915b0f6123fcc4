import { type Addr, requireHostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { ForwardListen } from "../../core/forward/spec.ts";

/** Ports that the kernel chooses for IPv4 before one is free for IPv6 too. */
const ATTEMPTS = 8;

/** A listener, or a socket for datagrams. */
type Opened = { readonly addr: Addr } & (AsyncDisposable | Disposable);

/**
 * Opens a forward's listeners by `listen`: one, or, if no address was given, one on each loopback
 * address that the machine has, as ssh does; both have the same port. @throws {TtunError}
 */
export function openListeners<L extends Opened>(
  at: ForwardListen,
  listen: (at: Addr) => L,
): readonly L[] {
  if ("path" in at) return [listen(at)];
  const { host, port } = at;
  if (host !== null) return [listen({ host, port })];
  for (let left = ATTEMPTS;; left--) {
    const first = listen({ host: "127.0.0.1", port });
    try {
      return [first, listen({ host: "::1", port: requireHostPort(first.addr).port })];
    } catch (thrown) {
      const { kind } = toTtunError(thrown);
      if (kind === "usage" || kind === "system") return [first]; // no IPv6 here
      close(first);
      // With a fixed port, `localhost` would lead some programs to a stranger's service.
      if (kind !== "in_use" || port !== 0 || left === 1) throw thrown;
    }
  }
}

function close(one: Opened): void {
  if (Symbol.dispose in one) one[Symbol.dispose]();
  else startClose(one);
}
