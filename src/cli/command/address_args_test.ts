import assert from "node:assert/strict";
import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type AddressForm, readAddress } from "./address_args.ts";

const SERVER: AddressForm = { port: 20203 };
const LISTEN: AddressForm = { host: "", port: 20203 };
const LOCAL: AddressForm = { host: "127.0.0.1", port: 1080 };

function refusal(text: string, form: AddressForm): string {
  try {
    readAddress(text, form);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail(`${text} was not refused`);
}

Deno.test("a server's address may be without its port", () => {
  const cases = [
    ["127.0.0.1", "127.0.0.1:20203"],
    ["127.0.0.1:7", "127.0.0.1:7"],
    ["example.net", "example.net:20203"],
    ["example.net:65535", "example.net:65535"],
    ["::1", "[::1]:20203"],
    ["[::1]", "[::1]:20203"],
    ["[fd00::2]:7", "[fd00::2]:7"],
    ["::ffff:10.0.0.1", "[::ffff:10.0.0.1]:20203"],
  ];
  for (const [text, wanted] of cases) assert.equal(formatAddr(readAddress(text!, SERVER)), wanted);
});

Deno.test("who listens may leave out the host, the port, or either", () => {
  const cases: [string, string, string][] = [
    ["7", ":7", "127.0.0.1:7"],
    [":7", ":7", "127.0.0.1:7"],
    ["127.0.0.1", "127.0.0.1:20203", "127.0.0.1:1080"],
    ["0.0.0.0:7", "0.0.0.0:7", "0.0.0.0:7"],
    ["*:7", ":7", ":7"],
    ["*", ":20203", ":1080"],
    ["localhost", "localhost:20203", "localhost:1080"],
    ["::", "[::]:20203", "[::]:1080"],
    [":0", ":0", "127.0.0.1:0"],
  ];
  for (const [text, all, local] of cases) {
    assert.equal(formatAddr(readAddress(text, LISTEN)), all, text);
    assert.equal(formatAddr(readAddress(text, LOCAL)), local, text);
  }
});

Deno.test("what is no address is refused with what to write instead", () => {
  for (const form of [SERVER, LISTEN]) {
    assert.match(refusal("http://example.net", form), /leave http:\/\/ away/);
    assert.match(refusal("tcp://1.2.3.4:5", form), /leave tcp:\/\/ away/);
    assert.match(refusal("example.net/path", form), /slash/);
    assert.match(refusal("root@example.net", form), /before the @/);
    assert.match(refusal("example.net:", form), /port behind the colon is missing/);
    assert.match(refusal("[::1]:", form), /port behind the colon is missing/);
    assert.match(refusal("0.0.0.0:abc", form), /number from 1 to 65535/);
    assert.match(refusal("host:65536", form), /number from 1 to 65535/);
    assert.match(refusal("host:-1", form), /number from 1 to 65535/);
    for (const text of ["::1:20203", "2001:db8::1:20203", "fe80::1%lo:20203"]) {
      assert.match(refusal(text, form), /in brackets, as \[::1\]:20203/);
    }
    for (const text of ["", ":", "[]:1", "[1.2.3.4]:1", "[::1", "a]b:1"]) refusal(text, form);
  }
  assert.match(refusal("20203", SERVER), /host is missing/);
  assert.match(refusal(":20203", SERVER), /host is missing/);
  assert.match(refusal("99999", LISTEN), /number from 1 to 65535/);
  assert.match(refusal("host name:1", SERVER), /blank/);
});
