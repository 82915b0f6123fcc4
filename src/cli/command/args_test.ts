import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { parseArgs } from "./args.ts";
import type { OptionTable, Values } from "./option_table.ts";

const TABLE = {
  key: { names: ["key", "k"], kind: "string", metavar: "STRING", help: "", secret: true },
  size: {
    names: ["size", "s"],
    kind: "integer",
    metavar: "N",
    min: 68,
    max: 65519,
    default: 1280,
    help: "",
  },
  mptcp: { names: ["mptcp"], kind: "boolean", help: "" },
  once: { names: ["once"], kind: "boolean", default: false, conflicts: ["retries"], help: "" },
  retries: { names: ["retries"], kind: "integer", metavar: "N", min: 0, max: 9, help: "" },
  route: {
    names: ["route"],
    kind: "list",
    metavar: "LENGTH",
    parse: (text: string) => text.length,
    help: "",
  },
  mode: {
    names: ["mode", "m"],
    kind: "choice",
    metavar: "NAME",
    choices: ["chacha20", "aes256"],
    default: "chacha20",
    help: "",
  },
} as const satisfies OptionTable;

function values(...args: string[]): Values<typeof TABLE> {
  const parsed = parseArgs(TABLE, args);
  assert.ok(!parsed.help);
  return parsed.values;
}

