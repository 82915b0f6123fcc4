import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { concat, fromHex } from "../../../base/bytes.ts";
import { CIPHER_NAMES, type CipherName } from "../../../contract/cipher.ts";
import { Reader, varint } from "../../../base/varint.ts";
import {
  type ClientSetup,
  packClientKeyMessage,
  packClientSetup,
  packServerKeyMessage,
  packServerSetup,
  readClientKeyMessage,
  readClientSetup,
  readServerKeyMessage,
  readServerSetup,
} from "./setup.ts";
import { packTlv, Tlv } from "./tlv.ts";

fc.configureGlobal({ seed: 2 });

const protocol = { name: "TtunError", kind: "protocol" };
const rng = seededRng(1);
const offer = { capabilities: 1, windows: [1, 64, 16384] as const, deadTime: 15 };
const resume = { expected: 7, proof: rng(16) };
const first: ClientSetup = { ...offer, instance: rng(16), session: rng(16), carrier: 1 };
const later: ClientSetup = { ...first, carrier: 2, resume };
const identity = {
  id: rng(16),
  name: "laptop",
  wishes: [{ family: 4, bytes: rng(4).fill(10, 0, 1), prefix: 24 }],
} as const;
const key = rng(32);
const ciphers: CipherName[] = ["aes-256-gcm", "chacha20-poly1305"];

const COSTS = { "aes-256-gcm": 4000, "chacha20-poly1305": 11_000 };

type Message = {
  bytes: Uint8Array;
  read: (bytes: Uint8Array) => unknown;
  /** Bytes before the TLVs. */
  lead: number;
  padded: boolean;
  /** Types that must be there, and those that may. */
  required: number[];
  optional: number[];
};

const MESSAGES: Record<string, Message> = {
  "the server's key message": {
    bytes: packServerKeyMessage({ publicKey: key, ciphers, ...offer }),
    read: readServerKeyMessage,
    lead: 32,
    padded: true,
    required: [1, 2, 3, 4],
    optional: [],
  },
  "the client's key message": {
    bytes: packClientKeyMessage({ publicKey: key, cipher: "aes-256-gcm" }),
    read: readClientKeyMessage,
    lead: 32,
    padded: true,
    required: [2],
    optional: [],
  },
  "the client's setup": {
    bytes: packClientSetup(first),
    read: readClientSetup,
    lead: 0,
    padded: false,
    required: [1, 3, 4, 5, 6, 7],
    optional: [],
  },
  "the client's setup on a resume": {
    bytes: packClientSetup(later),
    read: readClientSetup,
    lead: 0,
    padded: false,
    required: [1, 3, 4, 5, 6, 7, 8, 9],
    optional: [],
  },
  "the setup of a client that says who it is": {
    bytes: packClientSetup({ ...later, identity }),
    read: readClientSetup,
    lead: 0,
    padded: false,
    required: [1, 3, 4, 5, 6, 7, 8, 9],
    optional: [0x80],
  },
  "the server's setup": {
    bytes: packServerSetup({ addresses: rng(6), resume, routes: rng(6), nameServers: rng(5) }),
    read: readServerSetup,
    lead: 0,
    padded: false,
    required: [8, 9], // one without the other is nothing
    optional: [10, 0x82, 0x83],
  },
};

function tlvsOf({ bytes, lead }: Message): [number, Uint8Array][] {
  const reader = new Reader(bytes, lead);
  const found: [number, Uint8Array][] = [];
  while (!reader.isAtEnd) found.push([reader.u8(), reader.take(reader.varint())]);
  return found;
}

function withTlvs(m: Message, tlvs: [number, Uint8Array][]): Uint8Array {
  return concat(m.bytes.subarray(0, m.lead), ...tlvs.map(([type, value]) => packTlv(type, value)));
}

