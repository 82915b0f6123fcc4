import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import packet from "dns-packet";
import fc from "fast-check";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { gatewayZone } from "../../gateway/zone_records.ts";
import { answerQuery, failedAnswer, truncatedAnswer } from "./answer.ts";

const ZONE = gatewayZone({
  zone: "example.net",
  isApex: true,
  day: 20_000,
  members: [
    {
      visitors: ["192.0.2.1", "2001:db8::1"],
      server: { name: "ns1.example.net", addresses: ["192.0.2.1"] },
    },
    { visitors: ["192.0.2.2"], server: { name: "ns.elsewhere.test", addresses: ["192.0.2.2"] } },
    { visitors: ["192.0.2.2"], server: null },
  ],
  challenges: [
    { label: "_acme-challenge", text: "one" },
    { label: "_acme-challenge", text: "two" },
    { label: "abc._acme-challenge", text: "three" },
  ],
});

interface Asked {
  type?: string;
  id?: number;
  edns?: number | null;
  class?: string;
  way?: "udp" | "tcp";
}

function ask(
  name: string,
  { type = "A", id = 0, edns = 1232, class: kind = "IN", way = "udp" }: Asked = {},
) {
  const options = { type: "OPT", name: ".", udpPayloadSize: edns, flags: 0, options: [] };
  const bytes = packet.encode({
    type: "query",
    id,
    flags: 0x0100,
    questions: [{ name, type, class: kind }],
    additionals: edns === null ? [] : [options],
  } as never);
  const answer = answerQuery(new Uint8Array(bytes), ZONE, way);
  assert(answer !== null);
  return { bytes: answer, ...decode(answer) };
}

interface Decoded {
  readonly id: number;
  readonly rcode: string;
  readonly flag_aa: boolean;
  readonly flag_tc: boolean;
  readonly flag_rd: boolean;
  readonly flag_ra: boolean;
  readonly questions: { name: string }[];
  readonly answers: { name: string; type: string; ttl: number; data: unknown }[];
  readonly authorities: { name: string; type: string; ttl: number; data: { minimum: number } }[];
  readonly additionals: { name: string; type: string; data: unknown; extendedRcode?: number }[];
}

function decode(bytes: Uint8Array): Decoded {
  return packet.decode(Buffer.from(bytes)) as unknown as Decoded;
}

const data = ({ answers }: Decoded) => answers.map((one) => String(one.data)).sort();

Deno.test("DNS server: the addresses of all gateways, for the apex and all names below it", () => {
  const apex = ask("example.net");
  assert.deepEqual([apex.rcode, apex.flag_aa, apex.flag_ra, apex.flag_rd], [
    "NOERROR",
    true,
    false,
    true,
  ]);
  assert.deepEqual(data(apex), ["192.0.2.1", "192.0.2.2"]);
  assert.deepEqual(data(ask("shop.example.net")), ["192.0.2.1", "192.0.2.2"]);
  assert.deepEqual(data(ask("shop.example.net", { type: "AAAA" })), ["2001:db8::1"]);
  assert.deepEqual(data(ask("ns1.example.net")), ["192.0.2.1"]);
  // Names beside one that is there are the wildcard's, names below it are none (RFC 4592).
  assert.deepEqual(data(ask("a.b.example.net")), ["192.0.2.1", "192.0.2.2"]);
  assert.equal(ask("a.ns1.example.net").rcode, "NXDOMAIN");
  const orders = [0, 1].map((id) => ask("example.net", { id }).answers[0]!.data);
  assert.notEqual(orders[0], orders[1]);
});

Deno.test("DNS server: what a question was asked for stays as it was spelled", () => {
  const { questions, answers } = ask("sHoP.ExAmPle.NET");
  assert.equal(questions[0]!.name, "sHoP.ExAmPle.NET");
  assert.equal(answers[0]!.name, "sHoP.ExAmPle.NET");
});

Deno.test("DNS server: servers with their addresses, the zone's start, challenges", () => {
  const servers = ask("example.net", { type: "NS" });
  assert.deepEqual(data(servers), ["ns.elsewhere.test", "ns1.example.net"]);
  assert.deepEqual(servers.additionals.map(({ name, data }) => `${name} ${data}`), [
    "ns1.example.net 192.0.2.1",
    ". undefined",
  ]);
  const start = ask("example.net", { type: "SOA" });
  assert.equal(start.answers[0]!.type, "SOA");
  assert.deepEqual(data(ask("_acme-challenge.example.net", { type: "TXT" })), ["one", "two"]);
  assert.deepEqual(data(ask("abc._acme-challenge.example.net", { type: "TXT" })), ["three"]);
});

Deno.test("DNS server: no such record, no such name, a foreign name", () => {
  for (const [name, type] of [["example.net", "MX"], ["shop.example.net", "TXT"]] as const) {
    const { rcode, answers, authorities, flag_aa } = ask(name, { type });
    assert.deepEqual([rcode, answers.length, flag_aa], ["NOERROR", 0, true]);
    assert.equal(authorities[0]!.type, "SOA");
    assert.equal(authorities[0]!.name, "example.net");
    assert.equal(authorities[0]!.ttl, authorities[0]!.data.minimum);
  }
  const none = ask("no._acme-challenge.example.net", { type: "TXT" });
  assert.deepEqual([none.rcode, none.authorities.length], ["NXDOMAIN", 1]);
  for (const name of ["example.org", "notexample.net", "net", ""]) {
    const { rcode, flag_aa, authorities } = ask(name);
    assert.deepEqual([rcode, flag_aa, authorities.length], ["REFUSED", false, 0], name);
  }
  assert.equal(ask("example.net", { type: "AXFR" }).rcode, "REFUSED");
  assert.equal(ask("example.net", { class: "CH" }).rcode, "REFUSED");
});

