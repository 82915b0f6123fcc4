import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { parseDynamicForward, parseLocalForward, parseRemoteForward } from "../forward/parse.ts";
import {
  packFailure,
  packReport,
  packRequest,
  parseAnswer,
  parseRequest,
  type WrittenRequest,
} from "./messages.ts";
import { STATUS_VERSION, type StatusReport } from "./report.ts";

const REPORT: StatusReport = {
  version: STATUS_VERSION,
  name: "office",
  command: "client",
  pid: 4711,
  seconds: 1.5,
  server: "192.0.2.1:20203",
  connections: { open: 1, served: 2 },
};

function line(bytes: Uint8Array): Uint8Array {
  assert.equal(bytes.indexOf(0x0a), bytes.length - 1);
  return bytes.subarray(0, -1);
}

function refuses(kind: string, words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof TtunError && error.kind === kind && words.test(error.message);
}

Deno.test("a request and a report are one line each, and are read as they were written", () => {
  const plain = { request: "status", streams: false } as const;
  assert.deepEqual(parseRequest(line(packRequest({ request: "status" }))), plain);
  const whole = { request: "status", streams: true } as const;
  assert.deepEqual(parseRequest(line(packRequest(whole))), whole);
  assert.deepEqual(parseAnswer(line(packReport(REPORT))), REPORT);
  assert.deepEqual(parseAnswer(packReport(REPORT)), REPORT);
});

Deno.test("a request of another version, or for something else, is refused with words", () => {
  const cases = [
    ["", /not one line/],
    ["[]", /not one line/],
    ["null", /not one line/],
    ["{}", /version/],
    ['{"version":2,"request":"status"}', /version/],
    ['{"version":1}', /no such request/],
    ['{"version":1,"request":"toString"}', /no such request/],
  ] as const;
  for (const [text, words] of cases) {
    assert.throws(() => parseRequest(utf8(text)), refuses("usage", words), text);
  }
});

Deno.test("an answer that is none is told from one that refuses", () => {
  const refusal = packFailure(new TtunError("usage", "Cannot answer the request: because"));
  assert.throws(
    () => parseAnswer(refusal),
    refuses("usage", /^Cannot answer the request: because$/),
  );
  for (const text of ["x", "{}", '{"version":2}', '{"version":1}', '{"version":1,"name":"a"}']) {
    assert.throws(() => parseAnswer(utf8(text)), refuses("protocol", /answer/), text);
  }
});

Deno.test("whatever comes is read or refused", () => {
  const bytes = fc.oneof(fc.uint8Array(), fc.json().map(utf8));
  fc.assert(fc.property(bytes, (given) => {
    for (const parse of [parseRequest, parseAnswer]) {
      try {
        parse(given);
      } catch (error) {
        assert(error instanceof TtunError && !(error instanceof ProtocolError), String(error));
      }
    }
  }));
});

Deno.test("requests for forwards have ssh's grammar, and its words when they are wrong", () => {
  const read = (request: WrittenRequest) => parseRequest(line(packRequest(request)));
  assert.deepEqual(read({ request: "add forward", option: "-L", forward: "8080:db:5432" }), {
    request: "add forward",
    spec: parseLocalForward("8080:db:5432"),
  });
  assert.deepEqual(read({ request: "add forward", option: "-D", forward: "[::1]:1080" }), {
    request: "add forward",
    spec: parseDynamicForward("[::1]:1080"),
  });
  assert.deepEqual(read({ request: "add forward", option: "-R", forward: "9000:db:5432/udp" }), {
    request: "add forward",
    spec: parseRemoteForward("9000:db:5432/udp"),
  });
  assert.deepEqual(read({ request: "remove remote forward", listen: "9000/udp" }), {
    request: "remove remote forward",
    listen: { host: null, port: 9000 },
    protocol: "udp",
  });
  assert.deepEqual(read({ request: "remove forward", listen: "*:8080" }), {
    request: "remove forward",
    listen: { host: "", port: 8080 },
    protocol: "tcp",
  });
  assert.deepEqual(read({ request: "remove forward", listen: "53/udp" }), {
    request: "remove forward",
    listen: { host: null, port: 53 },
    protocol: "udp",
  });
  const wrong = { request: "add forward", option: "-L", forward: "8080" } as const;
  assert.throws(() => read(wrong), refuses("usage", /-L/));
  const others = ['"add forward","option":"-W","forward":"b:2"', '"add forward","option":"-L"']
    .concat('"remove forward"', '"remove forward","listen":8080');
  for (const text of others) {
    const request = utf8(`{"version":1,"request":${text}}`);
    assert.throws(() => parseRequest(request), refuses("usage", /no such request/), text);
  }
});
