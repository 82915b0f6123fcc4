import assert from "node:assert/strict";
import { CountedCiphers } from "../../../tests/fake/ciphers.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { MemoryNet, memoryPair } from "../../../tests/fake/memory.ts";
import { secretOf } from "../../../tests/fake/named_keys.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { EPOCH } from "../../../tests/fake/stream_programs.ts";
import { handshakeKeys } from "../../../tests/fake/v1_session.ts";
import { TtunError } from "../../base/errors.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import type { WireSecrets } from "../link/config.ts";
import { openLinkClient } from "./link_client.ts";
import { runPeerServer } from "./peer_server.ts";

const AT = { host: "192.0.2.1", port: 7000 };
const CLIENT = "192.0.2.2";

Deno.test("a peer that is lost before its pipe does not have this end wait for ever", async () => {
  for (const keepMs of [0, 600_000]) {
    const clock = new FakeClock();
    const net = new MemoryNet({ clock });
    const ciphers = new CountedCiphers();
    const { log } = keptLog(clock);
    const secrets = (seed: number): WireSecrets => {
      const { nonce: _, ...v1 } = handshakeKeys({ psk: "ticket", makeCipher: ciphers.factory });
      const rng = seededRng(seed);
      const wallClock = () => EPOCH + clock.now();
      return {
        ...{ mode: "v2", v1, s: secretOf("ticket"), keyExchange: nodeKeyExchange },
        ...{ rng, wallClock },
      };
    };
    const [stdio] = memoryPair();
    const { signal } = new AbortController();
    const listeners = [net.listen(AT, { signal })];
    let isOver = false;
    const ended = runPeerServer({
      ...{ stdio, clock, log, signal, keepMs, secrets: secrets(1), onUp: () => {} },
      way: { listeners, waitMs: 600_000 },
    }).then(() => null, (error) => error).finally(() => isOver = true);
    const killed = new AbortController();
    const stack = new DisposableStack();
    const client = openLinkClient({
      ...{
        server: AT,
        dialer: net.dialer(CLIENT),
        clock,
        log,
        keepMs,
        retries: 0,
        endsWithSession: true,
      },
      resolver: { resolve: () => Promise.resolve([AT.host]) },
      ...{ signal: killed.signal, secrets: secrets(2), instance: seededRng(3)(16) },
    }, stack);
    const running = client.run(killed.signal).catch(() => {}).finally(() => stack.dispose());
    await clock.advance(1000);
    killed.abort(new Error("killed"));
    await running;
    for (let i = 0; i < 700 && !isOver; i++) await clock.advance(1000);
    assert(isOver, "it still waits");
    const error = await ended;
    assert(error instanceof TtunError);
    assert.equal(error.kind, "timeout");
    assert.match(error.message, /Lost the peer before the pipe was there/);
    await stdio[Symbol.asyncDispose]();
    assert.equal(ciphers.live, 0);
  }
});
