/**
 * A program that has the use of a proxy's client, and takes what it can: `proxy_client.ts PROXY_PORT
 * TARGET_PORT COUNT`. It opens COUNT connections through the proxy on loopback to a target on
 * loopback, holds them and says nothing. Prints how many it has, and "holding"; it ends by a signal.
 */
import { openThrough } from "../e2e/proxy_socks.ts";

/** Opens as many as it gets; of `count` that were asked for, those that came about. */
export async function hold(proxy: number, target: number, count: number): Promise<Deno.TcpConn[]> {
  const held: Deno.TcpConn[] = [];
  const AT_ONCE = 50;
  for (let asked = 0; asked < count; asked += AT_ONCE) {
    const some = await Promise.allSettled(
      Array.from({ length: Math.min(AT_ONCE, count - asked) }, () => openThrough(proxy, target)),
    );
    for (const one of some) if (one.status === "fulfilled") held.push(one.value);
  }
  return held;
}

if (import.meta.main) {
  const [proxy, target, count] = Deno.args.map(Number) as [number, number, number];
  const held = await hold(proxy, target, count);
  console.log(`${held.length} of ${count}`);
  console.log("holding");
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}
