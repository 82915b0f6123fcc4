import { openLibc } from "../../ffi/linux/libc.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { serveCases } from "../in_worker.ts";
import { reactorCases, runReactorCase } from "./reactor_cases.ts";

/** Before the name of a case: by a reactor that looks for a while before it sleeps. */
const POLLING = "polling: ";

/** Entry of a Worker: the reactor's cases where it blocks its thread. */
serveCases(async (called) => {
  const busyPoll = called.startsWith(POLLING);
  const name = busyPoll ? called.slice(POLLING.length) : called;
  const one = reactorCases.find((some) => some.name === name);
  if (one === undefined) throw new Error(`There is no case called ${name}`);
  using libc = openLibc();
  await using reactor = new Reactor(libc, "blocking", { busyPoll });
  await runReactorCase(one, reactor, libc);
});
