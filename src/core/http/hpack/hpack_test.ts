import assert from "node:assert/strict";
import { fromHex, toHex } from "../../../base/bytes.ts";
import type { Field } from "../fields.ts";
import { HpackDecoder } from "./decoder.ts";
import { HpackEncoder } from "./encoder.ts";
import { decodeHuffman, encodeHuffman, huffmanLength } from "./huffman.ts";

const LIMITS = { bytes: 65_536, fields: 256 };
const bytes = (hex: string) => fromHex(hex.replace(/\s/g, ""));
const pairs = (fields: readonly Field[]) => fields.map(({ name, value }) => `${name}: ${value}`);
const fieldsOf = (lines: readonly string[]): Field[] =>
  lines.map((line) => {
    const colon = line.indexOf(": ", 1);
    return { name: line.slice(0, colon), value: line.slice(colon + 2) };
  });

/** A block, its list, and the table's size behind it. */
type Step = readonly [hex: string, list: readonly string[], size: number];

const REQUESTS = [
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
  [
    ":method: GET",
    ":scheme: http",
    ":path: /",
    ":authority: www.example.com",
    "cache-control: no-cache",
  ],
  [
    ":method: GET",
    ":scheme: https",
    ":path: /index.html",
    ":authority: www.example.com",
    "custom-key: custom-value",
  ],
] as const;
const DATE = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const PLACE = "location: https://www.example.com";
const RESPONSES = [
  [":status: 302", "cache-control: private", DATE, PLACE],
  [":status: 307", "cache-control: private", DATE, PLACE],
  [
    ":status: 200",
    "cache-control: private",
    DATE.replace(":21 GMT", ":22 GMT"),
    PLACE,
    "content-encoding: gzip",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
] as const;

/** RFC 7541 Appendix C: the same lists without and with Huffman's code, and with evictions. */
const SERIES: Record<string, { limit: number; steps: readonly Step[]; isHuffman: boolean }> = {
  "C.3": {
    limit: 4096,
    isHuffman: false,
    steps: [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0], 57],
      ["8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1], 110],
      [
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        REQUESTS[2],
        164,
      ],
    ],
  },
  "C.4": {
    limit: 4096,
    isHuffman: true,
    steps: [
      ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0], 57],
      ["8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1], 110],
      ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2], 164],
    ],
  },
  "C.5": {
    limit: 256,
    isHuffman: false,
    steps: [
      [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133" +
        "2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        RESPONSES[0],
        222,
      ],
      ["4803 3330 37c1 c0bf", RESPONSES[1], 222],
      [
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d" +
        "54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049" +
        "5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        RESPONSES[2],
        215,
      ],
    ],
  },
  "C.6": {
    limit: 256,
    isHuffman: true,
    steps: [
      [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6" +
        "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        RESPONSES[0],
        222,
      ],
      ["4883 640e ffc1 c0bf", RESPONSES[1], 222],
      [
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab" +
        "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f" +
        "9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        RESPONSES[2],
        215,
      ],
    ],
  },
};

for (const [section, { limit, steps, isHuffman }] of Object.entries(SERIES)) {
  Deno.test(`known answers of RFC 7541 Appendix ${section}`, () => {
    const decoder = new HpackDecoder(limit);
    const encoder = new HpackEncoder(limit, () => false);
    for (const [hex, list, size] of steps) {
      const { fields, isTooLarge } = decoder.decode(bytes(hex), LIMITS);
      assert.deepEqual(pairs(fields), list);
      assert.ok(!isTooLarge && fields.every(({ isValid }) => isValid));
      assert.equal(decoder.table.size, size);
      if (!isHuffman) continue; // ours takes no other code
      assert.equal(toHex(encoder.encode(fieldsOf(list))), toHex(bytes(hex)));
      assert.equal(encoder.table.size, size);
    }
  });
}

Deno.test("known answers of RFC 7541 Appendix C.1 and C.2", () => {
  const read = (hex: string) => {
    const decoder = new HpackDecoder(4096);
    return [pairs(decoder.decode(bytes(hex), LIMITS).fields), decoder.table.length];
  };
  assert.deepEqual(read("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"), [
    ["custom-key: custom-header"],
    1,
  ]);
  assert.deepEqual(read("040c 2f73 616d 706c 652f 7061 7468"), [[":path: /sample/path"], 0]);
  assert.deepEqual(read("1008 7061 7373 776f 7264 0673 6563 7265 74"), [["password: secret"], 0]);
  assert.deepEqual(read("82"), [[":method: GET"], 0]);
  // C.1.2: 1337 with a prefix of five bits, here as a table's size.
  const decoder = new HpackDecoder(4096);
  decoder.decode(bytes("3f9a0a"), LIMITS);
  assert.equal(decoder.table.limit, 1337);
});

