/** Both roles against packets of the program tuntox itself. */
import assert from "node:assert/strict";
import vectors from "../../../tests/vector/tuntox.json" with { type: "json" };
import { drain } from "../../../tests/fake/tunnel_pair.ts";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { friendRequestText } from "./friend_request.ts";
import { USUAL_LIMITS } from "./limits.ts";
import type { TunnelStream } from "./tunnel_stream.ts";
import { type TunnelRequest, Tunnels } from "./tunnels.ts";

/** One end, whose packets are kept; `random`: the bytes that it draws, in hex. */
function openEnd(role: "client" | "server", random: string) {
  const sent: string[] = [];
  const requests: TunnelRequest[] = [];
  const pongs: string[] = [];
  const tunnels = new Tunnels({
    ...{ role, peer: "tuntox", limits: USUAL_LIMITS, now: () => 0 },
    send: (packet) => sent.push(toHex(packet)) > 0,
    random: () => Uint8Array.from(fromHex(random)),
    events: {
      wake: () => {},
      requested: (request) => void requests.push(request),
      ponged: (payload) => void pongs.push(toHex(payload)),
    },
  });
  /** Takes a packet of tuntox; returns what is sent because of it. */
  const take = (hex: string) => {
    assert.equal(tunnels.receive(Uint8Array.from(fromHex(hex))), null, hex);
    return flush();
  };
  const flush = () => {
    tunnels.flush();
    return sent.splice(0);
  };
  return { tunnels, requests, pongs, take, flush };
}

Deno.test("a client says to tuntox what it understood, and understands its answers", () => {
  const { other: [ping, request, data], tuntox: [pong, ack, answer, fin] } = vectors.server;
  const { tunnels, pongs, take, flush } = openEnd("client", "01020304");
  tunnels.ping(utf8("Hello"));
  assert.deepEqual(flush(), [ping]);
  assert.deepEqual(take(pong!), []);
  assert.deepEqual(pongs, [toHex(utf8("Hello"))]);
  let stream: TunnelStream | null = null;
  tunnels.open({ host: "127.0.0.1", port: 7000 }, utf8("abc"), {
    opened: (opened) => void (stream = opened),
    refused: (_, error) => assert.fail(error),
  });
  assert.deepEqual(flush(), [request]);
  assert.deepEqual(take(ack!), [data]);
  take(answer!);
  take(fin!);
  assert.deepEqual(drain(stream!), { bytes: utf8("answer"), end: "end" });
});

Deno.test("a server understands tuntox, and says what it understood", () => {
  const { tuntox: [request, data, fin], other: [ack, answer] } = vectors.client;
  const { tunnels, requests, take, flush } = openEnd("server", "0102");
  assert.deepEqual(take(request!), []);
  const { host, port } = requests[0]!;
  assert.deepEqual({ host, port }, { host: "example.org", port: 80 });
  const stream = tunnels.accept(requests[0]!)!;
  assert.deepEqual(flush(), [ack]);
  take(data!);
  assert.deepEqual(drain(stream), { bytes: utf8("hello"), end: null });
  stream.writeNow(utf8("abc"));
  assert.deepEqual(flush(), [answer]);
  take(fin!);
  assert.equal(drain(stream).end, "end");
  assert.equal(tunnels.count, 0);
});

Deno.test("a friend request has the secret as tuntox's has", () => {
  assert.equal(toHex(friendRequestText("open sesame", 921)), vectors.client.request);
});
