import assert from "node:assert/strict";
import { toHex } from "../../../base/bytes.ts";
import { failureOfSocks5, FAILURES, socks5Code } from "../failure.ts";
import { Socks5Server } from "./socks5_server.ts";
import { greeting, greetingAndRequest, request, Socks5Client } from "./socks5_client.ts";
import { bytesOf, feedPieces, told } from "./socks_fixture.ts";
import { makeTarget } from "../../../base/target.ts";

const internal = { name: "TtunError", kind: "internal" };
const target = makeTarget("example.com", 443);
const ASKED = "ask";

function hear(text: string): string[] {
  const bytes = bytesOf(text);
  const whole = feedPieces(new Socks5Client(), [bytes]);
  const single = feedPieces(
    new Socks5Client(),
    [...bytes].map((byte) => new Uint8Array([byte])),
  );
  assert.deepEqual(single, whole, text);
  return whole;
}

Deno.test("greeting and request are as RFC 1928 has them", () => {
  assert.equal(toHex(greeting()), "050100");
  assert.equal(toHex(greeting(new Uint8Array([0x80, 0x42]))), "0503008042");
  assert.equal(greeting(new Uint8Array(254)).length, 257);
  assert.throws(() => greeting(new Uint8Array(255)), internal);
  assert.equal(toHex(request(makeTarget("192.0.2.1", 80))), "05010001c00002010050");
  assert.equal(toHex(request(makeTarget("::1", 80))), `05010004${"0".repeat(31)}10050`);
  assert.equal(toHex(request(makeTarget("a", 0x1234))), "0501000301611234");
  assert.equal(toHex(greetingAndRequest(makeTarget("a", 0x1234))), "0501000501000301611234");
});

Deno.test("what tt's servers answer is understood", () => {
  assert.deepEqual(hear('05 00 05 00 00 01 7f000001 0000 "hello"'), [
    ASKED,
    "connected",
    "rest hello",
  ]);
  assert.deepEqual(hear("05 00 05 01"), [ASKED, "failed general"]);
});

Deno.test("a reply may have an address of any type", () => {
  for (const address of ["04" + "00".repeat(18), '03 04 "name" 0050', "03 00 0050"]) {
    assert.deepEqual(hear(`05 00 05 00 00 ${address}`), [ASKED, "connected"]);
  }
});

Deno.test("each code is its failure, told as soon as it is there", () => {
  for (let code = 1; code < 256; code++) {
    const hex = code.toString(16).padStart(2, "0");
    assert.deepEqual(hear(`05 00 05 ${hex}`), [ASKED, `failed ${failureOfSocks5(code)}`]);
  }
  assert.deepEqual(hear("05 00 05 05 00 01 00000000 0000"), [ASKED, "failed refused"]);
});

Deno.test("a server that speaks otherwise is given up", () => {
  assert.deepEqual(hear("05 ff"), ["failed general"]);
  assert.deepEqual(hear("05 02"), ["failed general"]);
  assert.deepEqual(hear("04 00"), ["failed general"]);
  assert.deepEqual(hear('"HTTP/1.1 400"'), ["failed general"]);
  assert.deepEqual(hear("05 00 00 5a"), [ASKED, "failed general"]);
  assert.deepEqual(hear("05 00 05 00 00 02"), [ASKED, "failed general"]);
});

Deno.test("the end of the stream is a failure wherever it comes before the reply is whole", () => {
  const whole = bytesOf("05 00 05 00 00 01 7f000001 0000");
  for (let length = 0; length < whole.length; length++) {
    const client = new Socks5Client();
    client.feed(whole.subarray(0, length));
    assert.deepEqual(client.ended().map(told), ["failed general"]);
    assert.deepEqual(client.ended(), []);
    assert.throws(() => client.feed(new Uint8Array(1)), internal);
  }
  const client = new Socks5Client();
  client.feed(whole);
  assert.deepEqual(client.ended(), []);
});

Deno.test("our server and our client understand one another", () => {
  for (const failure of [null, ...FAILURES]) {
    const client = new Socks5Client();
    const server = new Socks5Server({ auth: null });
    const [method] = server.feed(greeting());
    assert.ok(method?.kind === "send");
    assert.deepEqual(client.feed(method.bytes), [{ kind: "ask" }]);
    assert.deepEqual(server.feed(request(target)), [{ kind: "connect", target }]);
    const [found] = client.feed(failure === null ? server.accepted() : server.failed(failure));
    const heard = failure === null ? "connected" : `failed ${failureOfSocks5(socks5Code(failure))}`;
    assert.equal(told(found!), heard);
  }
});
