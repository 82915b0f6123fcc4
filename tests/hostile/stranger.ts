/**
 * Somebody without the key: `stranger.ts HOST PORT SECONDS [WORDS]`. Opens as many connections as it
 * can and holds them; with WORDS it sends so many random bytes over each. Prints "attacking", and at
 * the end how many it has opened.
 */

/** Connections that are being opened at the same time. */
const AT_ONCE = 64;
/** Most that one process holds: the oldest is closed then. */
const MOST_HELD = 4000;

/** Opens and holds until the time is over; returns how many connections were opened. */
export async function openAndHold(
  to: { hostname: string; port: number },
  o: { seconds: number; words: number },
): Promise<number> {
  const until = performance.now() + 1000 * o.seconds;
  const held: Deno.TcpConn[] = [];
  let opened = 0;
  const work = async () => {
    while (performance.now() < until) {
      try {
        const conn = await Deno.connect(to);
        opened++;
        if (o.words > 0) {
          conn.write(crypto.getRandomValues(new Uint8Array(o.words))).catch(() => {}); // it is cut
        }
        held.push(conn);
        if (held.length > MOST_HELD) held.shift()!.close();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5)); // refused, or no port is left
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const conn of held) conn.close();
  return opened;
}

if (import.meta.main) {
  const [hostname, port, seconds, words = "0"] = Deno.args as [string, string, string, string?];
  console.log("attacking");
  const to = { hostname, port: Number(port) };
  console.log(
    `opened ${await openAndHold(to, { seconds: Number(seconds), words: Number(words) })}`,
  );
  Deno.exit(0);
}