for (const [name, m] of Object.entries(MESSAGES)) {
  const tlvs = tlvsOf(m);

  Deno.test(`${name} has the TLVs it should, and is read in any order of them`, () => {
    assert.deepEqual(tlvs.map(([type]) => type).sort((a, b) => a - b), [
      ...m.required,
      ...m.optional,
    ]);
    const whole = m.read(m.bytes);
    fc.assert(fc.property(fc.shuffledSubarray(tlvs, { minLength: tlvs.length }), (shuffled) => {
      assert.deepEqual(m.read(withTlvs(m, shuffled)), whole);
    }));
  });

  Deno.test(`${name}: a TLV missing, doubled, of another message or cut is refused`, () => {
    for (const type of m.required) {
      const without = withTlvs(m, tlvs.filter(([other]) => other !== type));
      assert.throws(() => m.read(without), protocol, `without ${type}`);
    }
    for (const tlv of tlvs) {
      assert.throws(() => m.read(withTlvs(m, [...tlvs, tlv])), protocol, `${tlv[0]} doubled`);
    }
    for (let type = 1; type < 0x80; type++) {
      if ([...m.required, ...m.optional].includes(type)) continue;
      if (name === "the client's setup" && (type === 8 || type === 9)) continue; // below
      const strange: [number, Uint8Array] = [type, new Uint8Array(16)];
      assert.throws(() => m.read(withTlvs(m, [...tlvs, strange])), protocol, `with ${type}`);
    }
    const borders = new Set<number>();
    for (let i = 0; i < tlvs.length; i++) borders.add(withTlvs(m, tlvs.slice(0, i)).length);
    for (let size = 0; size < m.bytes.length; size++) {
      if (borders.has(size) && name === "the server's setup") continue; // all may be left out
      if (size === Math.max(...borders) && m.optional.includes(Tlv.identity)) continue; // as this
      assert.throws(() => m.read(m.bytes.subarray(0, size)), protocol, `${size} bytes`);
    }
  });

  Deno.test(`${name}: what is not known from 80 on is skipped, padding where it may stand`, () => {
    const whole = m.read(m.bytes);
    const strange: [number, Uint8Array][] = [[0x85, new Uint8Array(3)], [0xff, new Uint8Array()]];
    assert.deepEqual(m.read(withTlvs(m, [...strange, ...tlvs, ...strange])), whole);
    const padded = concat(m.bytes, new Uint8Array(1024));
    if (m.padded) assert.deepEqual(m.read(padded), whole);
    else assert.throws(() => m.read(padded), protocol);
  });

  Deno.test(`${name}: a value that is longer or shorter than it should be is refused`, () => {
    for (const [at, [type, value]] of tlvs.entries()) {
      const longer = concat(value, new Uint8Array(1));
      for (const wrong of [new Uint8Array(), value.subarray(0, value.length - 1), longer]) {
        if (type === Tlv.addresses || type >= Tlv.routes) continue; // any bytes: whoever uses them reads them
        if (type === Tlv.ciphers && m.required.length > 1) continue; // any number of them
        const changed = withTlvs(m, tlvs.with(at, [type, wrong]));
        assert.throws(() => m.read(changed), protocol, `${type} with ${wrong.length} bytes`);
      }
    }
  });

  Deno.test(`${name} keeps nothing of the bytes it was read from`, () => {
    const bytes = m.bytes.slice();
    const found = m.read(bytes);
    bytes.fill(0xee);
    assert.deepEqual(found, m.read(m.bytes));
  });
}

Deno.test("what was packed is read again", () => {
  const number = fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1), fc.maxSafeNat());
  const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const anyOffer = fc.record({
    capabilities: number,
    windows: fc.tuple(number, number, number),
    deadTime: number.map((n) => Math.max(n, 3)),
  });
  const anyResume = fc.record({ expected: number, proof: id }, { noNullPrototype: true });
  fc.assert(fc.property(anyOffer, id, id, number, anyResume, (o, instance, session, n, resume) => {
    const fresh: ClientSetup = { ...o, instance, session, carrier: 1 };
    assert.deepEqual(readClientSetup(packClientSetup(fresh)), fresh);
    const again: ClientSetup = { ...fresh, carrier: Math.max(n, 2), resume };
    assert.deepEqual(readClientSetup(packClientSetup(again)), again);
    const addresses = instance;
    const pushed = { routes: session, nameServers: instance };
    const answers = [{}, { resume }, { addresses }, pushed, { resume, addresses, ...pushed }];
    for (const answer of answers) {
      assert.deepEqual(readServerSetup(packServerSetup(answer)), answer);
    }
    const message = { publicKey: key, ciphers, ...o };
    assert.deepEqual(readServerKeyMessage(packServerKeyMessage(message)), message);
    const costs = { "aes-256-gcm": o.windows[0], "chacha20-poly1305": o.windows[1] };
    const open = { ...message, costs };
    assert.deepEqual(readServerKeyMessage(packServerKeyMessage(open)), open);
  }));
});

