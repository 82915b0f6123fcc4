import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { TtunError } from "../../base/errors.ts";
import { type LogRecord, makeLogger } from "../../base/log.ts";
import { type RunContext, Stopped } from "../command/context.ts";
import type { ProxyConfig } from "../proxy/plane_config.ts";
import { PlaneHandle, type PlaneLife } from "./plane_handle.ts";
import { FACTS, type Script } from "./worker_fixture.ts";

const ENTRY = new URL("./worker_fixture.ts", import.meta.url);
const LOOPS = Deno.build.os === "linux" ? ["blocking", "messages"] as const : ["messages"] as const;

type Facts = typeof FACTS;

/** Runs a plane that plays the script, and returns its log and its failure. */
async function world(
  script: Script,
  life: (
    stop: () => void,
    said: string[],
    alive: () => Promise<void>,
  ) => Partial<PlaneLife<Facts, string>>,
) {
  const root = new AbortController();
  const said: string[] = [];
  let alive: () => Promise<void> = () => Promise.reject(new Error("no watchdog"));
  const stop = () => root.abort(new Stopped("the test"));
  const printRecord = (record: LogRecord) => {
    said.push(record.message);
    if (record.message === "gone") stop(); // the last that it says by itself
  };
  const context: RunContext = {
    signal: root.signal,
    log: makeLogger(printRecord, () => 0),
    printRecord,
    logLevel: "info",
    secretsHidden: true,
    onDetached: () => {},
    onReload: () => ({ [Symbol.dispose]: () => {} }),
    onStatus: () => ({ [Symbol.dispose]: () => {} }),
    onWatchdog: (answer) => {
      alive = answer;
      return { [Symbol.dispose]: () => {} };
    },
  };
  using libc = script.loop === "blocking" ? openLibc() : null;
  let error: unknown = null;
  {
    // The script stands in a config's place.
    const config = script as unknown as ProxyConfig;
    await using plane = new PlaneHandle<Facts, string>(config, { libc, context, entry: ENTRY });
    const standard: PlaneLife<Facts, string> = {
      prepare: (facts) => {
        said.push(`ready ${facts.listen}`);
        return Promise.resolve("north");
      },
      afterwards: () => {
        said.push("afterwards");
        return Promise.resolve();
      },
    };
    try {
      await plane.run({ ...standard, ...life(stop, said, () => alive()) });
    } catch (thrown) {
      error = thrown;
    }
  }
  return { said, error };
}

/** Stops a plane once it has started. */
function stopSoon(stop: () => void): Partial<PlaneLife<Facts, string>> {
  return {
    prepare: () => {
      setTimeout(stop);
      return Promise.resolve("north");
    },
  };
}