function refusal(...args: string[]): string {
  try {
    parseArgs(TABLE, args);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail("was not refused");
}

Deno.test("without arguments there are the defaults, and undefined for the rest", () => {
  assert.deepEqual(values(), {
    key: undefined,
    size: 1280,
    mptcp: undefined,
    once: false,
    retries: undefined,
    route: undefined,
    mode: "chacha20",
  });
});

Deno.test("one dash or two, a space or an equals sign: all spellings of Go mean the same", () => {
  for (
    const args of [
      ["-size", "1400"],
      ["-size=1400"],
      ["--size", "1400"],
      ["--size=1400"],
      ["-s", "1400"],
      ["--s=1400"],
    ]
  ) {
    assert.equal(values(...args).size, 1400, args.join(" "));
  }
});

Deno.test("a boolean has three states, and takes no next argument for its value", () => {
  assert.equal(values().mptcp, undefined);
  assert.equal(values("-mptcp").mptcp, true);
  assert.equal(values("--mptcp=true").mptcp, true);
  assert.equal(values("-mptcp=false").mptcp, false);
  assert.equal(values("--mptcp=0").mptcp, false);
  assert.match(refusal("-mptcp", "false"), /argument 2/);
  assert.match(refusal("-mptcp=maybe"), /-mptcp=false/);
});

Deno.test("the last of several counts, a list keeps them all in order", () => {
  assert.equal(values("-s", "100", "-size", "200").size, 200);
  assert.deepEqual(values("-route", "a", "--route=bcd").route, [1, 3]);
});

Deno.test("a value may begin with a dash, hold an equals sign or a line end, or be empty", () => {
  assert.equal(values("-k", "-v").key, "-v");
  assert.equal(values("-k", "--").key, "--");
  assert.equal(values("-k=a=b\nc").key, "a=b\nc");
  assert.equal(values("-k=").key, "");
  assert.equal(values("-k", "").key, "");
});

Deno.test("two dashes alone end the options", () => {
  assert.equal(values("-s", "100", "--").size, 100);
  assert.match(refusal("--", "-s"), /argument 2/);
});

Deno.test("help is found wherever it stands, also beside what else would be wrong", () => {
  for (const spelling of ["-h", "--help", "-help", "--h"]) {
    assert.deepEqual(parseArgs(TABLE, ["-s", "100", spelling, "--nonsense"]), { help: true });
  }
});

Deno.test("an unknown option is refused, with the nearest name where there is one", () => {
  assert.match(refusal("--sise", "3"), /Unknown option --sise: did you mean --size\?/);
  assert.match(refusal("-K", "x"), /did you mean -k\?/);
  assert.match(refusal("--colour"), /--help lists all/);
});

Deno.test("an option of another program is refused in words of its own, before all else", () => {
  const refusals = { "tun-ip": "it is not there", size: "it is another's" };
  const refused = (...args: string[]) => () => parseArgs(TABLE, args, refusals);
  for (const args of [["--tun-ip"], ["-tun-ip", "x"], ["-s", "70", "--tun-ip=x"]]) {
    assert.throws(refused(...args), {
      kind: "usage",
      message: /^Cannot use --?tun-ip: it is not there$/,
    });
  }
  assert.throws(refused("--size", "70"), { message: "Cannot use --size: it is another's" });
  assert.throws(refused("--toString"), { message: /^Unknown option --toString/ });
});

Deno.test("a wrong number, choice or missing value is refused and says what would be right", () => {
  for (const text of ["67", "65520", "1e3", "", "0x50", "12 ", "-1"]) {
    assert.match(refusal("-s", text), /whole number from 68 to 65519/);
  }
  assert.match(refusal("-m", "aes-256"), /choose chacha20 or aes256; did you mean aes256\?/);
  assert.match(refusal("-m", "des"), /choose chacha20 or aes256$/);
  assert.match(refusal("-s"), /-s needs a value: -s N/);
});

Deno.test("what is no option is refused without being repeated", () => {
  const message = refusal("-k", "half", "a-secret");
  assert.match(message, /argument 3/);
  assert.doesNotMatch(message, /a-secret/);
  assert.match(refusal("-"), /argument 1/);
  assert.match(refusal("-=x"), /without a name/);
});

Deno.test("no message repeats a key that was written in a wrong way", () => {
  for (const arg of ["-kn0body", "-k:n0body", "--kex=n0body", "--secret=n0body", "-=n0body"]) {
    assert.doesNotMatch(refusal(arg), /n0body/);
  }
  assert.match(refusal("-kn0body"), /-k VALUE/);
});

Deno.test("options that exclude each other are refused, but not when one is switched off", () => {
  assert.match(refusal("--once", "--retries", "0"), /--once and --retries exclude each other/);
  assert.equal(values("--once=false", "--retries", "3").retries, 3);
});

Deno.test("a required option is missed, unless help is asked for", () => {
  const table = {
    server: { names: ["server", "s"], kind: "string", metavar: "HOST", required: true, help: "" },
  } as const satisfies OptionTable;
  assert.throws(() => parseArgs(table, []), { kind: "usage", message: /-s HOST is missing/ });
  const parsed = parseArgs(table, ["-s", "here"]);
  assert.ok(!parsed.help);
  const server: string = parsed.values.server;
  assert.equal(server, "here");
});

Deno.test("a parser's refusal names the option, and its bugs stay bugs", () => {
  const failing = (error: Error) =>
    ({
      x: {
        names: ["x"],
        kind: "string",
        metavar: "X",
        help: "",
        parse: (): string => {
          throw error;
        },
      },
    }) as const satisfies OptionTable;
  assert.throws(() => parseArgs(failing(new TtunError("usage", "Cannot read it")), ["-x", "1"]), {
    kind: "usage",
    message: "Option -x: Cannot read it",
  });
  assert.throws(() => parseArgs(failing(new RangeError("bug")), ["-x", "1"]), RangeError);
});

Deno.test("the places of all secrets are told, also of those that do not count", () => {
  const parsed = parseArgs(TABLE, ["-k", "one", "-s", "100", "--key=two", "-k="]);
  assert.ok(!parsed.help);
  assert.deepEqual(parsed.secrets, [
    { index: 1, start: 0 },
    { index: 4, start: 6 },
    { index: 5, start: 3 },
  ]);
});

Deno.test("a wrong value of an option that is on or off is not repeated: it may be a key", () => {
  const table = {
    quiet: { names: ["quiet", "k"], kind: "boolean", default: false, help: "" },
  } as const;
  assert.throws(() => parseArgs(table, ["-k=s3cret"]), (error: Error) => {
    assert.equal(error.message, "Cannot read the value of -k: write -k or -k=false");
    return true;
  });
});

Deno.test("a list that needs no name takes every word, also behind other options and --", () => {
  const table = {
    files: { names: ["file"], kind: "list", metavar: "FILE", positional: true, help: "" },
    once: { names: ["once"], kind: "boolean", default: false, help: "" },
  } as const satisfies OptionTable;
  const read = (...args: string[]) => {
    const parsed = parseArgs(table, args);
    assert.ok(!parsed.help);
    return parsed.values.files;
  };
  assert.deepEqual(read("a", "--once", "b", "--file", "c", "-"), ["a", "b", "c", "-"]);
  assert.deepEqual(read("a", "--", "-b", "--once"), ["a", "-b", "--once"]);
  assert.deepEqual(read("--once"), undefined);
});

Deno.test("what stands behind a word that takes the rest is its own, options too", () => {
  const table = {
    words: {
      names: ["word"],
      kind: "list",
      metavar: "W",
      positional: true,
      takesRest: true,
      help: "",
    },
    once: { names: ["once"], kind: "boolean", default: false, help: "" },
  } as const satisfies OptionTable;
  const read = (...args: string[]) => {
    const parsed = parseArgs(table, args);
    assert.ok(!parsed.help);
    return [parsed.values.once, ...parsed.values.words ?? []];
  };
  assert.deepEqual(read("--once", "home", "--once", "-x", "--", "-h"), [
    ...[true, "home", "--once", "-x", "--", "-h"],
  ]);
  assert.deepEqual(read("home"), [false, "home"]);
  assert.deepEqual(read("--", "home", "-x"), [false, "home", "-x"]);
  assert.deepEqual(read("--"), [false]);
  assert.deepEqual(read(), [false]);
});
