import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { makeLogger } from "../../base/log.ts";
import {
  type Fake,
  type FakeFile,
  FakeKeyEnvironment,
  OWN_UID,
} from "./key_environment_fixture.ts";
import { keySecrets, resolveKey } from "./key_source.ts";

async function find(
  fake: Fake,
  options: { key?: string; keyFile?: string } = {},
  hidden = true,
  handed?: string,
) {
  const logged: string[] = [];
  const host = new FakeKeyEnvironment(fake);
  const context = {
    signal: new AbortController().signal,
    log: makeLogger((record) => logged.push(`${record.level} ${record.message}`), () => 0),
    secretsHidden: hidden,
    ...(handed !== undefined && {
      background: {
        secrets: keySecrets({ key: utf8(handed), source: "prompt" }),
        ready: () => Promise.resolve(),
      },
    }),
  };
  const wanted = { key: options.key, keyFile: options.keyFile };
  try {
    const { key, source } = await resolveKey(wanted, context, host);
    return { key: new TextDecoder().decode(key), source, logged, host };
  } finally {
    assert.equal(host.openFiles, 0, "a file stayed open");
  }
}

async function refusal(fake: Fake, options: { key?: string; keyFile?: string } = {}) {
  try {
    await find(fake, options);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail("was not refused");
}

Deno.test("the sources are asked in their order", async () => {
  const fake: Fake = {
    env: { TTUN_KEY: "variable", TTUN_KEY_FILE: "/env", CREDENTIALS_DIRECTORY: "/cred" },
    files: {
      "/option": { content: "option" },
      "/env": { content: "named" },
      "/cred/ttun-key": { content: "credential" },
    },
    typed: "typed\r",
  };
  const take = async (options: { key?: string; keyFile?: string } = {}) => {
    const { key, source } = await find(fake, options);
    return [source, key];
  };
  assert.deepEqual(await take({ key: "argument", keyFile: "/option" }), ["-k", "argument"]);
  assert.deepEqual(await take({ keyFile: "/option" }), ["--key-file", "option"]);
  assert.deepEqual(await take(), ["TTUN_KEY_FILE", "named"]);
  delete fake.env!.TTUN_KEY_FILE;
  assert.deepEqual(await take(), ["TTUN_KEY", "variable"]);
  delete fake.env!.TTUN_KEY;
  assert.deepEqual(await take(), ["credential", "credential"]);
  fake.files!["/cred/ttun-own-key"] = { content: "own\n" };
  assert.deepEqual(await take(), ["credential", "own"]);
  fake.files!["/cred/ttun-own-key"] = { content: "\n" };
  assert.deepEqual(await take(), ["credential", "credential"]);
  delete fake.files!["/cred/ttun-key"];
  assert.deepEqual(await take(), ["prompt", "typed"]);
  delete fake.env!.CREDENTIALS_DIRECTORY;
  assert.deepEqual(await take(), ["prompt", "typed"]);
});

Deno.test("a key that was handed over comes before all others, of which none is read", async () => {
  const fake: Fake = { env: { TTUN_KEY_FILE: "/none" }, files: {} };
  const given = { key: "xxxxxx" }; // what is left of an argument that was hidden
  const { key, source, logged } = await find(fake, given, true, "typed before");
  assert.deepEqual([source, key, logged], ["prompt", "typed before", []]);
});

Deno.test("without any source the error names them", async () => {
  const message = await refusal({});
  for (const way of ["-k", "--key-file", "TTUN_KEY_FILE", "TTUN_KEY", "ttun-key"]) {
    assert.ok(message.includes(way), way);
  }
});

Deno.test("without any source the error names a file that is looked at", async () => {
  const places = [
    [{ HOME: "/home/ann" }, "~/.config/ttun/key"],
    [{ HOME: "/home/ann", XDG_CONFIG_HOME: "/x" }, '"$XDG_CONFIG_HOME"/ttun/key'],
    [{ HOME: "/home/ann", XDG_CONFIG_HOME: "x" }, "~/.config/ttun/key"],
    [{}, "/etc/ttun/key"],
  ] as const;
  for (const [env, place] of places) {
    const message = await refusal({ env });
    assert.ok(message.startsWith(`There is no key: ttun genkey > ${place} makes one`), message);
    assert.ok(message.includes(`(after mkdir -p ${place.replace(/\/key$/, "")})`), message);
  }
});

Deno.test("a signal ends the wait for a pipe that nobody writes to", async () => {
  const never = new Promise<never>(() => {});
  const cred = { CREDENTIALS_DIRECTORY: "/cred" };
  const cases: [Fake, string | undefined][] = [
    [{}, "/pipe"],
    [{}, "-"],
    [{ env: { TTUN_KEY_FILE: "/pipe" } }, undefined],
    [{ env: cred }, undefined],
    [{ env: { HOME: "/home/ann" } }, undefined],
  ];
  for (const [fake, keyFile] of cases) {
    const host = Object.assign(new FakeKeyEnvironment(fake), {
      open: () => never,
      stdin: { read: () => never },
    });
    const stop = new AbortController();
    const context = {
      signal: stop.signal,
      log: makeLogger(() => {}, () => 0),
      secretsHidden: true,
    };
    const found = resolveKey({ key: undefined, keyFile }, context, host);
    stop.abort(new Error("asked to stop"));
    await assert.rejects(found, /asked to stop/);
  }
});

Deno.test("a source that is there but not usable is an error, not skipped", async () => {
  const env = { TTUN_KEY: "variable" };
  assert.match(await refusal({ env }, { key: "" }), /-k is empty/);
  assert.match(await refusal({ env }, { keyFile: "/none" }), /"\/none": there is no such file/);
  assert.match(await refusal({ env }, { keyFile: "" }), /name of the key file is empty/);
  assert.match(await refusal({ env: { TTUN_KEY: "" } }), /TTUN_KEY is empty/);
  assert.match(await refusal({ env: { ...env, TTUN_KEY_FILE: "/none" } }), /no such file/);
  assert.match(await refusal({ typed: "\r" }), /prompt is empty/);
});

Deno.test("exactly one line end is dropped from a file", async () => {
  const cases = [
    ["key", "key"],
    ["key\n", "key"],
    ["key\r\n", "key"],
    ["key\n\n", "key\n"],
    ["key\r", "key"],
    ["key\r\n\r\n", "key\r\n"],
    [" key \n", " key "],
  ];
  for (const [content, wanted] of cases) {
    const files = { "/k": { content: content! } };
    assert.equal((await find({ files }, { keyFile: "/k" })).key, wanted);
  }
  assert.match(await refusal({ files: { "/k": { content: "\n" } } }, { keyFile: "/k" }), /empty/);
});

Deno.test("the key is the very bytes of the file", async () => {
  const host = new FakeKeyEnvironment({ files: { "/k": { content: "ké\ufeff\n" } } });
  const { key } = await resolveKey({ key: undefined, keyFile: "/k" }, {
    signal: new AbortController().signal,
    log: makeLogger(() => {}, () => 0),
    secretsHidden: true,
  }, host);
  assert.deepEqual([...key], [0x6b, 0xc3, 0xa9, 0xef, 0xbb, 0xbf]);
});

Deno.test("a byte order mark and a line end of Windows are no part of a key from any source", async () => {
  const content = "\ufeffkey\r\n";
  const files = { "/k": { content }, "/cred/ttun-key": { content } };
  const env = { CREDENTIALS_DIRECTORY: "/cred" };
  const found = await Promise.all([
    find({ files }, { keyFile: "/k" }),
    find({ files, env: { TTUN_KEY_FILE: "/k" } }),
    find({ stdin: content }, { keyFile: "-" }),
    find({ files, env }),
    find({ env: { TTUN_KEY: "\ufeffkey\r" } }), // as $(cat FILE) leaves it
    find({}, { key: "\ufeffkey\r" }),
    find({ typed: "\ufeffkey\r" }),
  ]);
  assert.deepEqual(found.map(({ key, source }) => [source, key]), [
    ["--key-file", "key"],
    ["TTUN_KEY_FILE", "key"],
    ["--key-file", "key"],
    ["credential", "key"],
    ["TTUN_KEY", "key"],
    ["-k", "key"],
    ["prompt", "key"],
  ]);
  assert.match(
    await refusal({ files: { "/k": { content: "\ufeff\r\n" } } }, { keyFile: "/k" }),
    /empty/,
  );
});

Deno.test("a key file in UTF-16 is refused by what it is", async () => {
  const utf16 = Uint8Array.from([..."\ufeffn0body\r\n"].flatMap((c) => {
    const code = c.charCodeAt(0);
    return [code & 0xff, code >> 8];
  }));
  for (const content of [utf16, utf16.subarray(2)]) {
    const message = await refusal({ files: { "/k": { content } } }, { keyFile: "/k" });
    assert.match(message, /^Cannot use key file "\/k": it is UTF-16 text.* save it as UTF-8$/);
  }
});

Deno.test("a dash as the file is standard input, or the prompt where that is a terminal", async () => {
  assert.equal((await find({ stdin: "piped\n" }, { keyFile: "-" })).key, "piped");
  const atTerminal = await find({ stdin: "no", typed: "typed\r" }, { keyFile: "-" });
  assert.deepEqual([atTerminal.source, atTerminal.key], ["--key-file", "typed"]);
});

Deno.test("a file that others may use is refused, with the command that mends it", async () => {
  for (const mode of [0o604, 0o640, 0o620, 0o660, 0o666, 0o601]) {
    const message = await refusal({ files: { "/k": { content: "secret", mode } } }, {
      keyFile: "/k",
    });
    assert.match(message, /run chmod 600 \/k$/);
    assert.doesNotMatch(message, /secret/);
  }
  for (const mode of [0o020666, 0o060660]) {
    const files = { "/dev/x": { content: "", mode } };
    const message = await refusal({ files }, { keyFile: "/dev/x" });
    assert.match(message, /it is a device, not a file; - is standard input$/);
  }
  const path = "/it's mine";
  const files = { [path]: { content: "secret", mode: 0o644 } };
  assert.match(await refusal({ files }, { keyFile: path }), /chmod 600 '\/it'\\''s mine'$/);
  for (const mode of [0o100600, 0o400, null]) {
    assert.equal(
      (await find({ files: { "/k": { content: "secret", mode } } }, { keyFile: "/k" })).key,
      "secret",
    );
  }
});

Deno.test("a credential may be open to its group, but not to others", async () => {
  const env = { CREDENTIALS_DIRECTORY: "/cred" };
  const at = (mode: number) => ({
    env,
    files: { "/cred/ttun-key": { content: "secret", mode } },
  });
  assert.equal((await find(at(0o440))).key, "secret");
  assert.match(await refusal(at(0o444)), /chmod 400 \/cred\/ttun-key/);
});

Deno.test("a directory, a file over 64 KiB and bytes that are no text are refused", async () => {
  const file = (f: FakeFile) => refusal({ files: { "/k": f } }, { keyFile: "/k" });
  assert.match(await file({ content: "", isDirectory: true }), /is a directory/);
  assert.match(await file({ content: "x".repeat(65537) }), /over 64 KiB/);
  assert.match(await file({ content: Uint8Array.of(0x61, 0xff) }), /not UTF-8/);
  assert.match(await refusal({}, { key: "a\ufffd" }), /not UTF-8/);
  const largest = "x".repeat(65536);
  const found = await find({ files: { "/k": { content: largest } } }, { keyFile: "/k" });
  assert.equal(found.key, largest);
});

Deno.test("no more is read than one byte over the limit", async () => {
  const host = new FakeKeyEnvironment({ files: { "/k": { content: "x".repeat(1_000_000) } } });
  await assert.rejects(
    resolveKey({ key: undefined, keyFile: "/k" }, {
      signal: new AbortController().signal,
      log: makeLogger(() => {}, () => 0),
      secretsHidden: true,
    }, host),
    { kind: "usage" },
  );
  assert.equal(host.bytesRead, 65537);
});

Deno.test("a key among the arguments draws one warning, that does not hold it", async () => {
  for (const hidden of [true, false]) {
    const { logged } = await find({}, { key: "n0body" }, hidden);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /^warn .*visible in process lists.*--key-file or TTUN_KEY_FILE/);
    assert.equal(logged[0]!.includes("until ttun hid it"), hidden);
    assert.doesNotMatch(logged[0]!, /n0body/);
  }
  assert.deepEqual((await find({ env: { TTUN_KEY: "x" } })).logged, []);
});

Deno.test("TTUN_KEY leaves the environment, whichever source is used", async () => {
  const env = { TTUN_KEY: "variable" };
  assert.deepEqual((await find({ env })).host.forgotten, ["TTUN_KEY"]);
  assert.deepEqual((await find({ env }, { key: "x" })).host.forgotten, ["TTUN_KEY"]);
  assert.deepEqual((await find({}, { key: "x" })).host.forgotten, []);
});

Deno.test("a key by -k that is a file's name draws a hint, without the name", async () => {
  const files = { "/home/ann/n0body": { content: "secret" } };
  const { logged } = await find({ files }, { key: "/home/ann/n0body" });
  assert.equal(logged.length, 2);
  assert.match(logged[1]!, /^warn What -k gives is also the name of a file.*--key-file/);
  assert.doesNotMatch(logged.join(), /n0body/);
});

Deno.test("a secret's file is ours or the system's, wherever it is found", async () => {
  const places: ((file: FakeFile) => Parameters<typeof refusal>)[] = [
    (file) => [{ files: { "/k": file } }, { keyFile: "/k" }],
    (file) => [{ env: { TTUN_KEY_FILE: "/k" }, files: { "/k": file } }],
    (file) => [{ env: { CREDENTIALS_DIRECTORY: "/cred" }, files: { "/cred/ttun-key": file } }],
    (file) => [{ env: { HOME: "/home/ann" }, files: { "/home/ann/.config/ttun/key": file } }],
    (file) => [{ files: { "/etc/ttun/key": file } }],
  ];
  for (const place of places) {
    for (const owner of [0, OWN_UID]) {
      assert.equal((await find(...place({ content: "secret", owner }))).key, "secret");
    }
    const message = await refusal(...place({ content: "secret", owner: OWN_UID + 1 }));
    assert.match(message, /^Cannot use key file ".+": it belongs to user 1001, who could change/);
    assert.match(message, /; run chown "\$\(id -u\)" \/\S+$/);
  }
});