Deno.test("DNS server: a question for all records gets one", () => {
  const { answers, rcode } = ask("example.net", { type: "ANY" });
  assert.deepEqual([rcode, answers.map(({ type }) => type)], ["NOERROR", ["HINFO"]]);
  assert.equal(ask("no._acme-challenge.example.net", { type: "ANY" }).rcode, "NXDOMAIN");
});

/** 32 gateways, of which 32 addresses do not fit into 512 bytes. */
const MANY = gatewayZone({
  zone: "example.net",
  isApex: true,
  day: 1,
  members: Array.from({ length: 100 }, (_, i) => ({ visitors: [`192.0.2.${i}`], server: null })),
  challenges: Array.from({ length: 100 }, (_, i) => {
    return { label: "_acme-challenge", text: `${i}`.padStart(255, "x") };
  }),
});

Deno.test("DNS server: what is too long over UDP comes over TCP, also of as much as there may be", () => {
  const query = (type: string, size: number | null) =>
    new Uint8Array(packet.encode({
      type: "query",
      questions: [{ name: "_acme-challenge.example.net", type }],
      additionals: size === null ? [] : [{
        ...{ type: "OPT", name: ".", flags: 0, options: [] },
        udpPayloadSize: size,
      }],
    } as never));
  for (const [size, most] of [[null, 512], [100, 512], [700, 700], [1232, 1232], [65_535, 1232]]) {
    for (const type of ["TXT", "A"]) {
      const asked = query(type, size!);
      const bytes = answerQuery(asked, MANY, "udp")!;
      const { flag_tc, answers } = decode(bytes);
      assert(bytes.length <= most!);
      if (type === "TXT") assert.deepEqual([flag_tc, answers.length], [true, 0]);
      const whole = decode(answerQuery(asked, MANY, "tcp")!);
      assert.deepEqual([whole.flag_tc, whole.answers.length], [false, type === "TXT" ? 8 : 0]);
    }
  }
});

/** A question for example.net A, as it is on the wire. */
const PLAIN = "076578616d706c65036e65740000010001";

Deno.test("DNS server: what is no question, or one that is not for it", () => {
  const answer = (hex: string) => {
    const bytes = answerQuery(fromHex(hex), ZONE, "udp");
    return bytes === null ? null : toHex(bytes);
  };
  assert.equal(answer("1234"), null);
  assert.equal(answer(`123481000001000000000000${PLAIN}`), null, "an answer");
  assert.equal(answer(`123401000002000000000000${PLAIN}${PLAIN}`), "123481010000000000000000");
  assert.equal(answer(`123401000001000100000000${PLAIN}`), "123481010000000000000000");
  assert.equal(answer(`123421000001000000000000${PLAIN}`), "1234a1040000000000000000", "NOTIFY");
  assert.equal(answer(`123401000001000000000000${PLAIN}00`), "123481010000000000000000", "more");
  assert.equal(answer(`123401000001000000000000c00c00010001`), "123481010000000000000000");
  assert.equal(answer(`123401000001000000000000` + PLAIN.slice(0, -4)), "123481010000000000000000");
  const options = "00002904d0000000000000";
  const twice = `123401000001000000000002${PLAIN}${options}${options}`;
  assert.equal(answer(twice), "123481010000000000000000");
  const later = decode(
    answerQuery(fromHex(`123401000001000000000001${PLAIN}00002904d0000100000000`), ZONE, "udp")!,
  );
  assert.equal(later.additionals[0]!.extendedRcode, 1, "BADVERS");
  // DO is repeated (RFC 3225), other bits are not.
  const secure = answer(`123401000001000000000001${PLAIN}00002904d00000ffff0000`)!;
  assert.match(secure, /00002904d0000080000000$/);
});

Deno.test("DNS server: garbage gets an answer that can be read, or none", () => {
  const query = new Uint8Array(packet.encode({
    type: "query",
    questions: [{ name: "shop.example.net", type: "A" }],
    additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] }],
  } as never));
  const changed = fc.array(fc.tuple(fc.nat(query.length - 1), fc.nat(255)), { maxLength: 4 })
    .map((changes) => {
      const bytes = query.slice();
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const messages = fc.oneof(fc.uint8Array({ maxLength: 600 }), changed);
  fc.assert(
    fc.property(messages, (bytes) => {
      for (const way of ["udp", "tcp"] as const) {
        const answer = answerQuery(bytes, ZONE, way);
        if (answer === null) continue;
        assert(answer.length <= 1232);
        const { id, answers } = decode(answer);
        assert.equal(id, (bytes[0]! << 8) | bytes[1]!);
        assert(answers.length <= 8);
      }
      for (const answer of [truncatedAnswer(bytes), failedAnswer(bytes)]) {
        if (answer !== null) assert(answer.length <= bytes.length + 11);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("DNS server: every question that breaks off is answered shortly, or not", () => {
  const whole = fromHex(`123401000001000000000001${PLAIN}00002904d0000000000000`);
  for (let size = 0; size < whole.length; size++) {
    const answer = answerQuery(whole.subarray(0, size), ZONE, "udp");
    assert.equal(
      answer === null ? null : toHex(answer),
      size < 12 ? null : "123481010000000000000000",
    );
  }
  assert.equal(decode(answerQuery(whole, ZONE, "udp")!).answers.length, 2);
});
