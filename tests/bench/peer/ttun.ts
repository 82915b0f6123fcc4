/** ttun's own ways between two ends. */
import { ENV, ttunArgs } from "../ttun.ts";
import { ADDRESSES, type Contender, type Work } from "./contender.ts";
import { End, type Ends, twoEnds } from "./ends.ts";

/** There is no state, and a key only where it is added. */
const NO_KEY = { STATE_DIRECTORY: ENV.STATE_DIRECTORY, NO_COLOR: "1" };

const ttun = (...args: string[]) => [Deno.execPath(), ...ttunArgs(...args)];

/** Both ends know each other's addresses. */
function byAddress(name: string, env: Record<string, string>, args: string[] = []): Contender {
  const command = (i: 0 | 1) =>
    ttun("peer", "-v", "-myip", ADDRESSES[i], "-peerip", ADDRESSES[1 - i]!, ...args);
  return {
    name,
    kind: "pipe",
    isRival: false,
    prepare: () =>
      Promise.resolve(async ({ receiver, sender, input, output }: Work): Promise<Ends> => {
        const files = { input: "/dev/null", output: output ?? "/dev/null" };
        const end = new End(receiver, command(0), files, env);
        await end.waitFor(/connecting/);
        const start = () => new End(sender, command(1), { input, output: "/dev/null" }, env);
        return await twoEnds(end, start, output);
      }),
  };
}

const byTicket: Contender = {
  name: "ttun peer, ticket",
  kind: "pipe",
  isRival: false,
  prepare: () =>
    Promise.resolve(async ({ receiver, sender, input, output }: Work): Promise<Ends> => {
      const files = { input: "/dev/null", output: output ?? "/dev/null" };
      const end = new End(receiver, ttun("peer", "listen", "-v"), files, NO_KEY);
      const [, ticket] = await end.waitFor(/ttun peer connect (peer:[\w-]+)$/m);
      const env = { ...NO_KEY, TTUN_TICKET: ticket! };
      const command = ttun("peer", "connect", "-v");
      const start = () => new End(sender, command, { input, output: "/dev/null" }, env);
      return await twoEnds(end, start, output);
    }),
};

/** By a ticket: the sender waits. */
const transfer: Contender = {
  name: "ttun send",
  kind: "file",
  isRival: false,
  prepare: () =>
    Promise.resolve(async ({ receiver, sender, input, folder }: Work): Promise<Ends> => {
      const out = `${folder}/out`;
      Deno.mkdirSync(out);
      const nothing = { input: "/dev/null", output: "/dev/null" };
      const waiting = new End(sender, ttun("send", input), nothing, NO_KEY);
      const [, ticket] = await waiting.waitFor(/ttun receive (peer:[\w-]+)$/m);
      const env = { ...NO_KEY, TTUN_TICKET: ticket! };
      const command = ttun("receive", "-o", out, "--yes");
      let end: End | undefined;
      const start = () => (end = new End(receiver, command, nothing, env));
      const ends = await twoEnds(
        waiting,
        start,
        `${out}/${input.slice(input.lastIndexOf("/") + 1)}`,
      );
      return { ...ends, receiverPid: () => end!.pid };
    }),
};

export const TLS = "ttun peer, TLS without a key";
export const TICKET = byTicket.name;

export const ours: readonly Contender[] = [
  byAddress(TLS, NO_KEY),
  byAddress("ttun peer, key inside TLS", ENV),
  byAddress("ttun peer, --wire v2", ENV, ["--wire", "v2"]),
  byTicket,
  transfer,
];