Deno.test("every string comes back from Huffman's code, and its padding is checked", () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  for (const text of ["", "a", "www.example.com", all, all + all]) {
    const into = new Uint8Array(2000);
    const length = encodeHuffman(text, into, 0);
    assert.equal(length, huffmanLength(text));
    const back = new Uint8Array(2000);
    const size = decodeHuffman(into, 0, length, back);
    assert.equal(String.fromCharCode(...back.subarray(0, size)), text);
  }
  for (
    const hex of [
      "ff",
      "1fff",
      "1fffff",
      "1fffffff",
      "ff9fffffff",
      "52bc30ffffffff",
      "fffffffffc",
      "00",
    ]
  ) {
    assert.throws(() => decodeHuffman(fromHex(hex), 0, hex.length / 2, new Uint8Array(20)), {
      kind: "protocol",
    });
  }
});

Deno.test("a block that cannot be read is an error, whichever way it is broken", () => {
  for (
    const [what, hex] of [
      ["index 0", "80"],
      ["an index above the tables", "be"],
      ["an integer without an end", "ffffffffffffffffff7f"],
      ["an integer cut short", "ff"],
      ["a string cut short", "400a63"],
      ["a name alone", "40016a"],
      ["a table above the limit", "3fe23f"],
      ["a size within the block", "8220"],
    ] as const
  ) {
    assert.throws(
      () => new HpackDecoder(4096).decode(bytes(hex), LIMITS),
      { kind: "protocol" },
      what,
    );
  }
});

Deno.test("a list that is too large is read to its end, as later ones refer to it, but not kept", () => {
  const decoder = new HpackDecoder(4096);
  const encoder = new HpackEncoder();
  const big = fieldsOf(["x-big: " + "y".repeat(1000)]);
  decoder.decode(encoder.encode(big), LIMITS);
  const bomb = new Uint8Array(60_000).fill(0xbe); // the newest entry, again and again
  const { fields, isTooLarge } = decoder.decode(bomb, LIMITS);
  assert.ok(isTooLarge && fields.length < 64);
  assert.equal(decoder.decode(encoder.encode(big), LIMITS).fields[0]!.value.length, 1000);
  const many = decoder.decode(new Uint8Array(300).fill(0x82), LIMITS);
  assert.ok(many.isTooLarge && many.fields.length <= LIMITS.fields + 1);
});

Deno.test("names in capitals, and values with control characters or outer spaces, are marked", () => {
  const decoder = new HpackDecoder(4096);
  for (
    const [name, value] of [
      ["X", "a"],
      ["a b", "c"],
      ["a", "b\r\nc: d"],
      ["a", " b"],
      ["a", "b\t"],
      ["", "x"],
      ["a", "\0"],
      ["::a", "b"],
    ] as const
  ) {
    const block = new HpackEncoder().encode([{ name, value }]);
    const { fields } = decoder.decode(block, LIMITS);
    assert.deepEqual([fields[0]!.isValid, fields[0]!.name, fields[0]!.value], [false, name, value]);
    assert.equal(
      decoder.decode(Uint8Array.of(0xbe), LIMITS).fields[0]!.isValid,
      false,
      "in the table too",
    );
  }
});

Deno.test("an encoder obeys the limit that it is given, and tells it at the next block", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const list = fieldsOf(["a: b", "c: d"]);
  const round = () => pairs(decoder.decode(encoder.encode(list), LIMITS).fields);
  assert.deepEqual(round(), pairs(list));
  encoder.setLimit(0);
  encoder.setLimit(100);
  assert.deepEqual(toHex(encoder.encode([])), "203f45");
  decoder.decode(bytes("203f45"), LIMITS);
  assert.equal(decoder.table.length, 0);
  for (let round_ = 0; round_ < 5; round_++) assert.deepEqual(round(), pairs(list));
  encoder.setLimit(0);
  assert.deepEqual(round(), pairs(list));
  assert.equal(decoder.table.limit, 0);
});
