import { nodeKeyExchange } from "../../src/io/crypto/x25519.ts";
import type { WireSecrets } from "../../src/app/link/config.ts";
import { FakeClock } from "./clock.ts";
import { keptLog } from "./log.ts";
import { MemoryNet } from "./memory.ts";
import { secretOf } from "./named_keys.ts";
import { seededRng } from "./rng.ts";
import { handshakeKeys } from "./v1_session.ts";

const SERVER = { host: "192.0.2.1", port: 20203 };
const KEY = "correct horse";

/** A network in memory, with all that servers of link version 2 and their clients need. */
export class LinkWorld {
  readonly clock = new FakeClock();
  readonly net = new MemoryNet({ clock: this.clock });
  readonly #kept = keptLog(this.clock);
  #seed = 0;

  get common() {
    return { clock: this.clock, log: this.#kept.log, keepMs: 60_000 };
  }

  server(signal: AbortSignal) {
    const listeners = [this.net.listen({ host: "", port: SERVER.port }, { signal })];
    return { ...this.common, listeners, secrets: this.#secrets(), signal };
  }

  client(signal: AbortSignal, host = "192.0.2.2") {
    return {
      ...this.common,
      server: SERVER,
      dialer: this.net.dialer(host),
      resolver: { resolve: () => Promise.resolve([SERVER.host]) },
      secrets: this.#secrets(),
      retries: Infinity,
      instance: seededRng(1000 + this.#seed)(16),
      signal,
    };
  }

  lines() {
    return this.#kept.records.map(({ level, message, fields }) => ({ level, message, fields }));
  }

  #secrets(): WireSecrets {
    const { nonce: _nonce, ...keys } = handshakeKeys({ psk: KEY });
    return {
      mode: "v2",
      v1: keys,
      s: secretOf(KEY),
      keyExchange: nodeKeyExchange,
      rng: seededRng(++this.#seed),
      wallClock: () => 1_790_000_000_000 + this.clock.now(),
    };
  }
}
