import assert from "node:assert/strict";
import { onAbort, type Scope, scope } from "./scope.ts";

const never = () => new AbortController().signal;

/** Waits until the signal aborts, then throws its reason, as a task's pending calls do. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  onAbort(signal, reject);
  return promise;
}

/** A signal that counts who listens to it. */
function watched(): { signal: AbortSignal; listeners: () => number; abort: (r: unknown) => void } {
  const controller = new AbortController();
  const { signal } = controller;
  const live = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, run: EventListenerOrEventListenerObject) => {
    live.add(run);
    add(type, run);
  };
  signal.removeEventListener = (type: string, run: EventListenerOrEventListenerObject) => {
    live.delete(run);
    remove(type, run);
  };
  return { signal, listeners: () => live.size, abort: (reason) => controller.abort(reason) };
}

Deno.test("scope() gives the body's result after all that it spawned has ended", async () => {
  const done: string[] = [];
  const result = await scope(never(), (s) => {
    s.spawn(async () => {
      await Promise.resolve();
      s.spawn(() => void done.push("grandchild"));
      await Promise.resolve();
      done.push("child");
    });
    return 42;
  });
  assert.equal(result, 42);
  assert.deepEqual(done, ["grandchild", "child"]);
});

Deno.test("the first failure cancels the siblings and is what scope() throws", async () => {
  const first = new Error("first");
  const reasons: unknown[] = [];
  await assert.rejects(
    scope(never(), (s) => {
      s.spawn(async (signal) => {
        await aborted(signal).catch((reason) => reasons.push(reason));
        throw new Error("an echo of the cancellation");
      });
      s.spawn(() => Promise.reject(first));
      s.spawn((signal) => aborted(signal));
    }),
    (error) => error === first,
  );
  assert.deepEqual(reasons, [first]);
});

Deno.test("scope() throws only when the cancelled siblings are through with their clean-up", async () => {
  let cleaned = false;
  const run = scope(never(), (s) => {
    s.spawn(async (signal) => {
      await aborted(signal).catch(() => {});
      for (let i = 0; i < 10; i++) await Promise.resolve();
      cleaned = true;
    });
    s.spawn(() => {
      throw new Error("thrown, not rejected");
    });
  });
  await assert.rejects(run, /thrown, not rejected/);
  assert.equal(cleaned, true);
});

Deno.test("a failure of the body cancels the tasks and is thrown", async () => {
  let reason: unknown;
  const failure = new Error("body");
  await assert.rejects(
    scope(never(), async (s) => {
      s.spawn((signal) => aborted(signal).catch((r) => void (reason = r)));
      await Promise.resolve();
      throw failure;
    }),
    (error) => error === failure,
  );
  assert.equal(reason, failure);
});

Deno.test("a falsy failure is a failure", async () => {
  let threw = false;
  await scope(never(), (s) => s.spawn(() => Promise.reject(undefined))).catch(() => threw = true);
  assert.equal(threw, true);
});

Deno.test("the parent's abort cancels the tasks, and its reason is thrown", async () => {
  const parent = new AbortController();
  const reason = new Error("stop");
  let seen: unknown;
  const run = scope(parent.signal, (s) => {
    s.spawn((signal) => aborted(signal).catch((r) => void (seen = r)));
    return "unused";
  });
  parent.abort(reason);
  await assert.rejects(run, (error) => error === reason);
  assert.equal(seen, reason);
});

Deno.test("under an aborted parent the body does not even begin", async () => {
  let began = false;
  const reason = new Error("stopped before");
  await assert.rejects(
    scope(AbortSignal.abort(reason), () => void (began = true)),
    (error) => error === reason,
  );
  assert.equal(began, false);
});

Deno.test("cancel() ends the tasks and is no failure", async () => {
  const result = await scope(never(), (s) => {
    s.spawn((signal) => aborted(signal));
    s.cancel(new Error("enough"));
    return "fine";
  });
  assert.equal(result, "fine");
});

Deno.test("fail() from outside of a task ends all with its error", async () => {
  const failure = new Error("told");
  let outer: Scope | undefined;
  const run = scope(never(), (s) => {
    outer = s;
    s.spawn((signal) => aborted(signal));
  });
  outer!.fail(failure);
  outer!.fail(new Error("too late"));
  await assert.rejects(run, (error) => error === failure);
});

Deno.test("the failure of an inner scope is its task's failure in the outer one", async () => {
  const failure = new Error("inner");
  const ended: string[] = [];
  await assert.rejects(
    scope(never(), (outer) => {
      outer.spawn((signal) => aborted(signal).catch(() => void ended.push("uncle")));
      outer.spawn((signal) =>
        scope(signal, (inner) => {
          inner.spawn((s) => aborted(s).catch(() => void ended.push("sibling")));
          inner.spawn(() => Promise.reject(failure));
        })
      );
    }),
    (error) => error === failure,
  );
  assert.deepEqual(ended.sort(), ["sibling", "uncle"]);
});

Deno.test("a failure that an inner scope keeps to itself leaves the outer one alone", async () => {
  const result = await scope(never(), async (outer) => {
    await scope(outer.signal, (inner) => inner.spawn(() => Promise.reject(new Error("x"))))
      .catch(() => {});
    return outer.signal.aborted;
  });
  assert.equal(result, false);
});

Deno.test("scope() leaves no listener on its parent, however it ends", async () => {
  const parent = watched();
  await scope(parent.signal, () => {});
  await scope(parent.signal, () => Promise.reject(new Error("x"))).catch(() => {});
  assert.equal(parent.listeners(), 0);
  const run = scope(parent.signal, (s) => s.spawn((signal) => aborted(signal)));
  assert.equal(parent.listeners(), 1);
  parent.abort(new Error("stop"));
  await assert.rejects(run, /stop/);
  assert.equal(parent.listeners(), 0);
});

Deno.test("onAbort() runs once, at once when the signal has aborted, and not after dispose", () => {
  const runs: unknown[] = [];
  const controller = new AbortController();
  const gone = onAbort(controller.signal, () => runs.push("gone"));
  onAbort(controller.signal, (reason) => runs.push(reason));
  gone[Symbol.dispose]();
  gone[Symbol.dispose]();
  controller.abort("now");
  onAbort(controller.signal, (reason) => runs.push(`late: ${reason}`));
  assert.deepEqual(runs, ["now", "late: now"]);
});

Deno.test("onAbort: who goes while the others are told is not told any more; the order is that of coming", () => {
  const controller = new AbortController();
  const told: string[] = [];
  onAbort(controller.signal, () => {
    told.push("first");
    second[Symbol.dispose]();
  });
  const second = onAbort(controller.signal, () => told.push("second"));
  onAbort(controller.signal, (reason) => told.push(`third: ${reason}`));
  controller.abort("why");
  controller.abort("again");
  assert.deepEqual(told, ["first", "third: why"]);
});

Deno.test("onAbort: coming and going costs the same with many others", () => {
  const { signal } = new AbortController();
  let asked = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    asked++;
    add(...args);
  };
  const all = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
  for (const one of all) one[Symbol.dispose]();
  assert.equal(asked, 1);
});
