/**
 * A test that must leave no descriptor open. Deno's own sanitizers see what Deno opened; sockets,
 * devices and epoll instances made by a native call pass them unseen, so here the process's table
 * of descriptors is compared before and after. For tests with all permissions; not for `pure`.
 */

/** How long descriptors may take to close after a test: workers and sockets end asynchronously. */
const GRACE_MS = 1000;
const RETRY_MS = 20;

/** Descriptors by what they lead to: `socket:[4711]` → 1, `anon_inode:[eventpoll]` → 3. */
type Descriptors = Map<string, number[]>;

/** Deno.test, which also fails when `fn` leaves a descriptor open. */
export function test(name: string, fn: Deno.TestDefinition["fn"]): void;
export function test(options: Deno.TestDefinition): void;
export function test(
  first: string | Deno.TestDefinition,
  fn?: Deno.TestDefinition["fn"],
): void {
  const options = typeof first === "string" ? { name: first, fn: fn! } : first;
  const inner = options.fn;
  Deno.test({
    ...options,
    async fn(t) {
      if (Deno.build.os !== "linux") return await inner(t);
      await settleRuntime();
      const before = openDescriptors();
      await whole(() => inner(t)); // a test that fails says why by itself: its leaks are a consequence
      await expectNoneLeft(before);
    },
  });
}

/**
 * Of a failure whose clean-up fails too, a SuppressedError tells neither.
 * @throws an Error with the texts of both
 */
async function whole(run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    throw thrown instanceof SuppressedError ? new Error(textOf(thrown), { cause: thrown }) : thrown;
  }
}

/** Text of a failure, with that of a clean-up which failed too. */
export function textOf(thrown: unknown): string {
  if (!(thrown instanceof SuppressedError)) {
    return thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
  }
  return `${textOf(thrown.suppressed)}\nThen the clean-up failed: ${textOf(thrown.error)}`;
}

async function expectNoneLeft(before: Descriptors): Promise<void> {
  const deadline = Date.now() + GRACE_MS;
  for (;;) {
    const left = surplus(before, openDescriptors());
    if (left.length === 0) return;
    if (Date.now() >= deadline) {
      throw new Error(`The test left descriptors open:\n  ${left.join("\n  ")}`);
    }
    await new Promise((wake) => setTimeout(wake, RETRY_MS));
  }
}

/** Descriptors that only `after` has, as `fd → target`. Counts targets: numbers are reused. */
function surplus(before: Descriptors, after: Descriptors): string[] {
  return [...after].flatMap(([target, fds]) => {
    const old = before.get(target) ?? [];
    if (fds.length <= old.length) return [];
    const fresh = fds.filter((fd) => !old.includes(fd));
    return fresh.slice(old.length - fds.length).map((fd) => `${fd} → ${target}`);
  });
}

function openDescriptors(): Descriptors {
  const found: Descriptors = new Map();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const target = linkTarget(`/proc/self/fd/${name}`);
    if (target === null || isOfTheRuntime(target)) continue;
    found.set(target, [...(found.get(target) ?? []), Number(name)]);
  }
  return found;
}

/** null for the descriptor that the listing itself had open. */
function linkTarget(path: string): string | null {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Deno opens its compile caches (SQLite) when they are first needed, and keeps them. */
function isOfTheRuntime(target: string): boolean {
  return /_cache_v\d+(-wal|-shm|-journal)?$/.test(target);
}

let settled: Promise<void> | null = null;

/**
 * Deno keeps the epoll instance and eventfd of the last worker that ended, until the next begins.
 * One worker before the first comparison makes that pair a constant.
 */
function settleRuntime(): Promise<void> {
  return settled ??= new Promise((done, fail) => {
    const worker = new Worker("data:text/javascript,self.postMessage(0)", { type: "module" });
    worker.onmessage = () => {
      worker.terminate();
      setTimeout(done, 50); // its thread ends a moment after
    };
    worker.onerror = (event) => fail(new Error(`Cannot start a worker: ${event.message}`));
  });
}
