import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { runInWorker } from "../../../tests/in_worker.ts";
import { reactorCases, runReactorCase } from "../../../tests/suite/reactor_cases.ts";
import { Reactor } from "./reactor.ts";

const WORKER = new URL("../../../tests/suite/reactor_worker.ts", import.meta.url);

for (const one of reactorCases) {
  const { name } = one;
  test(`reactor: ${name}`, async () => {
    using libc = openLibc();
    await using reactor = new Reactor(libc, "async");
    await runReactorCase(one, reactor, libc);
  });
  test(`reactor, blocking: ${name}`, () => runInWorker(WORKER, name));
  test(`reactor, polling: ${name}`, () => runInWorker(WORKER, `polling: ${name}`));
}