for (const loop of LOOPS) {
  test(`a plane is prepared, started, answered and stopped: ${loop}`, async () => {
    const { said, error } = await world({ loop, play: "serve" }, (_, said) => ({
      reportV2: () => {
        said.push("met");
        return Promise.resolve();
      },
    }));
    assert.equal(error, null);
    assert.match(said[4]!, /^name: Cannot resolve "a\.\.b"/);
    assert.deepEqual(said.toSpliced(4, 1), [
      `ready ${FACTS.listen}`,
      "start north",
      "met",
      "192.0.2.7",
      "gone",
      "stopped",
      "afterwards",
    ]);
  });

  test(`a watchdog hears from a plane, and from one that has ended: ${loop}`, async () => {
    let askLater = () => Promise.resolve();
    const { said } = await world({ loop, play: "abort" }, (stop, said, alive) => ({
      prepare: async () => {
        askLater = alive;
        await alive();
        said.push("alive");
        setTimeout(stop);
        return "north";
      },
    }));
    assert.deepEqual(said, ["alive", "afterwards"]);
    await askLater();
  });

  test(`a watchdog hears nothing from a plane that hangs: ${loop}`, async () => {
    const until = new SharedArrayBuffer(4);
    const { said, error } = await world({ loop, play: "abort", until }, (stop, said, alive) => ({
      prepare: async () => {
        const answer = alive().then(() => said.push("alive"));
        await new Promise((resolve) => setTimeout(resolve, 100));
        said.push("silent");
        Atomics.store(new Int32Array(until), 0, 1);
        Atomics.notify(new Int32Array(until), 0);
        await answer;
        setTimeout(stop);
        return "north";
      },
    }));
    assert.equal(error, null);
    assert.deepEqual(said, ["silent", "alive", "afterwards"]);
  });

  test(`a session waits until its addresses are taken: ${loop}`, async () => {
    const { said, error } = await world({ loop, play: "addresses" }, (_, said) => ({
      addresses: (addresses) => {
        said.push(addresses.join());
        return Promise.resolve();
      },
    }));
    assert.equal(error, null);
    assert.deepEqual(said, [
      `ready ${FACTS.listen}`,
      "10.9.0.2/24",
      "gone",
      "afterwards",
    ]);
  });

  test(`what fails when addresses are taken ends the plane, and is told: ${loop}`, async () => {
    const failure = new TtunError("hook", "It does not work");
    const { said, error } = await world({ loop, play: "addresses" }, () => ({
      addresses: () => Promise.reject(failure),
    }));
    assert.equal(error, failure);
    assert.deepEqual(said, [`ready ${FACTS.listen}`, "afterwards"]);
  });

  test(`a server that cannot be remembered ends the plane, and is told: ${loop}`, async () => {
    const failure = new TtunError("system", "It cannot be written down");
    const { error } = await world({ loop, play: "serve" }, () => ({
      reportV2: () => Promise.reject(failure),
    }));
    assert.equal(error, failure);
  });

  test(`what a plane fails of is what its main thread fails of: ${loop}`, async () => {
    const early = await world({ loop, play: "refuse" }, () => ({}));
    assert.ok(early.error instanceof TtunError);
    assert.deepEqual([early.error.kind, early.error.message], ["in_use", "The port is taken"]);
    assert.deepEqual(early.said, []);
    const late = await world({ loop, play: "fail" }, () => ({}));
    assert.ok(late.error instanceof TtunError);
    assert.deepEqual([late.error.kind, late.error.message], ["exhausted", "Out of north"]);
    assert.deepEqual(late.said, [`ready ${FACTS.listen}`, "afterwards"]);
  });

  test(`an abort that comes through is no failure: ${loop}`, async () => {
    const { said, error } = await world({ loop, play: "abort" }, stopSoon);
    assert.equal(error, null);
    assert.deepEqual(said, ["afterwards"]);
  });

  for (const play of ["fail late", "fail to close"] as const) {
    test(`a failure after the stop is reported: ${play}, ${loop}`, async () => {
      const { said, error } = await world({ loop, play }, stopSoon);
      assert.ok(error instanceof TtunError);
      assert.deepEqual([error.kind, error.message], ["system", "Cannot take back the route"]);
      assert.deepEqual(said, ["afterwards"]);
    });
  }

  test(`a failure after the stop does not hide what caused the stop: ${loop}`, async () => {
    const failure = new TtunError("hook", "It does not work");
    const { said, error } = await world({ loop, play: "fail late" }, () => ({
      prepare: () => Promise.reject(failure),
    }));
    assert.equal(error, failure);
    assert.deepEqual(said, ["Cannot take back the route", "afterwards"]);
  });

  test(`a plane that is stopped before it starts never starts: ${loop}`, async () => {
    const { said, error } = await world({ loop, play: "serve" }, (stop) => ({
      prepare: () => {
        stop();
        return Promise.resolve("north");
      },
    }));
    assert.equal(error, null);
    assert.deepEqual(said, ["afterwards"]);
  });

  test(`what fails in the preparation ends the plane, and is told: ${loop}`, async () => {
    const failure = new TtunError("hook", "It does not work");
    const { said, error } = await world({ loop, play: "serve" }, () => ({
      prepare: () => Promise.reject(failure),
    }));
    assert.equal(error, failure);
    assert.deepEqual(said, ["afterwards"]);
  });

  test(`a plane is told whether the user ends it or a failure does: ${loop}`, async () => {
    const script = { loop, play: "tell the end" } as const;
    const failed = await world(script, () => ({ prepare: () => Promise.reject(new Error("no")) }));
    assert.deepEqual(failed.said, ["ended by a failure", "afterwards"]);
    const stopped = await world(script, stopSoon);
    assert.deepEqual(stopped.said, ["ended on purpose", "afterwards"]);
  });
}

test("a plane that ends by itself without an error has ended as it was to", async () => {
  const { said, error } = await world({ loop: "messages", play: "end" }, () => ({}));
  assert.equal(error, null);
  assert.deepEqual(said, [`ready ${FACTS.listen}`, "afterwards"]);
});

test("an exception that nobody catches in the plane is a bug, and ends it", async () => {
  const { said, error } = await world({ loop: "messages", play: "crash" }, () => ({}));
  assert.ok(error instanceof TtunError);
  assert.equal(error.kind, "internal");
  assert.match(error.message, /broken/);
  assert.deepEqual(said, [`ready ${FACTS.listen}`, "afterwards"]);
});

test("a plane that does not stop is left behind, and that is told", async () => {
  const { said, error } = await world({ loop: "messages", play: "deaf" }, (stop, said) => ({
    prepare: () => {
      setTimeout(stop);
      said.push("prepared");
      return Promise.resolve("north");
    },
  }));
  assert.equal(error, null);
  assert.deepEqual(said, [
    "prepared",
    "the data plane does not stop: it is left behind",
    "afterwards",
  ]);
});

test("who asks to stop before the plane is there is heard when it is", async () => {
  const root = new AbortController();
  root.abort(new Stopped("the test"));
  const said: string[] = [];
  const context: RunContext = {
    signal: root.signal,
    log: makeLogger(({ message }) => said.push(message), () => 0),
    printRecord: ({ message }) => said.push(message),
    logLevel: "info",
    secretsHidden: true,
    onDetached: () => {},
    onReload: () => ({ [Symbol.dispose]: () => {} }),
    onStatus: () => ({ [Symbol.dispose]: () => {} }),
  };
  const script: Script = { loop: "messages", play: "serve" };
  await using plane = new PlaneHandle<Facts, string>(script as unknown as ProxyConfig, {
    libc: null,
    context,
    entry: ENTRY,
  });
  await plane.run({ prepare: () => Promise.reject(new Error("was prepared")) });
  assert.deepEqual(said, []);
});
