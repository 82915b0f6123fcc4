/** Ways to the target without encryption: the most that the machine and the load can do. */
import { requireProgram } from "../contender.ts";
import type { Contender } from "./contender.ts";
import { LOOPBACK, SOCKS_PORT, spawnEnd, untilListening } from "./ends.ts";

export const direct: Contender = {
  name: "direct, no proxy",
  cipher: null,
  prepare: () =>
    Promise.resolve(() => Promise.resolve({ socksPort: null, client: null, server: null })),
};

/** One program between the two ends of a load, where the others have two. */
export const microsocks: Contender = {
  name: "microsocks, one end",
  cipher: null,
  prepare: async () => {
    await requireProgram("microsocks", "microsocks");
    return async (host) => {
      const server = spawnEnd(host, "microsocks", ["-i", LOOPBACK, "-p", `${SOCKS_PORT}`]);
      await untilListening(host, server, SOCKS_PORT);
      return { socksPort: SOCKS_PORT, client: null, server };
    };
  },
};