Deno.test("a carrier number and a proof fit together: 1 has none, all others have one, 0 is no number", () => {
  const packed = (carrier: number, more: object) => packClientSetup({ ...first, carrier, ...more });
  for (const [carrier, more] of [[0, {}], [0, { resume }], [1, { resume }], [2, {}]] as const) {
    assert.throws(() => readClientSetup(packed(carrier, more)), protocol, `carrier ${carrier}`);
  }
  for (const half of [packTlv(8, varint(7)), packTlv(9, rng(16))]) {
    for (const carrier of [1, 2]) {
      assert.throws(() => readClientSetup(concat(packed(carrier, {}), half)), protocol);
    }
    assert.throws(() => readServerSetup(half), protocol);
  }
});

Deno.test("a dead time below 3 s is refused, from either end", () => {
  for (const deadTime of [0, 1, 2, 3]) {
    const client = packClientSetup({ ...first, deadTime });
    const server = packServerKeyMessage({ publicKey: key, ciphers, ...offer, deadTime });
    if (deadTime === 3) {
      assert.equal(readClientSetup(client).deadTime, 3);
      assert.equal(readServerKeyMessage(server).deadTime, 3);
    } else {
      assert.throws(() => readClientSetup(client), protocol);
      assert.throws(() => readServerKeyMessage(server), protocol);
    }
  }
});

Deno.test("ciphers that are not known are passed over in a list, and refused where one is taken", () => {
  const listed = (...numbers: number[]) => {
    const m = MESSAGES["the server's key message"]!;
    const tlvs = tlvsOf(m).map(([type, value]): [number, Uint8Array] =>
      type === Tlv.ciphers ? [type, new Uint8Array(numbers)] : [type, value]
    );
    return readServerKeyMessage(withTlvs(m, tlvs)).ciphers;
  };
  assert.deepEqual(listed(1, 2), CIPHER_NAMES);
  assert.deepEqual(listed(9, 2, 0, 255, 1), ["aes-256-gcm", "chacha20-poly1305"]);
  assert.deepEqual(listed(), []);
  assert.deepEqual(listed(3, 4, 0), []);
  for (const number of [0, 3, 255]) {
    const taken = concat(key, packTlv(Tlv.ciphers, new Uint8Array([number])));
    assert.throws(() => readClientKeyMessage(taken), protocol, `cipher ${number}`);
  }
});

Deno.test("costs are those of the ciphers beside them, in their order, one for each", () => {
  const bytes = packServerKeyMessage({ publicKey: key, ciphers, costs: COSTS, ...offer });
  const m = { ...MESSAGES["the server's key message"]!, bytes };
  const tlvs = tlvsOf(m);
  // TLV 81: 4000 and 11000 as QUIC varints.
  assert.deepEqual(tlvs.find(([type]) => type === 0x81)![1], fromHex("4fa06af8"));
  const read = (numbers: number[], costs: number[]) =>
    readServerKeyMessage(withTlvs(
      m,
      tlvs.map(([type, value]): [number, Uint8Array] => {
        if (type === Tlv.ciphers) return [type, new Uint8Array(numbers)];
        return type === 0x81 ? [type, concat(...costs.map(varint))] : [type, value];
      }),
    )).costs;
  assert.deepEqual(read([9, 1], [7, 8]), { "chacha20-poly1305": 8 }); // 9 is not known here
  for (const costs of [[], [1], [1, 2, 3]]) {
    assert.throws(() => read([1, 2], costs), protocol, `${costs.length} costs`);
  }
});
