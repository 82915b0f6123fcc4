import assert from "node:assert/strict";
import {
  bytesToSend,
  clientLink,
  type EndOptions,
  linkParty,
  NOW,
  recordsIn,
  serverLink,
  SESSION_IDENTITY,
  sessionOf,
} from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { ClientLink as OldClient } from "../../../../tests/fixture/link_1149eed/client_link.ts";
import { ServerLink as OldServer } from "../../../../tests/fixture/link_1149eed/server_link.ts";
import { parseCidr } from "../../../base/addr.ts";
import { toHex } from "../../../base/bytes.ts";
import { packAddresses } from "./addresses.ts";
import { packNameServers, packRoutes } from "./pushed.ts";
import { packEcho } from "./frames.ts";
import type { LinkSession } from "./handshake.ts";
import { HELLO_SIZE, readClientHello } from "./hello.ts";
import { sealText } from "./key_schedule.ts";

/** Ends of commit 1149eed, which know no TLV from 80 on, against those of today. */
const IDENTITY = {
  id: seededRng(9)(16),
  name: "laptop",
  wishes: ["10.9.0.77/24", "fd00:9::77/64"].map(parseCidr),
};
const GIVEN = packAddresses([parseCidr("10.9.0.77/24")]);

/** Settings that an old client skips, and that an old server does not send. */
const PUSHED = {
  routes: packRoutes([parseCidr("10.20.0.0/16")]),
  nameServers: packNameServers([Uint8Array.of(10, 9, 0, 1)]),
};

function oldServer(flight1: Uint8Array, o: EndOptions = {}): OldServer {
  const party = linkParty(o, 2);
  const hello = flight1.slice(0, HELLO_SIZE);
  const { padding } = readClientHello(party.s, hello, NOW)!;
  return new OldServer(party, { hello, padding, unixMs: NOW });
}

function oldClient(o: EndOptions = {}): OldClient {
  return new OldClient(linkParty(o, 1), {
    belonging: SESSION_IDENTITY,
    pads: o.pads ?? false,
    unixMs: () => NOW,
  });
}

/** Lets the client in, and has both ends say something; returns what they took of each other. */
function meet(
  client: Pick<OldClient, "hello" | "feed">,
  server: Pick<OldServer, "answer" | "feed" | "accept">,
) {
  const flight3 = bytesToSend(client.feed(server.answer()));
  server.feed(client.hello().subarray(HELLO_SIZE));
  const setup = server.feed(flight3);
  const { bytes, session: far } = server.accept({ addresses: GIVEN, ...PUSHED });
  const steps = client.feed(bytes);
  const near = sessionOf(steps);
  const done = steps.find((step) => step.kind === "done");
  talk(near, far);
  talk(far, near);
  near[Symbol.dispose]();
  far[Symbol.dispose]();
  return { setup, given: done?.kind === "done" ? done.setup.addresses : undefined };
}

function talk(from: LinkSession, to: LinkSession): void {
  const text = packEcho("ping", seededRng(5)(8));
  assert.deepEqual(recordsIn(to.opener, sealText(from.sealer, text)), [toHex(text)]);
}

for (const pads of [false, true]) {
  const wire = pads ? "v2" : "auto";

  Deno.test(`a client that says who it is connects to a server of 1149eed: ${wire}`, () => {
    const sessionIdentity = { ...SESSION_IDENTITY, identity: IDENTITY };
    using client = clientLink({ pads, sessionIdentity });
    using server = oldServer(client.hello());
    const { setup, given } = meet(client, server);
    assert.deepEqual(setup?.session, SESSION_IDENTITY.session);
    assert.deepEqual(given, GIVEN);
  });

  Deno.test(`a client of 1149eed connects to today's server: ${wire}`, () => {
    using client = oldClient({ pads });
    // The costs of its ciphers are a TLV that the old one skips.
    const costs = { "chacha20-poly1305": 11_000, "aes-256-gcm": 4000 };
    using server = serverLink(client.hello(), { costs });
    const { setup, given } = meet(client, server);
    assert.deepEqual(setup?.session, SESSION_IDENTITY.session);
    assert.equal(setup !== null && "identity" in setup, false);
    assert.deepEqual(given, GIVEN);
  });
}

Deno.test("without an identity today's client sends what one of 1149eed sends, byte for byte", () => {
  using old = oldClient();
  using today = clientLink();
  assert.deepEqual(today.hello(), old.hello());
  using server = serverLink(old.hello());
  const answer = server.answer();
  assert.deepEqual(bytesToSend(today.feed(answer)), bytesToSend(old.feed(answer)));
});
