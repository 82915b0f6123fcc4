import type { Paths } from "../../contract/routing.ts";
import type { Clock } from "../../contract/host.ts";

/** Milliseconds between polls, while there is a listener. */
const POLL_MS = 1_000;

/**
 * Treats a change of this machine's addresses as one of every path, for systems without
 * notifications. `device`, the tunnel's own, is ignored. Without permission
 * (`--allow-sys=networkInterfaces`) no change is ever detected.
 */
export function polledPaths(
  clock: Clock,
  device: string,
  interfaces: () => readonly Pick<Deno.NetworkInterfaceInfo, "name" | "address">[] = allowed,
): Paths {
  const present = () => interfaces().filter(({ name }) => name !== device);
  const digest = () => {
    const others = present().filter(({ address }) => !isOnHost(address));
    return others.map(({ name, address }) => `${name} ${address}`).sort().join(", ");
  };
  return {
    open: () => {},
    keepOnly: () => {},
    isExact: false,
    to: () => {
      const text = digest();
      return text === "" && present().length > 0 ? null : text;
    },
    isOwn: (host) => {
      const all = interfaces();
      return all.length === 0 || isOnHost(host) || all.some(({ address }) => address === host);
    },
    onChange: (run) => {
      let last = digest();
      let timer: Disposable;
      const look = () => {
        timer = clock.after(POLL_MS, look);
        const now = digest();
        if (now === last) return;
        last = now;
        run();
      };
      timer = clock.after(POLL_MS, look);
      return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
    },
  };
}

/** Loopback and link-local addresses come and go with the link and lead to no other network. */
function isOnHost(address: string): boolean {
  return /^(127\.|169\.254\.|::1$|fe80:)/i.test(address);
}

function allowed(): Deno.NetworkInterfaceInfo[] {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" });
  return state === "granted" ? Deno.networkInterfaces() : [];
}
